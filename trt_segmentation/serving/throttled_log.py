# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A log for errors that may come with every frame. It limits how often each error is logged."""

from __future__ import annotations

from collections.abc import Callable
import time
from traceback import format_exception
from typing import Any

from .drop_reasons import INTERNAL_ERROR
from .recovery import describe_error


class ThrottledLog:
    """Logs each kind of error of each camera at most once in a period. Any thread may call it.

    :param logger: the node's logger.
    :param period: called for every error. Returns the length of the period in seconds.
    """

    def __init__(self, logger: Any, period: Callable[[], float]) -> None:
        self._logger = logger
        self._period = period
        self._last: dict[tuple[str, str], float] = {}

    def __call__(self, camera: str, kind: str, error: Exception) -> None:
        """Log an error, unless this kind of error was logged less than a period ago.

        :param camera: the camera's name; may be empty.
        :param kind: the kind of the problem, such as one of :mod:`.drop_reasons`.
        """
        now = time.monotonic()
        if now - self._last.get((camera, kind), -1e9) < self._period():
            return
        self._last[camera, kind] = now
        where = f'camera {camera}: ' if camera else ''
        if kind == INTERNAL_ERROR:  # a bug: the traceback shows where it is
            self._logger.error(f'{where}{kind}: {"".join(format_exception(error))}')
        else:
            self._logger.warning(f'{where}{kind}: {describe_error(error)}')
