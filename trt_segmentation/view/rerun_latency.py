# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Show latencies in Rerun: a typical frame step by step, all frames over time, a distribution."""

from __future__ import annotations

from collections import deque

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from .latency_plot import DROP, HIGH, LINE, MIDDLE, STEP_COLOR, STEP_COLORS
from .waterfall import FrameTime, typical_steps

STAGES, WHOLE, STEPS, SPREAD = 'latency', 'whole', 'steps', 'distribution'
TIMELINE = 'stamp'
RECENT = 300
"""Frames of the percentiles, the typical frame and the distribution: the newest ones."""

REFRESH_NS = 1_000_000_000
"""Nanoseconds between two drawings of the typical frame and the distribution."""

BARS = 24
"""Bars of the distribution."""


class LatencyView:
    """The latencies of one camera. The same thread must call all methods.

    Every stage is logged as ``latency/STAGE``. The layout shows the whole time of each frame, and
    a viewer can show the stages too.
    """

    def __init__(self, stream: rr.RecordingStream) -> None:
        self._stream = stream
        self._recent: deque[FrameTime] = deque(maxlen=RECENT)
        self._drawn_ns = 0
        for name, color in (('frame', LINE), ('p50', MIDDLE), ('p95', HIGH)):
            stream.log(f'{WHOLE}/{name}', rr.SeriesLines(colors=[_rgb(color)], names=[name]),
                       static=True)
        stream.log(f'{WHOLE}/dropped', rr.SeriesPoints(
            colors=[_rgb(DROP)], names=['dropped'], markers=['up'], marker_sizes=[6.0]), static=True)

    def add_frame(self, frame: FrameTime) -> None:
        """Show the times of a segmented frame."""
        self._recent.append(frame)
        self._set_time(frame.stamp_ns)
        for stage, ms in frame.timings.items():
            self._stream.log(f'{STAGES}/{stage}', rr.Scalars(ms))
        whole = np.array([recent.end_to_end_ms for recent in self._recent])
        for name, ms in (('frame', whole[-1]), ('p50', np.percentile(whole, 50)),
                         ('p95', np.percentile(whole, 95))):
            self._stream.log(f'{WHOLE}/{name}', rr.Scalars(float(ms)))
        if abs(frame.stamp_ns - self._drawn_ns) >= REFRESH_NS:
            self._drawn_ns = frame.stamp_ns
            self._draw_steps()
            self._draw_distribution(whole)

    def add_drop(self, stamp_ns: int) -> None:
        """Show a tick for a dropped frame."""
        self._set_time(stamp_ns)
        self._stream.log(f'{WHOLE}/dropped', rr.Scalars(0.0))

    def _set_time(self, stamp_ns: int) -> None:
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, 'ns'))

    def _draw_steps(self) -> None:
        steps = typical_steps(self._recent)
        ends = np.cumsum(list(steps.values()))
        whole = max(float(ends[-1]), 1e-9)
        # A fixed width of 100, because the view keeps its bounds when the times change.
        boxes = [(100 * (end - ms) / whole, 10 * row, 100 * ms / whole, 8)
                 for row, (ms, end) in enumerate(zip(steps.values(), ends))]
        self._stream.log(STEPS, rr.Boxes2D(
            array=boxes, array_format=rr.Box2DFormat.XYWH, show_labels=True,
            labels=[f'{step} {ms:.1f} ms' for step, ms in steps.items()],
            colors=[_rgb(STEP_COLORS.get(step, STEP_COLOR)) for step in steps]))

    def _draw_distribution(self, whole: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
        counts, edges = np.histogram(whole, BARS, (0.0, max(float(whole.max()), 1e-9)))
        self._stream.log(SPREAD, rr.BarChart(
            counts, abscissa=(edges[:-1] + edges[1:]) / 2, color=_rgb(STEP_COLOR)))


def _rgb(color: str) -> tuple[int, ...]:
    """Return red, green and blue, 0 to 255, of a colour such as #33658a."""
    return tuple(bytes.fromhex(color[1:]))


def latency_layout() -> rrb.Horizontal:
    """Return the views of the latencies, side by side."""
    return rrb.Horizontal(
        rrb.Spatial2DView(origin=STEPS, name='a typical frame, ms'),
        rrb.TimeSeriesView(origin=WHOLE, name='the whole time of each frame, ms'),
        rrb.BarChartView(origin=SPREAD, name='frames by their whole time, ms'),
        column_shares=[3, 4, 2])
