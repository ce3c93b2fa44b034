# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Score label maps: mean IoU, pixel accuracy and boundary IoU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import LabelError
from ..frame import UNLABELLED

Labels = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]
Ratios = npt.NDArray[np.float64]


def confusion(truth: Labels, labels: Labels, count: int) -> Counts:
    """Count pixels by true and predicted class.

    :param truth: (height, width) uint8 or uint16. Pixels with the value
        :data:`.frame.UNLABELLED` are not counted.
    :param labels: (height, width), the predicted class ids.
    :returns: (count, count + 1) int64. Rows are true classes. Columns are predicted classes. The
        last column counts predicted values that are not the id of a class, such as unlabelled
        pixels.
    :raises LabelError: if the sizes differ, if the dtype of the truth is neither uint8 nor uint16,
        or if the truth has a value that is not the id of a class.
    """
    seen = _labelled_pixels(truth, labels, count)
    expected = truth[seen].astype(np.int64)
    found = np.minimum(labels[seen], count).astype(np.int64)
    pairs = np.bincount(expected * (count + 1) + found, minlength=count * (count + 1))
    return pairs.reshape(count, count + 1)


@dataclass(frozen=True)
class Scores:
    """The scores of a confusion matrix.

    :param classes: names, in the order of their ids.
    :param matrix: sum of :func:`confusion` over all images.
    :param calibration_error: see :attr:`.ConfidenceCounts.calibration_error`; NaN if unknown.
    """

    classes: Sequence[str]
    matrix: Counts
    images: int
    calibration_error: float = float('nan')

    @property
    def iou(self) -> Ratios:
        """(classes,) intersection over union; NaN for a class without any pixels."""
        right = np.diagonal(self.matrix)
        either = self.matrix.sum(axis=1) + self.matrix[:, :-1].sum(axis=0) - right
        return divide(right, either)

    @property
    def mean_iou(self) -> float:
        """Mean of the values in :attr:`iou` that are not NaN; NaN if all values are NaN."""
        return mean_known(self.iou)

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of the pixels with a true class whose predicted class is right.

        NaN if no pixel has a true class.
        """
        return float(divide(np.trace(self.matrix), self.matrix.sum()))

    def tree(self) -> dict[str, Any]:
        """Return all scores for JSON, with None for NaN.

        If the calibration error is unknown, the result has no key ``calibration_error``.
        """
        iou = dict(zip(self.classes, map(_or_none, self.iou)))
        return {'images': self.images, 'mean_iou': _or_none(self.mean_iou),
                'pixel_accuracy': _or_none(self.pixel_accuracy), 'iou': iou,
                **({} if np.isnan(self.calibration_error) else
                   {'calibration_error': self.calibration_error})}


def count_boundary_overlap(truth: Labels, labels: Labels, count: int, distance: int) -> Counts:
    """Count the boundary pixels of each class, for the boundary IoU.

    The intersection has the pixels that lie on the true and on the predicted boundary. The union
    has the pixels that lie on at least one of these boundaries.

    The method comes from Cheng et al., "Boundary IoU", CVPR 2021. A pixel belongs to the boundary
    of its class if a pixel of another class is at most ``distance`` rows and columns away. Truth
    and prediction each have their own boundary. One detail differs from the paper: the image
    border and the border of an unlabelled area are not boundaries.

    :param truth: see :func:`confusion` for ``truth``, ``labels`` and ``count``.
    :param distance: in pixels, at least 1. Cheng et al. use 2 % of the image diagonal.
    :returns: (2, count) int64: for each class, the pixels of the intersection in row 0 and of the
        union in row 1. For several images, add the counts before you divide row 0 by row 1.
    :raises LabelError: if the sizes differ, if the dtype of the truth is neither uint8 nor uint16,
        or if the truth has a value that is not the id of a class.
    """
    seen = _labelled_pixels(truth, labels, count)
    ignored = ~seen
    total = np.zeros((2, count), np.int64)
    for index in range(count):
        expected, found = (_boundary((side == index) & seen, ignored, distance)
                           for side in (truth, labels))
        total[0, index] = np.count_nonzero(expected & found)
        total[1, index] = np.count_nonzero(expected | found)
    return total


def divide(part: npt.ArrayLike, whole: npt.ArrayLike) -> Ratios:
    """Divide element by element; NaN if the divisor is 0."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    result: Ratios = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def mean_known(values: Ratios) -> float:
    """Mean of the values that are not NaN; NaN if every value is NaN."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def _labelled_pixels(truth: Labels, labels: Labels, count: int) -> npt.NDArray[np.bool_]:
    if truth.shape != labels.shape:
        raise LabelError(f'the truth is {size(truth)}, but the label map is {size(labels)}')
    if truth.dtype not in UNLABELLED:
        raise LabelError(f'the truth is {truth.dtype}; expected uint8 or uint16')
    seen: npt.NDArray[np.bool_] = truth != UNLABELLED[truth.dtype]
    foreign = truth[seen & (truth >= count)]
    if foreign.size:
        raise LabelError(f'the truth has {foreign.size} pixels whose id is no class, such as '
                         f'{foreign[0]}. There are {count} classes, 0 to {count - 1}, and '
                         f'{UNLABELLED[truth.dtype]} means unlabelled')
    return seen


def _boundary(mask: npt.NDArray[np.bool_], ignored: npt.NDArray[np.bool_],
          distance: int) -> npt.NDArray[np.bool_]:
    square = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    # erode() treats pixels beyond the image border as set. So the border is no boundary.
    inner = cv2.erode((mask | ignored).astype(np.uint8), square)
    boundary: npt.NDArray[np.bool_] = mask & (inner == 0)
    return boundary


def size(pixels: npt.NDArray[Any]) -> str:
    """Size of an image as text: width x height."""
    return f'{pixels.shape[1]}x{pixels.shape[0]}'


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
