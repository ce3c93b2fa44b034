# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs long work in a second thread, so that the first thread can still answer requests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from ..errors import Interrupted
from .stopping import start_unstoppable

POLL_SECONDS = 0.1
"""Seconds between two checks of a waiting thread."""

T = TypeVar('T')


def run_interruptibly(work: Callable[[], T], attend: Callable[[], bool]) -> T:
    """Do work in a new thread, wait for it, and return its result.

    :param work: called once in the new thread.
    :param attend: called in the waiting thread every :data:`POLL_SECONDS`. Returns whether the
        process was told to end.
    :raises Interrupted: if the process was told to end. The work cannot be interrupted and goes on
        in its thread, but the process can end without waiting for the work.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    start_unstoppable(run)
    while not wait([result], POLL_SECONDS).done:
        if attend():
            raise Interrupted('the process was told to end')
    return result.result()
