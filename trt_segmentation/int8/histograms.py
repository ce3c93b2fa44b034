# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Collect histograms of the activations of a network, and compute INT8 ranges from them.

The limit of a range is the largest absolute value that INT8 represents. INT8 clips larger values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, TensorProto

from ..fp16.tensor_types import add_types, open_session, run_session

BINS = 2048
STEPS = 127
"""Number of positive INT8 values."""
PERCENTILE = 99.99
"""The calibration method ``percentile`` chooses a range that holds this percentage of the absolute
values."""
Values = npt.NDArray[Any]


class Histogram:
    """A histogram of absolute values.

    While a value is above the last bin, the width of all bins is doubled.

    :ivar counts: (2048,) int64. The bins have equal widths, and the first bin begins at 0.
    :ivar end: upper end of the last bin; 0 if all values so far were 0.
    :ivar low: smallest value; 0 if no value is negative.
    :ivar high: largest value; 0 if no value is positive.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.end, self.low, self.high = 0.0, 0.0, 0.0

    def add(self, values: Values) -> None:
        """Add an array of values, of any shape. NaN and infinite values are left out."""
        values = values.reshape(-1)
        low, high = (float(end(initial=0.0)) for end in (values.min, values.max))
        if not np.isfinite([low, high]).all():
            values = values[np.isfinite(values)]
            low, high = (float(end(initial=0.0)) for end in (values.min, values.max))
        self.low, self.high = min(self.low, low), max(self.high, high)
        largest = max(high, -low)
        self.end = self.end or largest
        if not self.end:
            self.counts[0] += values.size
            return
        while self.end < largest:
            pairs = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.concatenate([pairs, np.zeros_like(pairs)])
            self.end *= 2
        index = (np.abs(values) * np.float32(BINS / self.end)).astype(np.int32)
        self.counts += np.bincount(np.minimum(index, BINS - 1), minlength=BINS)

    def range(self, method: str) -> tuple[float, float]:
        """Return the range that INT8 must represent. ``method`` is a key of :data:`LIMITS`."""
        limit = LIMITS[method](self) if self.end else 0.0
        return max(self.low, -limit), min(self.high, limit)


def find_largest(histogram: Histogram) -> float:
    """Return the largest absolute value."""
    return max(histogram.high, -histogram.low)


def find_percentile(histogram: Histogram) -> float:
    """Return the value that :data:`PERCENTILE` percent of the absolute values do not exceed."""
    total = np.cumsum(histogram.counts)
    index = int(np.searchsorted(total, total[-1] * PERCENTILE / 100))
    return (index + 1) * histogram.end / BINS


def find_least_error(histogram: Histogram) -> float:
    """Return the limit at which INT8 rounding and clipping give the least mean squared error."""
    values = (np.arange(BINS) + 0.5) * histogram.end / BINS
    limits = find_largest(histogram) * np.arange(1, 101) / 100
    scale = limits[:, None] / STEPS
    rounded = np.minimum(np.round(values / scale), STEPS) * scale
    error = (np.square(rounded - values) * histogram.counts).sum(1)
    return float(limits[int(error.argmin())])


def find_least_divergence(histogram: Histogram) -> float:
    """Return the limit at which INT8 changes the distribution of the values least.

    As in TensorRT's entropy calibrator, the measure is the Kullback-Leibler divergence, with 2048
    bins and 128 INT8 values (0 to 127). The first bin holds the zeros. INT8 represents zeros
    exactly, so their number must not influence the limit. Therefore the count of the second bin
    replaces the count of the first bin.
    """
    counts = histogram.counts.astype(np.float64)
    counts[0] = counts[1]
    steps = STEPS + 1
    divergence = {}
    for end in range(steps, BINS + 1, 4):
        kept = counts[:end]
        wanted = kept.copy()
        wanted[-1] += counts[end:].sum()
        step = np.arange(end) * steps // end
        occupied = np.bincount(step, kept > 0, steps)
        mean = np.bincount(step, kept, steps) / np.maximum(occupied, 1)
        found = np.where(kept > 0, mean[step], 0)
        seen = wanted > 0
        if found.any():
            ratio = (wanted[seen] / wanted.sum()) / np.maximum(found[seen] / found.sum(), 1e-12)
            divergence[end] = float((wanted[seen] / wanted.sum() * np.log(ratio)).sum())
    best = min(divergence, key=divergence.__getitem__, default=BINS)
    return best * histogram.end / BINS


LIMITS: dict[str, Callable[[Histogram], float]] = {
    'entropy': find_least_divergence, 'minmax': find_largest, 'mse': find_least_error,
    'percentile': find_percentile}
"""Maps each calibration method to a function that computes the limit."""


def collect_histograms(model: onnx.ModelProto, names: Sequence[str], tensors: Iterable[Values],
                       progress: Callable[[int], None] = lambda done: None
                       ) -> dict[str, Histogram]:
    """Run a network on every tensor, and collect histograms of its activations.

    :param model: FP32 network with one input.
    :param names: names of the activations.
    :param progress: called after each tensor with the number of tensors so far.
    :raises GraphError: if ONNX Runtime cannot run the network.
    """
    probed = add_types(model)
    given = model.graph.input[0].name
    asked = [name for name in names if name != given]
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
                               for name in asked)
    histograms = {name: Histogram() for name in names}
    session = open_session(probed) if asked else None
    for done, tensor in enumerate(tensors, 1):
        found = [] if session is None else run_session(session, {given: tensor}, asked)
        for name, values in zip(asked, found):
            histograms[name].add(values)
        if given in histograms:
            histograms[given].add(tensor)
        progress(done)
    return histograms
