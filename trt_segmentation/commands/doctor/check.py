# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One result of the doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import textwrap

OK, WARNING, ERROR = 'ok', 'warning', 'error'


@dataclass(frozen=True)
class Check:
    """One thing that was examined, and the result.

    :param name: the thing examined.
    :param status: ``error`` means that nothing works until it is repaired. ``warning`` means that
        something is slower, missing or different.
    :param text: the result, in one sentence.
    :param run: a command or a remedy; empty if there is nothing to do.
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
