# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

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
