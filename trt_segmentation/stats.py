# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What went through a pipeline and how long it took."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import threading

import numpy as np

PERCENTILES = (50, 95, 99)

WINDOW = 10.0
"""Seconds that rates, latencies and recent losses look back, unless told otherwise."""

MOST = 20_000
"""Frames that a window holds, twice 10 s at 1000 fps; of more it holds the newest."""


@dataclass(frozen=True)
class Snapshot:
    """Counts since the start and latencies of the window, at one moment.

    Always ``frames_in == frames_out + sum(dropped.values()) + in_flight``.

    :param lost: frames that were lost before they came in; ``frames_in`` does not count them.
    :param lost_lately: those of the window.
    :param skipped: frames that never came in by the camera's own numbers: those lost, and those
        that a newer one replaced before they were taken.
    :param fps_in: frames a second over the window.
    :param fps_out: answers a second over the window.
    :param latency_ms: by stage, then by ``p50``, ``p95``, ``p99``.
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
        """Frames that got no answer, for whatever reason."""
        return sum(self.dropped.values())

    @property
    def in_flight(self) -> int:
        """Frames taken and not yet answered or dropped."""
        return self.frames_in - self.frames_out - self.frames_dropped


def percentiles(values: list[float]) -> dict[str, float]:
    """Median and tail of a list of numbers, {} of an empty one."""
    if not values:
        return {}
    found = np.percentile(values, PERCENTILES)
    return {f'p{p}': float(v) for p, v in zip(PERCENTILES, found)}


class Stats:
    """Counters and latency windows of one camera; safe from any thread.

    :param window: seconds that rates and latencies look back.
    Every ``now`` is seconds on any clock that does not go back; time.monotonic() will do.
    """

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._lock = threading.Lock()
        self._frames_in = 0
        self._frames_out = 0
        self._dropped: Counter[str] = Counter()
        self._lost = self._skipped = 0
        self._in: deque[float] = deque(maxlen=MOST)
        self._out: deque[tuple[float, Mapping[str, float]]] = deque(maxlen=MOST)
        self._losses: deque[float] = deque(maxlen=MOST)
        self._began: float | None = None

    def frame_in(self, now: float) -> None:
        """Count a frame the camera delivered."""
        with self._lock:
            self._frames_in += 1
            if self._began is None:
                self._began = now
            self._in.append(now)
            self._forget(now)

    def frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        """Count a frame answered, with its milliseconds by stage."""
        with self._lock:
            self._frames_out += 1
            self._out.append((now, dict(timings)))
            self._forget(now)

    def frame_dropped(self, reason: str) -> None:
        """Count a frame that came in and gets no answer."""
        with self._lock:
            self._dropped[reason] += 1

    def frames_lost(self, count: int, now: float) -> None:
        """Count frames that never came in, as the middleware tells it."""
        with self._lock:
            self._lost += count
            self._losses.extend([now] * min(count, MOST))
            self._forget(now)

    def frames_skipped(self, count: int) -> None:
        """Count frames that never came in, as the numbers of those that did tell it."""
        with self._lock:
            self._skipped += count

    def snapshot(self, now: float) -> Snapshot:
        """Return counts since the start, rates and latencies of the last window."""
        with self._lock:
            self._forget(now)
            stages: dict[str, list[float]] = {}
            for _, timings in self._out:
                for stage, ms in timings.items():
                    stages.setdefault(stage, []).append(ms)
            return Snapshot(
                self._frames_in, self._frames_out, dict(self._dropped),
                self._rate(self._in, now), self._rate([at for at, _ in self._out], now),
                {stage: percentiles(values) for stage, values in stages.items()},
                self._lost, len(self._losses), self._skipped)

    def _rate(self, times: Sequence[float], now: float) -> float:
        # less than a window since the first frame, or since the oldest of a full window,
        # would read as a low rate
        began = times[0] if len(times) == MOST else self._began
        return len(times) / min(self._window, max(1.0, now - (now if began is None else began)))

    def _forget(self, now: float) -> None:
        while self._in and self._in[0] <= now - self._window:
            self._in.popleft()
        while self._out and self._out[0][0] <= now - self._window:
            self._out.popleft()
        while self._losses and self._losses[0] <= now - self._window:
            self._losses.popleft()
