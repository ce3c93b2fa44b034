# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compare confidences with the truth: the expected calibration error (ECE)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..frame import UNLABELLED

LEVELS = 256
"""Number of levels of a confidence image."""
BINS = 15
"""Number of bins of the ECE, as in Guo et al., "On Calibration of Modern Neural Networks"."""


@dataclass
class ConfidenceCounts:
    """Counts, for each confidence, the pixels of known class and the pixels with the right label.

    :param counts: (2, 256) int64. A column belongs to a confidence level. Row 0 counts the pixels
        whose true class is known. Row 1 counts those pixels whose label is the true class.
    """

    counts: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, LEVELS), np.int64))

    def add(self, truth: npt.NDArray[Any], labels: npt.NDArray[Any],
            confidence: npt.NDArray[np.uint8]) -> None:
        """Count the pixels of one image.

        :param truth: (height, width) true class ids. A pixel of unknown class has the value
            :data:`.frame.UNLABELLED`, and is not counted.
        :param confidence: (height, width) uint8. 255 means a confidence of 1.
        """
        seen = truth != UNLABELLED[truth.dtype]
        for row, pixels in enumerate((seen, seen & (truth == labels))):
            self.counts[row] += np.bincount(confidence[pixels], minlength=LEVELS)

    @property
    def calibration_error(self) -> float:
        """The ECE, 0 to 1: how far the confidence and the fraction of right labels differ.

        The pixels are divided into :data:`BINS` bins by confidence. In each bin, the mean
        confidence is compared with the fraction of right labels. The result is the mean of these
        differences, weighted by the number of pixels in each bin; NaN if no pixel was counted.
        """
        levels = np.arange(LEVELS)
        return bin_error(self.counts[0], self.counts[0] * levels / (LEVELS - 1), self.counts[1],
                         np.minimum(levels * BINS // (LEVELS - 1), BINS - 1))


def bin_error(pixels: npt.NDArray[Any], confidence: npt.NDArray[Any], right: npt.NDArray[Any],
              bins: npt.NDArray[np.intp]) -> float:
    """Return the expected calibration error of groups of pixels; NaN if there is no pixel.

    A group is, for example, the pixels with the same confidence. A bin has one or more groups.

    :param pixels: number of pixels in each group.
    :param confidence: for each group, the sum of its pixels' confidences, which are 0 to 1.
    :param right: number of pixels with the right label in each group.
    :param bins: for each group, the index of its bin.
    """
    total = float(pixels.sum())
    if not total:
        return float('nan')
    gap = np.bincount(bins, confidence - right, minlength=BINS)
    return float(np.abs(gap).sum()) / total
