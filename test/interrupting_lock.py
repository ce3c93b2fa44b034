# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A lock for tests. Another thread runs while the first thread holds the lock."""

from __future__ import annotations

from collections.abc import Callable
import threading

TIMEOUT = 30.0


class InterruptingLock:
    """Replaces the lock of an object, so that a test decides the order of two threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._other: threading.Thread | None = None
        self._has_stopped = threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread() is self._other:
            self._has_stopped.set()  # the other thread waits for the lock in the next line
        assert self._lock.acquire(timeout=TIMEOUT)

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def interrupt(self, work: Callable[[], object]) -> None:
        """Run ``work`` in another thread until it ends or waits for the lock.

        Only the first call does this.
        """
        if self._other:
            return

        def run() -> None:
            work()
            self._has_stopped.set()

        self._other = threading.Thread(target=run)
        self._other.start()
        assert self._has_stopped.wait(TIMEOUT)

    def join(self) -> None:
        assert self._other, 'nothing was interrupted'
        self._other.join(TIMEOUT)
        assert not self._other.is_alive()
