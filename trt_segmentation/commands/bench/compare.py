# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compare two runs of ``trt_seg bench``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from .schema import number, title

HIGHER = ('frames/s',)
"""Units for which a larger value is better; for all other units a smaller value is better."""

SAME = 0.05
"""Two values that differ by at most this fraction count as the same."""


@dataclass(frozen=True)
class FigureChange:
    """One number, measured in this run (``here``) and in the other run (``other``)."""

    name: str
    unit: str
    here: float
    other: float

    @property
    def ratio(self) -> float | None:
        """``here`` divided by ``other``; 1 if both are 0, None if only ``other`` is 0."""
        if self.here == self.other:
            return 1.0
        return self.here / self.other if self.other else None

    @property
    def word(self) -> str:
        """Judgement of the change: ``better``, ``worse`` or ``same``."""
        if abs(self.here - self.other) <= SAME * abs(self.other):
            return 'same'
        return 'better' if (self.here > self.other) == (self.unit in HIGHER) else 'worse'

    @property
    def text(self) -> str:
        """The ratio as text; empty if the ratio is None."""
        return '' if self.ratio is None else f'{self.ratio:.2f}'


def differences(run: dict[str, Any], other: dict[str, Any]) -> list[FigureChange]:
    """Return the values with the same name and unit in both runs, in the order of ``run``."""
    found = {(row['name'], row['unit']): row['value'] for row in other['rows']}
    return [FigureChange(row['name'], row['unit'], row['value'], found[row['name'], row['unit']])
            for row in run['rows'] if (row['name'], row['unit']) in found]


def cautions(run: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Return sentences that may explain why the values of the two runs differ."""
    found = [f'The {what} of this run is {run[what] or "unknown"}, and the {what} of the other '
             f'run is {other[what] or "unknown"}.'
             for what in ('machine', 'commit') if run[what] != other[what]]
    for what in ('setting', 'versions'):
        changed = [f'{key} {run[what].get(key, "none")} (other run: '
                   f'{other[what].get(key, "none")})'
                   for key in {**run[what], **other[what]}
                   if key not in ('reason', 'tuning')
                   and run[what].get(key) != other[what].get(key)]
        if changed:
            found.append(f'The runs differ in {what}: {", ".join(changed)}.')
    alone = {row['name'] for row in run['rows']} ^ {row['name'] for row in other['rows']}
    if alone:
        found.append(f'{len(alone)} values are in one run only: {", ".join(sorted(alone)[:4])}'
                     + (', …' if len(alone) > 4 else '') + '.')
    return [*found, *(f'About the other run: {text}' for text in other['cautions'])]


def compare_table(run: dict[str, Any], other: dict[str, Any]) -> Table:
    """Return a table of the differences for a terminal."""
    # The library rich reads brackets in a str as markup, but not in a Text.
    table = Table(title=Text(f'{title(run)}\ncompared with {title(other)}'))
    for column in ('', 'here', 'other', 'unit', 'here/other', ''):
        table.add_column(column, justify='right' if column in ('here', 'other', 'here/other')
                         else 'left')
    for found in differences(run, other):
        table.add_row(Text(found.name), number(found.here), number(found.other), Text(found.unit),
                      found.text, found.word)
    return table
