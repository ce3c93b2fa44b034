# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The result of one check of ``trt_seg doctor``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import textwrap

OK, WARNING, ERROR = 'ok', 'warning', 'error'


@dataclass(frozen=True)
class Check:
    """A part of the machine that was examined, and the result.

    :param status: ``ok``; ``warning`` if there is a problem, but images can be segmented;
        ``error`` if a required part is missing or broken.
    :param run: command or advice that solves the problem; empty if there is no problem.
    """

    name: str
    status: str
    text: str
    run: str = ''

    def __str__(self) -> str:
        mark = {OK: 'ok     ', WARNING: 'warning', ERROR: 'ERROR  '}[self.status]
        indent = ' ' * 25
        text = textwrap.fill(self.text, 99, initial_indent=f'{mark} {self.name:16} ',
                             subsequent_indent=indent, break_long_words=False,
                             break_on_hyphens=False)
        return text + (f'\n{indent}→ {self.run}' if self.run else '')

    def tree(self) -> dict[str, str]:
        """Return the check for JSON."""
        return asdict(self)
