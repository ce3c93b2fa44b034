# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the frames of one camera, and measures rates and latencies."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import threading

import numpy as np

PERCENTILES = (50, 95, 99)

WINDOW = 10.0
"""Default length in seconds of a time window that always ends now. Rates, latencies and the number
of recent losses come from this window."""

MOST_FRAMES = 20_000
"""Largest number of frames in a window. A camera with 1000 fps sends half of this number in 10 s.
If more frames come, the window keeps only the newest frames."""


@dataclass(frozen=True)
class Snapshot:
    """The counts since the start of the node, and the rates and latencies of the time window.

    This equation always holds: ``frames_in == frames_out + sum(dropped.values()) + in_flight``.

    :param frames_in: number of received frames. ``frames_out`` of them were segmented.
    :param dropped: maps each reason to the number of frames that were received and then dropped.
    :param lost: number of frames that were lost before the node received them. ``lost_lately`` of
        them were lost within the window.
    :param skipped: number of frames that are missing in the camera's own numbering. Such a frame
        was lost, or a newer frame replaced it before the node received it.
    :param fps_in: received frames per second within the window.
    :param fps_out: segmented frames per second within the window.
    :param latency_ms: maps each stage of the work, such as ``inference``, to the percentiles
        ``p50``, ``p95`` and ``p99`` of its time in milliseconds.
    """

    frames_in: int
    frames_out: int
    dropped: Mapping[str, int]
    fps_in: float
    fps_out: float
    latency_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lost: int = 0
    lost_lately: int = 0
    skipped: int = 0

    @property
    def frames_dropped(self) -> int:
        """Number of dropped frames, for any reason."""
        return sum(self.dropped.values())

    @property
    def in_flight(self) -> int:
        """Number of received frames that are neither segmented nor dropped yet."""
        return self.frames_in - self.frames_out - self.frames_dropped


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the :data:`PERCENTILES` of a list of numbers; {} if the list is empty."""
    if not values:
        return {}
    found = np.percentile(values, PERCENTILES)
    return {f'p{p}': float(v) for p, v in zip(PERCENTILES, found)}


def stage_percentiles(frames: Iterable[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return the percentiles of each stage.

    :param frames: for each frame, the milliseconds of its stages.
    """
    stages: dict[str, list[float]] = {}
    for timings in frames:
        for stage, ms in timings.items():
            stages.setdefault(stage, []).append(ms)
    return {stage: percentiles(values) for stage, values in stages.items()}


class Stats:
    """Counters and latency windows of one camera. Any thread may call the methods.

    Every ``now`` is the current time in seconds on a clock that never goes back, such as
    ``time.monotonic()``.

    :param window: length of the window in seconds.
    """

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._lock = threading.Lock()
        self._frames_in = 0
        self._frames_out = 0
        self._dropped: Counter[str] = Counter()
        self._lost = self._skipped = 0
        self._in: deque[float] = deque(maxlen=MOST_FRAMES)
        self._out: deque[tuple[float, Mapping[str, float]]] = deque(maxlen=MOST_FRAMES)
        self._losses: deque[float] = deque(maxlen=MOST_FRAMES)
        self._began: float | None = None

    def count_frame_in(self, now: float) -> None:
        """Count a frame that was received."""
        with self._lock:
            self._frames_in += 1
            if self._began is None:
                self._began = now
            self._in.append(now)
            self._forget(now)

    def count_frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        """Count a frame that was segmented. ``timings`` has the milliseconds of each stage."""
        with self._lock:
            self._frames_out += 1
            self._out.append((now, dict(timings)))
            self._forget(now)

    def count_drop(self, reason: str) -> None:
        """Count a frame that was received and then dropped."""
        with self._lock:
            self._dropped[reason] += 1

    def count_lost(self, count: int, now: float) -> None:
        """Count frames that the middleware reports as lost."""
        with self._lock:
            self._lost += count
            self._losses.extend([now] * min(count, MOST_FRAMES))
            self._forget(now)

    def count_skipped(self, count: int) -> None:
        """Count frames that are missing in the camera's own numbering."""
        with self._lock:
            self._skipped += count

    def snapshot(self, now: float) -> Snapshot:
        """Return the counts since the start, and the rates and latencies of the window."""
        with self._lock:
            self._forget(now)
            return Snapshot(
                self._frames_in, self._frames_out, dict(self._dropped),
                self._rate(self._in, now), self._rate([at for at, _ in self._out], now),
                stage_percentiles(timings for _, timings in self._out),
                self._lost, len(self._losses), self._skipped)

    def _rate(self, times: Sequence[float], now: float) -> float:
        # A window with MOST_FRAMES frames covers only the time since its oldest frame. Soon after
        # the start, a window covers only the time since the first frame. The rate is the number of
        # frames divided by the covered time.
        began = times[0] if len(times) == MOST_FRAMES else self._began
        return len(times) / min(self._window, max(1.0, now - (now if began is None else began)))

    def _forget(self, now: float) -> None:
        for times in (self._in, self._losses):
            while times and times[0] <= now - self._window:
                times.popleft()
        while self._out and self._out[0][0] <= now - self._window:
            self._out.popleft()
