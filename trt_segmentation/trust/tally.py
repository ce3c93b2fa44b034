# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The tally of a frame: counts over a sample of its pixels.

A pixel is unlabelled if it has no class in the label map. The entropy of a pixel is the entropy of
its class probabilities, divided by the largest possible entropy. So the result is between 0 and 1.
The margin of a pixel is the difference between its two largest probabilities.

A tally is an array of C + 258 numbers, where C is the number of classes:

- numbers 0 to C − 1: how many sampled pixels have each class;
- number C: how many sampled pixels are unlabelled;
- number C + 1: the sum of the entropies of the labelled pixels, in steps of 1 / 65535;
- the last 256 numbers: a histogram of the margins of the labelled pixels, from 0 to 1.

If the network gives class ids instead of probabilities, the sum of the entropies and the histogram
are zero.

host/tally.py on the CPU and gpu/kernels/postprocess.cu on the GPU give equal tallies.
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
"""Number of steps from entropy 0 to entropy 1. A sum over 128 × 128 pixels fits into 32 bits."""
LOW_SHARE = 0.05
"""Share of the labelled pixels whose margin is below :attr:`FrameFigures.margin_p5`."""


def tally_size(classes: int) -> int:
    """Return the number of elements of a tally."""
    return classes + 2 + BINS


def sample_pixels(first: int, stop: int) -> range:
    """Return the sampled rows, which are spread evenly. This function is for the columns too.

    :param first: first row that the network sees.
    :param stop: last row that the network sees, plus 1.
    """
    step = max(1, -(-(stop - first) // MOST_SAMPLES))
    return range(first + step // 2, stop, step)


@dataclass(frozen=True)
class FrameFigures:
    """The figures of one frame: numbers that are computed from its tally.

    :param shares: (classes,) float64, the share of each class in the labelled sampled pixels. All
        shares are 0 if no sampled pixel is labelled.
    :param unlabelled: share of the unlabelled pixels in the sample, 0 to 1.
    :param entropy: mean entropy of the labelled sampled pixels, 0 to 1. None if the network
        gives class ids, or if no sampled pixel is labelled.
    :param margin_p5: 5 % of the labelled sampled pixels have a margin below this number, 0 to 1.
        None if ``entropy`` is None.
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
    """Return ``margin_p5`` from the cumulative histogram of the margins."""
    wanted = LOW_SHARE * float(below[-1])
    index = int(np.searchsorted(below, wanted))
    before = int(below[index - 1]) if index else 0
    # This formula assumes that the margins in a bin are spread evenly.
    return (index + (wanted - before) / float(below[index] - before)) / BINS
