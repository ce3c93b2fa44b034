# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The end of a process: signals, exit codes, and threads that cannot be stopped."""

from __future__ import annotations

from collections.abc import Callable
import signal
import threading
import time
from types import FrameType
from weakref import WeakSet

STOP_REQUESTED = threading.Event()
"""Set when a signal asks the process to end. See :func:`request_stop_on_signals`."""

GPU_LOST = 75
"""Exit code if only a new process can use the GPU. sysexits.h calls this code EX_TEMPFAIL."""

BROKEN = 70
"""Exit code if nothing works in this process any more. sysexits.h calls this code EX_SOFTWARE."""

ECHO = 1.0
"""A signal that comes at most this many seconds after the first signal counts as the same signal.
For example, ``timeout -s INT`` signals a process twice: once directly, and once with its group."""

_unstoppable: WeakSet[threading.Thread] = WeakSet()
_lock = threading.Lock()


def request_stop_on_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP set :data:`STOP_REQUESTED`. Call this in the main thread.

    If the process already ignores SIGHUP, SIGHUP stays ignored. ``nohup`` starts programs so that
    they ignore SIGHUP.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: STOP_REQUESTED.set())


def leave_running(thread: threading.Thread) -> None:
    """Record a daemon thread that cannot be interrupted. Any thread may call this."""
    with _lock:
        _unstoppable.add(thread)


def start_unstoppable(work: Callable[[], None]) -> None:
    """Start work in a daemon thread. The process may end before this thread ends."""
    thread = threading.Thread(target=work, daemon=True)
    leave_running(thread)
    thread.start()


def has_unstoppable_work() -> bool:
    """Return whether a thread that cannot be interrupted still runs.

    The caller must then end the process with os._exit, because a normal exit of Python would free
    objects that the thread still uses.
    """
    with _lock:
        return any(thread.is_alive() for thread in _unstoppable)


class StopSignals:
    """Lets a program finish its current image after SIGINT (Ctrl-C), SIGTERM or SIGHUP.

    The first signal only sets :attr:`caught`. The program reads this attribute between two images.
    A signal that comes more than :data:`ECHO` seconds later acts as usual. Python handles signals
    only in the main thread, so in another thread this object does nothing.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        """Number of the first signal. None if no signal came."""
        self._first = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) is not signal.SIG_IGN:     # nohup ignores SIGHUP
                    self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _catch(self, number: int, _: FrameType | None) -> None:
        if self.caught is None:
            self.caught, self._first = number, time.monotonic()
        elif time.monotonic() > self._first + ECHO:
            signal.signal(number, self._before[number])  # type: ignore[arg-type]
            signal.raise_signal(number)
