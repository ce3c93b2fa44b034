# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Counts problems that do not end the node. Not every problem is logged."""

from __future__ import annotations

from collections.abc import Callable
import time
from traceback import format_exception

from ...serving.recovery import describe_error

LOG_SECONDS = 5.0
"""Shortest time in seconds between two log lines of one counter. Every problem is counted."""

LONGEST = 500
"""Texts are cut after this many characters, because another process may have written them."""


def clip(text: str) -> str:
    """Return the text, cut at :data:`LONGEST` characters."""
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}…'


class MishapCounter:
    """Counts problems of one kind. Call its methods in the executor's thread.

    :param log: called with the text of a problem, at most once in :data:`LOG_SECONDS`.
    """

    def __init__(self, log: Callable[[str], object]) -> None:
        self.count = 0
        self.newest = ''
        """The newest problem in one line. Empty if there was no problem."""
        self._log = log
        self._logged = -LOG_SECONDS

    def add(self, text: str, details: str = '') -> None:
        """Count one problem.

        :param text: one line for diagnostics.
        :param details: text for the log. If it is empty, the log gets ``text``.
        """
        self.count += 1
        self.newest = clip(text)
        if time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            self._log(details or self.newest)

    def add_exception(self, where: str, error: Exception) -> None:
        """Count and log an unexpected exception. A MemoryError is logged without a traceback.

        :param where: name of the code that raised the exception, such as a service.
        """
        self.add(f'{where}: {describe_error(error)}', '' if isinstance(error, MemoryError) else (
            f'{where} failed; the node goes on. {"".join(format_exception(error))}'))
