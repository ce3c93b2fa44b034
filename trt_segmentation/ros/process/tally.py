# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What went wrong and was survived: counted, the newest in words, logged now and then."""

from __future__ import annotations

from collections.abc import Callable
import time
from traceback import format_exception

LOG_SECONDS = 5.0
"""Least seconds between two lines of one tally; nothing counted between them is lost."""

LONGEST = 500
"""Characters of a text that a stranger may have chosen; the rest is cut off."""


def clipped(text: str) -> str:
    """The text, cut at :data:`LONGEST` characters."""
    return text if len(text) <= LONGEST else f'{text[:LONGEST]}…'


class Tally:
    """Counts mishaps of one kind; in the executor's thread.

    :param log: called with a line, or with a traceback, at most every :data:`LOG_SECONDS`.
    """

    def __init__(self, log: Callable[[str], object]) -> None:
        self.count = 0
        self.newest = ''
        self._log = log
        self._logged = -LOG_SECONDS

    def add(self, text: str, details: str = '') -> None:
        """Count one mishap.

        :param text: for diagnostics; one line.
        :param details: for the log; the text if empty.
        """
        self.count += 1
        self.newest = clipped(text)
        if time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            self._log(details or self.newest)

    def caught(self, where: str, error: Exception) -> None:
        """Count an exception; nobody foresaw it, so the log gets its traceback.

        :param where: what raised it, such as a service.
        """
        self.add(f'{where}: {type(error).__name__}: {error}',
                 f'{where} failed; the node goes on. {"".join(format_exception(error))}')
