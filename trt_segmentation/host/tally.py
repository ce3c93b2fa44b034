# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Computes the tally of an image on the CPU.

A tally counts the pixels of each class. It also measures how certain the network is at these
pixels, as entropies and margins; see :func:`_measure_certainty`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..frame import UNLABELLED
from ..model.geometry import Geometry
from ..model.kind import OutputKind
from ..trust.tally import BINS, ENTROPY_STEPS, sample_pixels, Tally, tally_size
from .resample import interpolate, make_taps

Values = npt.NDArray[np.float32]
TINY = np.float32(1e-30)


def count_tally(grid: npt.NDArray[Any], labels: npt.NDArray[Any], geometry: Geometry,
                kind: OutputKind, classes: int, sharpness: float) -> Tally:
    """Compute the tally over a sample of the pixels; see :mod:`trt_segmentation.trust.tally`.

    :param grid: (channels, h, w), the network output of the image. All numbers must be finite.
    :param labels: (height, width) uint8 or uint16, the label map of the image. An unlabelled
        pixel adds only to the number of unlabelled pixels.
    :param sharpness: 1 / temperature. Scores are multiplied by this number.
    :returns: a new array, (classes + 258,) uint32.
    """
    rows, cols = (sample_pixels(*axis.visible) for axis in (geometry.rows, geometry.cols))
    tally = np.zeros(tally_size(classes), np.uint32)
    if not rows or not cols:
        return tally
    sampled = labels[rows.start:rows.stop:rows.step, cols.start:cols.stop:cols.step]
    seen = sampled != UNLABELLED[labels.dtype]
    tally[:classes] = np.bincount(sampled[seen], minlength=classes)
    tally[classes] = sampled.size - np.count_nonzero(seen)
    if kind is OutputKind.LABELS:
        return tally
    values = sample_values(grid, geometry)[0].reshape(len(grid), -1)
    if not seen.all():      # the selection is slow, and most images do not need it
        values = values[:, seen.reshape(-1)]
    if values.size:
        entropy, margin = _measure_certainty(values, kind, np.float32(sharpness))
        steps = np.rint(np.clip(entropy, 0, 1) * ENTROPY_STEPS)
        tally[classes + 1] = steps.sum(dtype=np.float64)
        bins = np.clip(margin * BINS, 0, BINS - 1).astype(np.intp)
        tally[classes + 2:] = np.bincount(bins, minlength=BINS)
    return tally


def sample_values(grid: Values, geometry: Geometry) -> tuple[Values, range, range]:
    """Interpolate a network output at the sampled pixels of the camera image.

    :param grid: (channels, h, w), the network output of the image. All numbers must be finite.
    :returns: the values, (channels, rows, columns) float32; the sampled rows; and the sampled
        columns.
    """
    rows, cols = (sample_pixels(*axis.visible) for axis in (geometry.rows, geometry.cols))
    taps = (make_taps(rows, *geometry.rows.grid(grid.shape[1]), grid.shape[1]),
            make_taps(cols, *geometry.cols.grid(grid.shape[2]), grid.shape[2]))
    return np.stack([interpolate(plane, *taps) for plane in grid]), rows, cols


def _measure_certainty(values: Values, kind: OutputKind, sharpness: np.float32
                       ) -> tuple[Values, Values]:
    """Return the entropy and the margin of each pixel.

    The entropy is 0 if one class has all the probability, and 1 if all classes have the same
    probability. The margin is the largest class probability minus the second largest.

    :param values: (channels, n) network output at n pixels.
    """
    if kind.is_binary:
        one = values[0]
        if kind.values == 'scores':
            one = 1 / (1 + np.exp(-np.clip(one * sharpness, -80, 80)))
        values = np.stack([one, 1 - one])
    elif kind.values == 'scores':
        values = np.exp((values - values.max(axis=0)) * sharpness)
    chances = np.clip(values, TINY, 1)
    chances /= chances.sum(axis=0)
    count = len(chances)
    if count == 1:
        return np.zeros_like(chances[0]), chances[0]
    entropy = -(chances * np.log(chances)).sum(axis=0) / np.float32(np.log(count))
    # this loop over classes is faster than np.partition, which sorts along the slow axis
    best, second = chances[0].copy(), np.zeros_like(chances[0])
    for plane in chances[1:]:
        np.maximum(second, np.minimum(best, plane), out=second)
        np.maximum(best, plane, out=best)
    return entropy, best - second
