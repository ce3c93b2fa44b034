# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shows latencies in Rerun: a typical frame step by step, all frames over time, a distribution."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
import rerun as rr
import rerun.blueprint as rrb

from .latency_plot import DROP, HIGH, LINE, MIDDLE, STEP_COLOR, STEP_COLORS
from .montage import load_font, Picture
from .waterfall import format_ms, FrameTime, typical_steps

STAGES, WHOLE, STEPS, SPREAD = 'latency', 'whole', 'steps', 'distribution'
TIMELINE = 'stamp'
RECENT = 300
"""The percentiles, the typical frame and the distribution use at most this many frames, which are
the newest ones."""
REFRESH_NS = 1_000_000_000
"""Nanoseconds between two drawings of the typical frame and the distribution."""
BARS = 24
"""Number of bars of the distribution."""
ROW = 34
"""Height of the row for one step, in pixels."""
DARK, LIGHT = '#0d0d0d', '#d7dadd'


class LatencyView:
    """The latencies of one camera. Call all methods from one thread.

    The typical frame is the mean of the frames whose total time is near the median.

    A stage is a step inside the node. The Rerun recording also has the milliseconds of every stage
    as ``latency/STAGE``. A user can add the stages to the layout, which does not show them at
    first.
    """

    def __init__(self, stream: rr.RecordingStream) -> None:
        self._stream = stream
        self._recent: deque[FrameTime] = deque(maxlen=RECENT)
        self._drawn_ns = 0
        for name, color in (('frame', LINE), ('p50', MIDDLE), ('p95', HIGH)):
            stream.log(f'{WHOLE}/{name}', rr.SeriesLines(colors=[_rgb(color)], names=[name]),
                       static=True)
        stream.log(f'{WHOLE}/dropped', rr.SeriesPoints(
            colors=[_rgb(DROP)], names=['dropped'], markers=['up'], marker_sizes=[6.0]),
            static=True)

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
            self._stream.log(STEPS, rr.Image(draw_steps(typical_steps(self._recent))))
            self._draw_distribution(whole)

    def add_drop(self, stamp_ns: int) -> None:
        """Show a tick for a dropped frame."""
        self._set_time(stamp_ns)
        self._stream.log(f'{WHOLE}/dropped', rr.Scalars(0.0))

    def _set_time(self, stamp_ns: int) -> None:
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, 'ns'))

    def _draw_distribution(self, whole: npt.NDArray[np.float64]) -> None:
        counts, edges = np.histogram(whole, BARS, (0.0, max(float(whole.max()), 1e-9)))
        self._stream.log(SPREAD, rr.BarChart(
            counts, abscissa=(edges[:-1] + edges[1:]) / 2, color=_rgb(STEP_COLOR)))


def draw_steps(steps: Mapping[str, float]) -> Picture:
    """Draw the milliseconds of each step as bars, and return (height, 720, 3) uint8 RGB.

    The bars are drawn into a picture, because Rerun has no chart of this kind. Rerun's own boxes
    are not used, because the label of a small box hides the box.
    """
    page = Image.new('RGB', (720, ROW * len(steps)), DARK)
    draw = ImageDraw.Draw(page)
    whole = max(sum(steps.values()), 1e-9)
    left, start = 190, 0.0
    for row, (step, ms) in enumerate(steps.items()):
        middle = ROW * row + ROW // 2
        begin, end = (left + 420 * place / whole for place in (start, start + ms))
        draw.text((left - 12, middle), step, LIGHT, load_font(18), anchor='rm')
        draw.rectangle((begin, middle - 9, max(end, begin + 1), middle + 9),
                       STEP_COLORS.get(step, STEP_COLOR))
        draw.text((max(end, begin + 1) + 8, middle), f'{format_ms(ms)} ms', LIGHT,
                  load_font(18), anchor='lm')
        start += ms
    return np.asarray(page)


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(color[1:]))


def latency_layout() -> rrb.Horizontal:
    """Return the views of the latencies, side by side."""
    return rrb.Horizontal(
        rrb.Spatial2DView(origin=STEPS, name='a typical frame, ms'),
        rrb.TimeSeriesView(origin=WHOLE, name='total time of each frame, ms'),
        rrb.BarChartView(origin=SPREAD, name='number of frames by total time, ms'),
        column_shares=[3, 4, 2])
