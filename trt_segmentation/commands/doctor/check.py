# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One finding of the doctor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
import textwrap

OK, WARNING, ERROR = 'ok', 'warning', 'error'


@dataclass(frozen=True)
class Check:
    """What was looked at and found.

    :param status: ``error`` means that nothing works before it is mended, ``warning`` that
        something is slower, less or different.
    :param run: what to run or do about it; '' where nothing.
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
        """For JSON."""
        return asdict(self)
