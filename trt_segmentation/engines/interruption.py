# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Delay Ctrl-C while a C++ library calls Python functions."""

from __future__ import annotations

from contextlib import suppress
import os
import signal
import threading


class HeldInterrupt:
    """Delays Ctrl-C until the end of a ``with`` block.

    If a logger of TensorRT raises a KeyboardInterrupt, TensorRT ignores the exception and goes on
    for minutes. So inside the block, Ctrl-C only sets :attr:`is_requested`. The caller must then
    ask the library to stop. The end of the block raises the KeyboardInterrupt. A second Ctrl-C
    ends the process at once, if the main thread has run Python code since the first Ctrl-C.
    Otherwise the second Ctrl-C changes nothing.

    Only the main thread receives signals. In another thread, the block changes nothing. The block
    also changes nothing if the program has its own handler of SIGINT.

    :param text: text of the KeyboardInterrupt.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._requested = False
        self._pipe: tuple[int, int] | None = None

    @property
    def is_requested(self) -> bool:
        """Whether Ctrl-C was pressed inside the block. Any thread may read this property."""
        # The library may call Python in its own threads, while the main thread runs no Python
        # code. Then _catch cannot run, but the interpreter writes the number of each signal into
        # the pipe at once.
        if self._pipe is not None and not self._requested:
            with suppress(BlockingIOError):
                self._requested = signal.SIGINT in os.read(self._pipe[0], 64)
        return self._requested

    def __enter__(self) -> HeldInterrupt:
        """Begin to delay Ctrl-C."""
        if threading.current_thread() is threading.main_thread() and (
                signal.getsignal(signal.SIGINT) is signal.default_int_handler):
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            self._wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            signal.signal(signal.SIGINT, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        """Give Ctrl-C its usual meaning again.

        :raises KeyboardInterrupt: if Ctrl-C was pressed inside the block.
        """
        if self._pipe is None:
            return
        requested = self.is_requested
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.set_wakeup_fd(self._wakeup)
        for end in self._pipe:
            os.close(end)
        self._pipe = None
        if requested:
            raise KeyboardInterrupt(self._text)

    def _catch(self, *_: object) -> None:
        self._requested = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
