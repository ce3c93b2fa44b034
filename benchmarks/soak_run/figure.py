# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the figure of a soak test: memory and latency over time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trt_segmentation.untrusted.output_files import write_figure

LABELS = {'rss_mb': 'resident', 'pss_mb': 'proportional', 'private_mb': 'anonymous',
          'gpu_mb': 'GPU, whole'}


def draw(tree: dict[str, Any], path: Path) -> None:
    """Draw the series in ``tree``, the content of the JSON file of a soak test."""
    series, setting = tree['series'], tree['setting']
    # A Figure without pyplot needs no display.
    figure = Figure(figsize=(11, 6.5), dpi=110, layout='constrained')
    memory, latency = figure.subplots(2, 1, sharex=True)
    figure.suptitle(
        f'{setting["cameras"]} × {setting["width"]}×{setting["height"]} at '
        f'{setting["hz"]:.3g} Hz, {setting["engine"]}, {setting["transport"]} transport')
    minutes = [at / 60 for at in series['samples']['at']]
    for key, label in LABELS.items():
        values = series['samples'][key]
        if None not in values:
            memory.plot(minutes, values, label=f'{label}: {values[-1]:.0f} MB', linewidth=1.6)
    memory.axvspan(0, setting['warm_seconds'] / 60, color='0.92', label='warm-up, not counted')
    _dress(memory, 'Memory of the node', 'MB')
    at = [seconds / 60 for seconds in series['windows']['at']]
    for key in ('p50', 'p99'):
        latency.plot(at, series['windows'][key], label=key, marker='o', markersize=3.5)
    _dress(latency, 'Latency from stamp to subscriber', 'ms')
    latency.set_xlabel('minutes')
    latency.set_xlim(left=0)
    write_figure(path, figure)


def _dress(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc='left', fontsize=11)
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(loc='center left', bbox_to_anchor=(1.0, 0.5), frameon=False)
