# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""How a process ends: its signals, its exit codes, and its threads that cannot be stopped."""

from __future__ import annotations

from collections.abc import Callable
import signal
import threading
from types import FrameType
from weakref import WeakSet

STOP_REQUESTED = threading.Event()
"""Set when SIGINT or SIGTERM comes, if :func:`request_stop_on_signals` was called before."""

GPU_LOST = 75
"""Exit code if only a new process can use the GPU: EX_TEMPFAIL of sysexits.h."""

BROKEN = 70
"""Exit code if nothing works in this process any more: EX_SOFTWARE of sysexits.h."""

_unstoppable: WeakSet[threading.Thread] = WeakSet()
_lock = threading.Lock()


def request_stop_on_signals() -> None:
    """Let SIGINT and SIGTERM set :data:`STOP_REQUESTED`. Call this in the main thread."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOP_REQUESTED.set())


def leave_running(thread: threading.Thread) -> None:
    """Record that a daemon thread cannot be stopped. Any thread may call this.

    Such a thread is inside a library that cannot be interrupted.
    """
    with _lock:
        _unstoppable.add(thread)


def start_unstoppable(work: Callable[[], None]) -> None:
    """Start work in a daemon thread that the process does not wait for."""
    thread = threading.Thread(target=work, daemon=True)
    leave_running(thread)
    thread.start()


def has_unstoppable_work() -> bool:
    """Whether a thread that cannot be stopped still runs.

    Then the process must end with os._exit: Python's own end would free what the thread uses.
    """
    with _lock:
        return any(thread.is_alive() for thread in _unstoppable)


class StopSignals:
    """Delays the first Ctrl-C (or SIGTERM, SIGHUP), so that no message is cut in two.

    The caller reads :attr:`caught` between two messages. A second signal acts as usual. Outside
    the main thread this does nothing, because Python handles signals only in the main thread.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        """Number of the signal that came. None if no signal came."""
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
        self.caught = number
        signal.signal(number, self._before[number])  # type: ignore[arg-type]
