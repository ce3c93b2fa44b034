# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs work that takes minutes in a second thread, so that the first can answer requests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
import time
from typing import TypeVar

from ..errors import Interrupted
from .stopping import start_unstoppable, STOP_REQUESTED

POLL_SECONDS = 0.1
"""Seconds between two checks of a waiting thread whether the process must end."""

T = TypeVar('T')


def run_interruptibly(work: Callable[[], T], tick: Callable[[], None], period: float,
                      serve: Callable[[], None] = lambda: None) -> T:
    """Do work in a new thread, wait for it, and return its result.

    :param work: called once in the new thread.
    :param tick: called in the waiting thread every ``period`` seconds.
    :param serve: called in the waiting thread every :data:`POLL_SECONDS`.
    :raises Interrupted: if :data:`STOP_REQUESTED` is set. The work goes on in its thread, because
        it cannot be interrupted. The process can end without waiting for the work.
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
