# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The tally: counts over a sample of a frame's pixels, and the figures that follow from them.

A tally is an array of C + 258 numbers, where C is the number of classes:

- numbers 0 to C − 1: how many sampled pixels have each class;
- number C: how many sampled pixels are unlabelled;
- number C + 1: the sum of the entropies of the labelled pixels, in steps of 1 / 65535;
- the last 256 numbers: a histogram of the margins of the labelled pixels, from 0 to 1.

The entropy of a pixel is that of its class probabilities, divided by the entropy of equal
probabilities. So it is 0 to 1. The margin is the difference between the two largest
probabilities. If the network gives class ids, the entropy and the histogram are zero.

host/tally.py and gpu/kernels/postprocess.cu compute the same tally.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Tally = npt.NDArray[np.uint32]

MOST_SAMPLES = 128
"""Largest number of sampled rows, and of sampled columns."""
BINS = 256
"""Number of bins of the histogram of margins."""
ENTROPY_STEPS = 65535
"""An entropy of 1 is this many steps. 128 × 128 times this number fits into 32 bits."""
LOW_SHARE = 0.05
"""The margin of a frame is the value below which this share of its pixels lies."""


def tally_size(classes: int) -> int:
    """Return the number of elements of a tally."""
    return classes + 2 + BINS


def sample_pixels(first: int, stop: int) -> range:
    """Return which rows (or columns) are sampled. They are spread evenly.

    :param first: the first row that the network sees. ``stop`` is the last such row + 1.
    """
    step = max(1, -(-(stop - first) // MOST_SAMPLES))
    return range(first + step // 2, stop, step)


@dataclass(frozen=True)
class FrameFigures:
    """The figures of one frame.

    :param shares: (classes,) float64, the share of each class in the labelled pixels. All shares
        are 0 if no sampled pixel is labelled.
    :param unlabelled: share of the unlabelled pixels in the sample, 0 to 1.
    :param entropy: mean entropy, 0 to 1. None if the network gives class ids, or if no sampled
        pixel is labelled.
    :param margin_p5: 5 % of the labelled pixels have a smaller margin, 0 to 1. None if ``entropy``
        is None.
    """

    shares: npt.NDArray[np.float64]
    unlabelled: float
    entropy: float | None
    margin_p5: float | None


def read_tally(tally: Tally) -> FrameFigures:
    """Compute the figures of a frame from its tally."""
    counts, bins = tally[:-BINS - 2], tally[-BINS:]
    labelled = int(counts.sum())
    samples = labelled + int(tally[-BINS - 2])
    entropy = margin = None
    if bins.any():
        entropy = int(tally[-BINS - 1]) / ENTROPY_STEPS / labelled
        margin = _find_low_margin(bins.cumsum(dtype=np.int64))
    return FrameFigures(counts / max(labelled, 1), int(tally[-BINS - 2]) / max(samples, 1),
                        entropy, margin)


def _find_low_margin(below: npt.NDArray[np.int64]) -> float:
    """Return the margin below which :data:`LOW_SHARE` of the pixels lie.

    :param below: the cumulative histogram.
    """
    wanted = LOW_SHARE * float(below[-1])
    index = int(np.searchsorted(below, wanted))
    before = int(below[index - 1]) if index else 0
    # the pixels of a bin are taken as spread evenly within the bin
    return (index + (wanted - before) / float(below[index] - before)) / BINS
