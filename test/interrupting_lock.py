# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A lock that lets a test run another thread in the middle of what the lock protects."""

from __future__ import annotations

from collections.abc import Callable
import threading

TIMEOUT = 30.0


class InterruptingLock:
    """Replaces an object's own lock. The order of the threads does not depend on a clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._other: threading.Thread | None = None
        self._has_stopped = threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread() is self._other:
            self._has_stopped.set()  # the thread waits here until the lock is free
        assert self._lock.acquire(timeout=TIMEOUT)

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def interrupt(self, work: Callable[[], object]) -> None:
        """Run ``work`` in another thread until it ends or waits for the lock; only once."""
        if self._other:
            return

        def run() -> None:
            work()
            self._has_stopped.set()

        self._other = threading.Thread(target=run)
        self._other.start()
        assert self._has_stopped.wait(TIMEOUT)

    def join(self) -> None:
        """Wait until the other thread has ended."""
        assert self._other, 'nothing was interrupted'
        self._other.join(TIMEOUT)
        assert not self._other.is_alive()
