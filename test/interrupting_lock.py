# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A lock that lets a test run another thread in the middle of what the lock protects."""

from __future__ import annotations

from collections.abc import Callable
import threading

TIMEOUT = 30.0


class InterruptingLock:
    """In place of an object's own lock. Which thread runs when depends on no clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._other: threading.Thread | None = None
        self._came_to_rest = threading.Event()

    def __enter__(self) -> None:
        if threading.current_thread() is self._other:
            self._came_to_rest.set()  # as far as it gets while the lock is held
        assert self._lock.acquire(timeout=TIMEOUT)

    def __exit__(self, *exception: object) -> None:
        self._lock.release()

    def interrupt(self, work: Callable[[], object]) -> None:
        """Run ``work`` in another thread until it has ended or asks for the lock; once only."""
        if self._other:
            return

        def run() -> None:
            work()
            self._came_to_rest.set()

        self._other = threading.Thread(target=run)
        self._other.start()
        assert self._came_to_rest.wait(TIMEOUT)

    def join(self) -> None:
        """Wait for the end of the other thread."""
        assert self._other, 'nothing was interrupted'
        self._other.join(TIMEOUT)
        assert not self._other.is_alive()
