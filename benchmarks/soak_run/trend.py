# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Whether something grows: a line through samples, and the end against the beginning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
import math

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Slope:
    """A straight line's rise an hour and its standard error.

    The error takes the samples' deviations from the line for independent; where they hang
    together it is too small.
    """

    per_hour: float
    error: float

    def bounded(self, most: float) -> bool:
        """Whether it rises less than that an hour, or not for certain at all."""
        return self.per_hour < most or self.per_hour <= 2 * self.error


def slope(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Least squares.

    :raises ValueError: on fewer than three samples, which say nothing about the error.
    """
    if len(seconds) < 3:
        raise ValueError(f'{len(seconds)} samples; a slope and its error need 3')
    x, y = np.asarray(seconds, float) / 3600, np.asarray(values, float)
    spread = float(((x - x.mean()) ** 2).sum())
    rise = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    rest = y - y.mean() - rise * (x - x.mean())
    return Slope(rise, math.sqrt(float((rest ** 2).sum()) / (len(x) - 2) / spread))


@dataclass(frozen=True)
class Window:
    """Latency of the label maps of one stretch of time; ``at`` is its middle, in seconds."""

    at: float
    p50: float
    p99: float


def windows(stamps: npt.NDArray[np.int64], arrived: npt.NDArray[np.int64], begin: int,
            seconds: float, most: float) -> list[Window]:
    """Latency from stamp to arrival of each of at least five windows, in milliseconds.

    :param stamps: ns, as is ``arrived``, of each label map.
    :param begin: ns when the first window begins.
    :param seconds: of all windows.
    :param most: seconds of one.
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
    """Percent by which the last fifth's median is above the first fifth's."""
    fifth = max(1, len(values) // 5)
    first, last = np.median(values[:fifth]), np.median(values[-fifth:])
    return float(100 * (last / first - 1))
