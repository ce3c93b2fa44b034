# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""How good label maps are: mean IoU, pixel accuracy and boundary IoU."""

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

    :param truth: (height, width) uint8 or uint16; pixels of :data:`UNLABELLED` are left out.
    :param labels: (height, width), what the network said.
    :param count: classes.
    :returns: (count, count + 1) int64; rows are the truth, columns the prediction, the last
        column whatever is no class, unlabelled pixels among it.
    :raises LabelError: when the sizes differ or the truth has an id that is no class.
    """
    seen = _seen(truth, labels, count)
    expected = truth[seen].astype(np.int64)
    found = np.minimum(labels[seen], count).astype(np.int64)
    pairs = np.bincount(expected * (count + 1) + found, minlength=count * (count + 1))
    return pairs.reshape(count, count + 1)


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says.

    :param classes: names, in the order of their ids.
    :param matrix: sum of :func:`confusion` over any number of images.
    :param images: how many.
    """

    classes: Sequence[str]
    matrix: Counts
    images: int

    @property
    def iou(self) -> Ratios:
        """(classes,) intersection over union; NaN of a class in neither truth nor prediction."""
        right = np.diagonal(self.matrix)
        either = self.matrix.sum(axis=1) + self.matrix[:, :-1].sum(axis=0) - right
        return ratio(right, either)

    @property
    def mean_iou(self) -> float:
        """Mean over the classes that occur; NaN where none does."""
        return mean(self.iou)

    @property
    def pixel_accuracy(self) -> float:
        """Fraction of labelled pixels that are right; NaN where there is none."""
        return float(ratio(np.trace(self.matrix), self.matrix.sum()))

    def tree(self) -> dict[str, Any]:
        """Everything for JSON, None for NaN."""
        iou = dict(zip(self.classes, map(_or_none, self.iou)))
        return {'images': self.images, 'mean_iou': _or_none(self.mean_iou),
                'pixel_accuracy': _or_none(self.pixel_accuracy), 'iou': iou}


def boundary_overlap(truth: Labels, labels: Labels, count: int, distance: int) -> Counts:
    """Count what :func:`boundary_iou` divides, to be summed over images.

    :returns: (2, count) int64, intersections and unions by class, in pixels.
    """
    seen = _seen(truth, labels, count)
    ignored = ~seen
    total = np.zeros((2, count), np.int64)
    for index in range(count):
        expected, found = (_band((side == index) & seen, ignored, distance)
                           for side in (truth, labels))
        total[0, index] = np.count_nonzero(expected & found)
        total[1, index] = np.count_nonzero(expected | found)
    return total


def boundary_iou(truth: Labels, labels: Labels, count: int, distance: int) -> Ratios:
    """Intersection over union of the classes' inner edges.

    After Cheng et al., "Boundary IoU", CVPR 2021: of each class only pixels at most
    ``distance`` rows and columns from a pixel of another class count, in the truth and in the
    prediction each by its own edge. Large areas then cannot hide bad outlines. Unlike there,
    the image border and unlabelled truth are not edges.

    :param truth: as for :func:`confusion`.
    :param distance: pixels, ≥ 1; Cheng et al. take 2 % of the image diagonal.
    :returns: (count,) float64; NaN of a class with no edge in either.
    :raises LabelError: as :func:`confusion`.
    """
    intersection, union = boundary_overlap(truth, labels, count, distance)
    return ratio(intersection, union)


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Ratios:
    """Divide, NaN where there is nothing to divide by."""
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    result: Ratios = np.full(whole.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def mean(values: Ratios) -> float:
    """Mean of what is not NaN; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float('nan')


def _seen(truth: Labels, labels: Labels, count: int) -> npt.NDArray[np.bool_]:
    if truth.shape != labels.shape:
        raise LabelError(f'truth is {size(truth)}, the label map {size(labels)}')
    if truth.dtype not in UNLABELLED:
        raise LabelError(f'truth is {truth.dtype}; expected uint8 or uint16')
    seen: npt.NDArray[np.bool_] = truth != UNLABELLED[truth.dtype]
    foreign = truth[seen & (truth >= count)]
    if foreign.size:
        raise LabelError(f'truth has id {foreign[0]} in {foreign.size} pixels; there are '
                         f'{count} classes, 0 to {count - 1}, and {UNLABELLED[truth.dtype]} for '
                         'unlabelled')
    return seen


def _band(mask: npt.NDArray[np.bool_], ignored: npt.NDArray[np.bool_],
          distance: int) -> npt.NDArray[np.bool_]:
    square = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    inner = cv2.erode((mask | ignored).astype(np.uint8), square)  # beyond the border is no edge
    band: npt.NDArray[np.bool_] = mask & (inner == 0)
    return band


def size(pixels: npt.NDArray[Any]) -> str:
    """Write an array's size as pictures' sizes are: width x height."""
    return f'{pixels.shape[1]}x{pixels.shape[0]}'


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
