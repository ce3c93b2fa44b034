# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Counts problems that the node survives, and logs some of them."""

from __future__ import annotations

from collections.abc import Callable
import time
from traceback import format_exception

LOG_SECONDS = 5.0
"""Least seconds between two log lines of one counter; every problem is counted."""

LONGEST = 500
"""Most characters of a text that another process may have chosen; the rest is cut off."""


def clip(text: str) -> str:
    """Return the text, cut at :data:`LONGEST` characters."""
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}…'


class MishapCounter:
    """Counts problems of one kind; in the executor's thread.

    :param log: called with a line or with a traceback, at most every :data:`LOG_SECONDS`.
    """

    def __init__(self, log: Callable[[str], object]) -> None:
        self.count = 0
        self.newest = ''
        """The newest problem, in one line; empty if there was none."""
        self._log = log
        self._logged = -LOG_SECONDS

    def add(self, text: str, details: str = '') -> None:
        """Count one problem.

        :param text: one line for diagnostics.
        :param details: text for the log; ``text`` is logged if this is empty.
        """
        self.count += 1
        self.newest = clip(text)
        if time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            self._log(details or self.newest)

    def add_exception(self, where: str, error: Exception) -> None:
        """Count an unexpected exception; the log gets its traceback.

        :param where: what raised the exception, such as a service.
        """
        self.add(f'{where}: {type(error).__name__}: {error}',
                 f'{where} failed; the node goes on. {"".join(format_exception(error))}')
