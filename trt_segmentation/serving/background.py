# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Work that takes minutes, such as building an engine, in a process that has to stay alive."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
import threading
import time
from typing import TypeVar

from ..errors import Interrupted
from .stopping import TOLD, UNENDING

ASK_SECONDS = 0.1
"""How often it is looked whether the process is to end."""

T = TypeVar('T')


def interruptible(work: Callable[[], T], tick: Callable[[], None], period: float,
                  serve: Callable[[], None] = lambda: None) -> T:
    """Do work in a thread of its own and wait for it, unless the process is told to end.

    :param tick: called in this thread every ``period`` seconds meanwhile.
    :param serve: called in this thread every :data:`ASK_SECONDS` meanwhile.
    :raises Interrupted: on SIGINT or SIGTERM. The work goes on and ends with the process, which
        does not wait for it: no library here can be told to stop.
    """
    result: Future[T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name=UNENDING, daemon=True).start()
    due = time.monotonic() + period
    while not wait([result], ASK_SECONDS).done:
        if TOLD.is_set():
            raise Interrupted('the process was told to end')
        serve()
        if time.monotonic() >= due:
            due += period
            tick()
    return result.result()
