# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Summarises the frames of a labelling run by condition: dark, dim or bright.

The manifest of a run is the table of its frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from rich.table import Table
from rich.text import Text

from ...fleet.manifest import CONDITIONS
from ...model.card import ModelCard
from ...untrusted.terminal_text import count_noun

_COLUMNS = 6
"""Number of columns of the plot's legend."""
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ConditionSummary:
    """The frames of one condition.

    :param brightness: mean brightness of the frames, 0 to 1.
    :param mean_confidence: mean of the frames' mean confidences. If the model gives no confidence,
        this value, ``p5_confidence`` and ``entropy`` are NaN.
    :param p5_confidence: each frame has a 5th percentile of its pixels' confidences. This value is
        the mean of these percentiles.
    :param shares: (classes,) mean share of each class, 0 to 1.
    :param entropy: (frames,) entropy of each frame in bits. The entropy is 0 if the confidence of
        every pixel is 1.
    """

    name: str
    frames: int
    brightness: float
    mean_confidence: float
    p5_confidence: float
    shares: Values
    entropy: Values


def summarise_manifest(table: pa.Table, classes: tuple[str, ...]) -> list[ConditionSummary]:
    """Summarise the frames of each condition that occurs. Skip frames that cannot be read."""
    found = []
    for name, _ in CONDITIONS:
        part = table.filter(pc.equal(table['condition'], name))
        if part.num_rows:
            shares = [_column(part, ('shares', label)) for label in classes]
            found.append(ConditionSummary(
                name, part.num_rows, float(_column(part, 'brightness').mean()),
                float(_column(part, 'mean_confidence').mean()),
                float(_column(part, 'p5_confidence').mean()),
                np.array([float(share.mean()) for share in shares]), _column(part, 'entropy')))
    return found


def make_table(found: Sequence[ConditionSummary], classes: Sequence[str]) -> Table:
    """Return a table that is at most 80 characters wide, with a column for each condition."""
    table = Table('', *(one.name for one in found))
    for name, cells in (
            ('frames', [str(one.frames) for one in found]),
            ('brightness', [f'{one.brightness:.2f}' for one in found]),
            ('mean confidence', [f'{one.mean_confidence:.3f}' for one in found]),
            ('p5 confidence', [f'{one.p5_confidence:.3f}' for one in found]),
            ('entropy in bits', [f'{one.entropy.mean():.3f}' for one in found]),
            ('largest classes', ['\n'.join(
                f'{label} {share:.0%}' for share, label in sorted(
                    zip(one.shares, classes), reverse=True)[:3]) for one in found])):
        table.add_row(name, *map(Text, cells))      # Text shows [ and ] of a name unchanged
    return table


def draw_summary(found: list[ConditionSummary], card: ModelCard) -> bytes:
    """Plot the class shares and the entropy of each condition.

    :param found: at least one condition.
    :returns: a PNG.
    """
    rows = -(-len(card.classes) // _COLUMNS)
    height = 1.4 + 0.7 * len(found) + 0.18 * rows
    figure = Figure(figsize=(12, height), dpi=100, layout='constrained')
    left, right = figure.subplots(1, 2, width_ratios=(2, 1), sharey=True)
    _draw_shares(left, found, card)
    entropies = [one.entropy[np.isfinite(one.entropy)] for one in found]
    if all(values.size for values in entropies):
        right.boxplot(entropies, positions=range(len(found)), orientation='horizontal',
                      widths=0.5, flierprops={'markersize': 3})
    right.set_xlabel('entropy of a frame in bits')
    left.set_yticks(range(len(found)), [
        f'{one.name}: {count_noun(one.frames, "frame")}' for one in found])
    data = BytesIO()
    figure.savefig(data, format='png')
    return data.getvalue()


def _draw_shares(axes: Axes, found: list[ConditionSummary], card: ModelCard) -> None:
    # The colour of a class may be white, so the bars have an outline and a gray background.
    axes.set_facecolor('0.9')
    shares = np.array([one.shares for one in found])
    ends = np.cumsum(shares, axis=1)
    for index, name in enumerate(card.classes):
        axes.barh(range(len(found)), shares[:, index], left=ends[:, index] - shares[:, index],
                  color=card.palette[index] / 255, edgecolor='0.4', linewidth=0.5, height=0.6,
                  label=name)
    axes.set_xlim(0, 1)
    axes.set_xlabel('mean share of each class')
    axes.legend(fontsize=7, ncols=_COLUMNS, facecolor='0.9', loc='lower center',
                bbox_to_anchor=(0.5, 1))


def _column(table: pa.Table, name: str | tuple[str, str]) -> Values:
    """Return a column. Missing values are NaN."""
    column = table[name] if isinstance(name, str) else pc.struct_field(table[name[0]], name[1])
    return np.asarray(column.cast(pa.float64()).fill_null(float('nan')).to_numpy())
