# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings that come with every frame, logged now and then."""

from __future__ import annotations

from collections.abc import Callable
import time
from traceback import format_exception
from typing import Any

from .worker import INTERNAL_ERROR


class ThrottledLog:
    """Logs an error, at most one of its kind and camera in a while; any thread.

    :param logger: the node's.
    :param period: asked every time: the least seconds between two.
    """

    def __init__(self, logger: Any, period: Callable[[], float]) -> None:
        self._logger = logger
        self._period = period
        self._last: dict[tuple[str, str], float] = {}

    def __call__(self, camera: str, kind: str, error: Exception) -> None:
        """Log it, or not.

        :param camera: '' where it has no name.
        """
        now = time.monotonic()
        if now - self._last.get((camera, kind), -1e9) < self._period():
            return
        self._last[camera, kind] = now
        where = f'camera {camera}: ' if camera else ''
        if kind == INTERNAL_ERROR:  # nobody foresaw it, so where it came from is the news
            self._logger.error(f'{where}{kind}: {"".join(format_exception(error))}')
        else:
            self._logger.warning(f'{where}{kind}: {error}')
