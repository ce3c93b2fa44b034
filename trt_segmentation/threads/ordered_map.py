# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Calls a function for many items in several threads, and gives the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
import os
import sys
import threading
from typing import TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')

CORES = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
"""Number of CPU cores that this process may use."""
BYTES_AHEAD = 256 << 20
"""Largest total size of the results that wait for the receiver, in bytes."""
NICENESS = 10
"""Niceness of the threads, from 0 to 19. The network then gets the CPU cores first."""
_FIRST = 2
"""Number of calls that are begun before the size of the first result is known."""


def map_ahead(work: Callable[[Item], Result], items: Iterable[Item], name: str,
              threads: int = CORES, size_of: Callable[[Result], int] = lambda result: 0
              ) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each item, in the order of the items.

    While the receiver uses a result, the threads already work on the next items. At most
    ``threads`` + 4 items are in work or wait for the receiver. If results are large, fewer items
    are, so that the results together have at most about :data:`BYTES_AHEAD` bytes. Two items are
    always in work.

    The thread of the receiver iterates over the items. So a slow source delays results that are
    ready. Close the generator if it is not read to its end: this stops the threads. The generator
    also closes ``items`` if this is a generator.

    :param work: any thread may call this function, also several threads at the same time.
    :param name: begin of the names of the threads.
    :param size_of: returns the size of a result in bytes.
    :raises Exception: the exception of ``items`` or of ``work``. All earlier results are yielded
        before the exception is raised.
    """
    waiting: deque[Future[Result]] = deque()
    source = iter(items)
    room, largest, failed, is_open = min(_FIRST, threads), 0, None, True
    with ThreadPoolExecutor(threads, name, _give_way) as pool:
        try:
            while is_open or waiting:
                while is_open and len(waiting) < room:
                    try:
                        waiting.append(pool.submit(work, next(source)))
                    except StopIteration:
                        is_open = False
                    except Exception as error:
                        failed, is_open = error, False
                if waiting:
                    result = waiting.popleft().result()
                    largest = max(largest, size_of(result), 1)
                    room = max(_FIRST, min(threads + 4, BYTES_AHEAD // largest))
                    yield result
                    del result      # the receiver alone decides how long the result lives
            if failed is not None:
                raise failed
        finally:
            for future in waiting:
                future.cancel()
            if close := getattr(source, 'close', None):
                close()


def _give_way() -> None:
    if sys.platform == 'linux':     # here, each thread has its own niceness
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(own, NICENESS))
