# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Ending a run between two frames instead of within one."""

from __future__ import annotations

import signal
import threading
from types import FrameType

TOLD = threading.Event()
"""Set once SIGINT or SIGTERM came to a process of :func:`run`."""

GPU_LOST = 75
"""Exit code of a process whose GPU only another process can use: EX_TEMPFAIL of sysexits.h."""

BROKEN = 70
"""Exit code of a process in which nothing works any more: EX_SOFTWARE of sysexits.h."""

UNENDING = 'work that cannot be stopped'
"""Name of daemon threads that the process is not to wait for."""


class StopSignals:
    """Turns the first Ctrl-C (or SIGTERM, SIGHUP) into a wish, so that no message is cut in two.

    The second acts as ever. Outside the main thread, where Python takes no signals, it does
    nothing.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:     # as nohup sets it
                    self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _catch(self, number: int, _: FrameType | None) -> None:
        self.caught = number
        signal.signal(number, self._before[number])  # type: ignore[arg-type]
