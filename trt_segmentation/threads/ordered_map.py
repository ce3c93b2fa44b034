# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Calls a function for many items in several threads, and yields the results in order.

The receiver is the code that iterates over the results.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
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
"""The threads have at least this niceness. So other programs, whose niceness is usually 0, get the
CPU cores first."""
_FIRST = 2
"""Number of calls that are started before the size of the first result is known."""


def open_pool(name: str, threads: int = CORES) -> ThreadPoolExecutor:
    """Open a pool of threads that several calls of :func:`map_ahead` share.

    If each call opened its own threads, there would be more busy threads than cores. Then the
    operating system would sometimes pause a thread that holds Python's lock (GIL), and all other
    threads would wait for the lock. The caller must close the pool, for example with a ``with``
    block.

    :param name: the names of the threads begin with this text.
    """
    return ThreadPoolExecutor(threads, name, _give_way)


def map_ahead(work: Callable[[Item], Result], items: Iterable[Item], name: str = '',
              threads: int = CORES, size_of: Callable[[Result], int] = lambda result: 0,
              pool: ThreadPoolExecutor | None = None) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each item, in the order of the items.

    While the receiver uses a result, the threads already work on the next items. At most
    ``threads`` + 4 results are in progress or wait for the receiver. For large results, this
    number is smaller: the results together then need at most about :data:`BYTES_AHEAD` bytes. At
    least 2 results are always allowed.

    The thread of the receiver iterates over the items. So slow ``items`` delay even results that
    are ready. If the receiver does not read all results, the receiver must close this generator.
    The generator then stops the threads. If ``items`` is a generator, ``items`` is closed too.

    :param work: several threads may call this function at the same time.
    :param name: the names of the threads begin with this text.
    :param size_of: returns the size of a result in bytes.
    :param pool: threads that other calls of this function use too, see :func:`open_pool`; None for
        ``threads`` new threads.
    :raises Exception: the exception that ``items`` or ``work`` raised. All earlier results are
        yielded before the exception is raised.
    """
    waiting: deque[Future[Result]] = deque()
    source = iter(items)
    try:
        with nullcontext(pool) if pool else open_pool(name, threads) as used:
            try:
                yield from _yield_results(lambda item: used.submit(work, item), source, waiting,
                                          threads + 4, size_of)
            finally:
                wait([future for future in waiting if not future.cancel()])
    finally:
        if close := getattr(source, 'close', None):
            close()


def _yield_results(submit: Callable[[Item], Future[Result]], source: Iterator[Item],
                   waiting: deque[Future[Result]], most: int, size_of: Callable[[Result], int]
                   ) -> Iterator[Result]:
    """Submit items while there is room in ``waiting``, and yield the oldest result."""
    room, largest, is_open = min(_FIRST, most), 1, True
    failed: Exception | None = None
    while is_open or waiting:
        while is_open and len(waiting) < room:
            try:
                waiting.append(submit(next(source)))
            except StopIteration:
                is_open = False
            except Exception as error:      # raised later, after all earlier results
                failed, is_open = error, False
        if waiting:
            result = waiting.popleft().result()
            largest = max(largest, size_of(result))
            room = max(_FIRST, min(most, BYTES_AHEAD // largest))
            yield result
            del result      # the receiver alone decides how long the result lives
    if failed is not None:
        raise failed


def _give_way() -> None:
    if sys.platform == 'linux':     # only on Linux, each thread has its own niceness
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), max(own, NICENESS))
