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
    """Counts, for each confidence, the labelled pixels and the pixels with the right label.

    :param counts: (2, 256) int64. Row 0 counts all pixels of each level, row 1 the right ones.
    """

    counts: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((2, LEVELS), np.int64))

    def add(self, truth: npt.NDArray[Any], labels: npt.NDArray[Any],
            confidence: npt.NDArray[np.uint8]) -> None:
        """Count the pixels of one image.

        :param truth: (height, width) true class ids, or :data:`.frame.UNLABELLED`.
        :param confidence: (height, width) uint8. 255 means a confidence of 1.
        """
        seen = truth != UNLABELLED[truth.dtype]
        for row, pixels in enumerate((seen, seen & (truth == labels))):
            self.counts[row] += np.bincount(confidence[pixels], minlength=LEVELS)

    @property
    def calibration_error(self) -> float:
        """The ECE, 0 to 1: how far the confidence and the fraction of right labels differ.

        The pixels are divided into :data:`BINS` bins by confidence. The result is the mean
        difference over all bins, weighted by the pixels of each bin. NaN if no pixel was counted.
        """
        levels = np.arange(LEVELS)
        return bin_error(self.counts[0], self.counts[0] * levels / (LEVELS - 1), self.counts[1],
                         np.minimum(levels * BINS // (LEVELS - 1), BINS - 1))


def bin_error(pixels: npt.NDArray[Any], confidence: npt.NDArray[Any], right: npt.NDArray[Any],
              bins: npt.NDArray[np.intp]) -> float:
    """Return the expected calibration error of groups of pixels; NaN if there is no pixel.

    :param pixels: number of pixels in each group; ``right`` of them have the right label.
    :param confidence: sum of the confidences, 0 to 1, in each group.
    :param bins: index of the bin of each group.
    """
    total = float(pixels.sum())
    if not total:
        return float('nan')
    gap = np.bincount(bins, confidence - right, minlength=BINS)
    return float(np.abs(gap).sum()) / total
