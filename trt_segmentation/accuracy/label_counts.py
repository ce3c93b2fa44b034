# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Count the pixels of labelled images. The counts of several sets of images can be added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .confidence_counts import ConfidenceCounts
from .metrics import confusion, Counts, Scores


class LabelCounts:
    """Counts the pixels of labelled images by true class, predicted class and confidence.

    :param classes: number of classes of the model.
    :ivar matrix: (classes, classes + 1) int64, sum of the results of :func:`.metrics.confusion`.
    :ivar images: number of images.
    """

    def __init__(self, classes: int) -> None:
        self.matrix: Counts = np.zeros((classes, classes + 1), np.int64)
        self.confidence = ConfidenceCounts()
        self.images = 0

    def add_image(self, truth: npt.NDArray[Any], labels: npt.NDArray[Any],
                  confidence: npt.NDArray[np.uint8] | None) -> None:
        """Count one image. :func:`.metrics.confusion` explains ``truth`` and ``labels``.

        :param confidence: (height, width) uint8. 255 means a confidence of 1. None if the
            confidence is unknown.
        :raises LabelError: see :func:`.metrics.confusion`.
        """
        self.matrix += confusion(truth, labels, len(self.matrix))
        if confidence is not None:
            self.confidence.add(truth, labels, confidence)
        self.images += 1

    def add(self, other: LabelCounts) -> None:
        """Add the counts of other images."""
        self.matrix += other.matrix
        self.confidence.counts += other.confidence.counts
        self.images += other.images

    def scores(self, classes: Sequence[str]) -> Scores:
        """Return the scores. ``classes`` are the names of the classes."""
        return Scores(classes, self.matrix, self.images, self.confidence.calibration_error)

    def tree(self) -> dict[str, Any]:
        """Return all counts as a dict for JSON."""
        return {'images': self.images, 'matrix': self.matrix.tolist(),
                'confidence': self.confidence.counts.tolist()}


def read_label_counts(tree: Mapping[str, Any]) -> LabelCounts:
    """Return the counts from a dict that :meth:`LabelCounts.tree` made."""
    found = LabelCounts(len(tree['matrix']))
    found.matrix += np.array(tree['matrix'], np.int64)
    found.confidence.counts += np.array(tree['confidence'], np.int64)
    found.images = int(tree['images'])
    return found
