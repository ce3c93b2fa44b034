# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures growth: the slope of a line through samples, and the drift from start to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
import math

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Slope:
    """The rise of a straight line per hour, and the standard error of this rise.

    The error is right only if the deviations of the samples are independent. If they are
    correlated, it is too small.
    """

    per_hour: float
    error: float

    def is_bounded(self, most: float) -> bool:
        """Return whether the rise is below ``most`` per hour, or below two standard errors."""
        return self.per_hour < most or self.per_hour <= 2 * self.error


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit a line by least squares.

    :raises ValueError: if there are fewer than three samples, because then there is no error.
    """
    if len(seconds) < 3:
        raise ValueError(f'{len(seconds)} samples; a slope and its error need at least 3')
    x, y = np.asarray(seconds, float) / 3600, np.asarray(values, float)
    spread = float(((x - x.mean()) ** 2).sum())
    rise = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - rise * (x - x.mean())
    return Slope(rise, math.sqrt(float((rest ** 2).sum()) / (len(x) - 2) / spread))


@dataclass(frozen=True)
class Window:
    """Latency of the label maps of a period, in ms. ``at`` is the middle of the period, in s."""

    at: float
    p50: float
    p99: float


def windows(stamps: npt.NDArray[np.int64], arrived: npt.NDArray[np.int64], begin: int,
            seconds: float, most: float) -> list[Window]:
    """Compute the latency from stamp to arrival in each of at least five windows.

    :param stamps: stamp of each label map in ns.
    :param arrived: arrival of each label map in ns.
    :param begin: time in ns when the first window begins.
    :param seconds: length of all windows together.
    :param most: greatest length of one window in seconds.
    """
    count = max(5, round(seconds / most))
    edges = begin + np.linspace(0, seconds * 1e9, count + 1).astype(np.int64)
    found = []
    for low, high in pairwise(edges.tolist()):
        inside = (stamps >= low) & (stamps < high)
        if inside.any():
            ms = (arrived[inside] - stamps[inside]) / 1e6
            p50, p99 = np.percentile(ms, (50, 99))
            found.append(Window((low + high - 2 * begin) / 2e9, float(p50), float(p99)))
    return found


def drift(values: Sequence[float]) -> float:
    """Return the rise in percent from the median of the first fifth to that of the last fifth."""
    fifth = max(1, len(values) // 5)
    first, last = np.median(values[:fifth]), np.median(values[-fifth:])
    return float(100 * (last / first - 1))
