# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Does work that takes minutes in a thread, so that the process can still answer requests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
import time
from typing import TypeVar

from ..errors import Interrupted
from .stopping import start_unstoppable, STOP_REQUESTED

POLL_SECONDS = 0.1
"""How often the waiting thread checks whether the process must end."""

T = TypeVar('T')


def run_interruptibly(work: Callable[[], T], tick: Callable[[], None], period: float,
                      serve: Callable[[], None] = lambda: None) -> T:
    """Do work in a new thread and wait for its result.

    :param work: called once in the new thread.
    :param tick: called in the waiting thread every ``period`` seconds.
    :param period: seconds between two calls of ``tick``.
    :param serve: called in the waiting thread every :data:`POLL_SECONDS`.
    :raises Interrupted: if SIGINT or SIGTERM comes. The work then goes on until the process
        ends, because the libraries that do the work cannot be interrupted. The process does not
        wait for the work.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    start_unstoppable(run)
    due = time.monotonic() + period
    while not wait([result], POLL_SECONDS).done:
        if STOP_REQUESTED.is_set():
            raise Interrupted('the process was told to end')
        serve()
        if time.monotonic() >= due:
            due += period
            tick()
    return result.result()
