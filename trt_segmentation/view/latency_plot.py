# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the latencies of a run: a typical frame step by step, and all frames over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
import numpy.typing as npt

from ..untrusted.output_files import write_figure
from .waterfall import format_ms, FrameTime, OTHER, TO_NODE, TO_SUBSCRIBER, typical_steps

LINE, MIDDLE, HIGH, DROP, WAY = '#33658a', '#2a9d63', '#d1793a', '#c1443f', '#a7adb5'
INK, FAINT = '#202124', '#6e7278'
STEP_COLORS = {TO_NODE: WAY, TO_SUBSCRIBER: WAY, 'wait': '#d9c27e', 'inference': LINE,
               OTHER: '#d8dbdf'}
"""Colours of some steps. All other steps have :data:`STEP_COLOR`."""
STEP_COLOR = '#86a9c4'


def write_latency_plot(frames: Sequence[FrameTime], drops: Sequence[int], path: Path,
                       caption: str = '') -> None:
    """Draw the steps of a typical frame, and the times of all segmented frames.

    :param drops: stamps of the dropped frames in nanoseconds.
    :param path: file to write. The suffix selects the format, for example .png.
    :param caption: one line below the plots, for example the name of the engine.
    :raises ValueError: if there are no frames.
    """
    steps = typical_steps(frames)
    # Unlike pyplot, Figure needs no display and changes no global state.
    figure = Figure(figsize=(16, 3.6 + 0.42 * len(steps) + 4.6), dpi=100, layout='constrained')
    figure.get_layout_engine().set(  # type: ignore[union-attr]
        w_pad=0.15, h_pad=0.12, hspace=0.04)  # type: ignore[call-arg]
    axes = figure.subplot_mosaic([['steps', 'steps'], ['time', 'spread']], gridspec_kw={
        'width_ratios': (3.2, 1), 'height_ratios': (0.42 * len(steps) + 0.8, 4.6)})
    _draw_steps(axes['steps'], steps)
    whole = np.array([frame.end_to_end_ms for frame in frames])
    start = min([frame.stamp_ns for frame in frames] + list(drops))
    seconds = np.array([(frame.stamp_ns - start) / 1e9 for frame in frames])
    _draw_time(axes['time'], seconds, whole, np.array([(drop - start) / 1e9 for drop in drops]))
    _draw_spread(axes['spread'], whole)
    axes['spread'].sharey(axes['time'])
    axes['time'].set_ylim(0, 1.06 * whole.max())
    if caption:
        figure.supxlabel(caption, fontsize=13, color=FAINT, x=0.02, ha='left')
    write_figure(path, figure)


def _draw_steps(axes: Axes, steps: Mapping[str, float]) -> None:
    ends = np.cumsum(list(steps.values()))
    whole = ends[-1]
    for row, ((step, ms), end) in enumerate(zip(steps.items(), ends)):
        axes.barh(row, ms, left=end - ms, height=0.62, color=STEP_COLORS.get(step, STEP_COLOR))
        axes.text(end + 0.006 * whole, row, f'{format_ms(ms)} ms', va='center', fontsize=13,
                  color=INK)
    _style(axes, f'A typical frame: {whole:.1f} ms', 'ms since the stamp of the image', '')
    axes.set_yticks(range(len(steps)), list(steps), fontsize=13)
    axes.set_ylim(len(steps) - 0.4, -0.6)
    axes.set_xlim(0, 1.08 * whole)
    axes.grid(False, axis='y')
    axes.tick_params(axis='y', length=0)


def _draw_time(axes: Axes, seconds: npt.NDArray[np.float64], whole: npt.NDArray[np.float64],
               drops: npt.NDArray[np.float64]) -> None:
    axes.plot(seconds, whole, color=LINE, linewidth=1.4, marker='o', markersize=3)
    for percent, color in ((50, MIDDLE), (95, HIGH)):
        ms = float(np.percentile(whole, percent))
        axes.axhline(ms, color=color, linewidth=1.6, linestyle=(0, (5, 3)))
        axes.text(1.004, ms, f'p{percent} {ms:.1f}', transform=axes.get_yaxis_transform(),
                  color=color, fontsize=12, va='center', fontweight='bold')
    for place in drops:
        axes.axvline(place, 0, 0.05, color=DROP, linewidth=2.5)
    dropped = f'{len(drops)} dropped (red ticks)' if len(drops) else 'none dropped'
    _style(axes, f'End-to-end time of each frame: {len(whole)} segmented, {dropped}',
           's since the first frame', 'ms')


def _draw_spread(axes: Axes, whole: npt.NDArray[np.float64]) -> None:
    count = min(40, max(8, len(whole) // 4))
    edges = np.linspace(0, 1.06 * float(whole.max()), count + 1).tolist()
    axes.hist(whole, edges, color=STEP_COLOR,
              orientation='horizontal', edgecolor='white', linewidth=0.8)
    for percent, color in ((50, MIDDLE), (95, HIGH)):
        axes.axhline(float(np.percentile(whole, percent)), color=color, linewidth=1.6,
                     linestyle=(0, (5, 3)))
    _style(axes, 'Distribution', 'frames', '')
    axes.tick_params(labelleft=False)


def _style(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title, fontsize=17, loc='left', fontweight='bold', pad=12, color=INK)
    axes.set_xlabel(across, fontsize=13)
    axes.set_ylabel(up, fontsize=13)
    axes.grid(True, color='#e3e5e8')
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(labelsize=12)
