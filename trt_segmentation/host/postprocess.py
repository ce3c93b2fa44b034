# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Postprocess on the CPU: computes the label and confidence of each camera pixel."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
import os
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from ..frame import UNLABELLED
from ..model.geometry import Geometry
from ..model.kind import OutputKind
from ..model.signature import NetworkOutput
from ..trust.tally import Tally
from .output_arrays import allocate_output
from .resample import Band, cut_into_bands, is_stretched, make_upsampler, Upsample
from .tally import count_tally

Grid = npt.NDArray[np.float32]
Certainty = npt.NDArray[np.uint8] | None

NEVER = np.float32(-1e30)
"""The value that replaces a NaN of one class in a cell of the network output. Near this cell, this
class cannot have the largest value."""
NO_NUMBER = np.float32(-1e20)
"""If the largest value at a pixel is below this value, the pixel has no label: every class has
:data:`NEVER` in at least one of the four cells around the pixel."""


class LabelledImage(NamedTuple):
    """The labels, the confidence and the tally of one image, as in :class:`.Segmentation`.

    The tally counts classes and certainty; see :mod:`trt_segmentation.trust.tally`.
    """

    labels: npt.NDArray[Any]
    confidence: npt.NDArray[np.uint8] | None
    tally: Tally | None = None


class Postprocess:
    """Computes the labels of an image from the network output. Threads may share one object.

    Logits and probabilities are interpolated bilinearly from the grid of the network output to the
    camera pixels. Then the class with the largest value wins. Among equal values, the lowest class
    id wins. The value of a pixel comes from the four cells around the pixel. If a class has a NaN
    or minus infinity in one of these cells, the class cannot win at this pixel. (In an output of
    one channel, minus infinity is a normal value: the pixel is class 0.)

    If the network did not see a pixel, or if no class can win, the label of the pixel is
    :data:`trt_segmentation.frame.UNLABELLED` and the confidence is 0.

    :param classes: number of classes in the model card.
    :param threshold: for outputs of one channel, a pixel is class 1 if the probability of class 1
        is at least this value.
    :param temperature: see :class:`.OutputCard`.
    """

    def __init__(self, output: NetworkOutput, classes: int, threshold: float,
                 temperature: float = 1.0) -> None:
        self._output = output
        self._sharpness = np.float32(1 / temperature)
        self._classes = classes
        self._threshold = np.float32(
            threshold if output.kind.values == 'probability'
            else np.log(threshold / (1 - threshold)))
        self._dtype = np.dtype(np.uint8 if classes <= 255 else np.uint16)

    def __call__(self, network_output: npt.NDArray[Any], geometry: Geometry,
                 confidence: bool = False, tally: bool = False,
                 hidden: npt.NDArray[np.uint8] | None = None) -> LabelledImage:
        """Compute the labels of one image, and confidence and tally if they are wanted.

        :param network_output: the part of the output tensor for this image, with 2 or 3 axes.
        :param hidden: see :class:`.Viewport`.
        :returns: new arrays, which the caller owns.
        :raises EngineError: if the network output does not have the shape in the signature, or if
            confidence is wanted but the network output holds class ids.
        """
        grid = self.read_grid(network_output)
        size = (geometry.rows.total, geometry.cols.total)
        if confidence:
            self._output.check_confidence()
        (top, bottom), (left, right) = geometry.rows.visible, geometry.cols.visible
        labels = allocate_output(size, self._dtype)
        certainty = allocate_output(size) if confidence else None
        if not geometry.all_visible:
            labels.fill(UNLABELLED[self._dtype])
            if certainty is not None:
                certainty.fill(0)
        if top < bottom and left < right:
            inside = np.s_[top:bottom, left:right]
            view = None if certainty is None else certainty[inside]
            self._label(grid, geometry, labels[inside], view)
        if hidden is not None:
            np.copyto(labels, UNLABELLED[self._dtype], where=hidden.view(bool))
            if certainty is not None:
                np.copyto(certainty, 0, where=hidden.view(bool))
        return LabelledImage(labels, certainty, count_tally(
            grid, labels, geometry, self._output.kind, self._classes, float(self._sharpness)
        ) if tally else None)

    def _label(self, grid: npt.NDArray[Any], geometry: Geometry, labels: npt.NDArray[Any],
               certainty: Certainty) -> None:
        if self._output.kind is OutputKind.LABELS:
            labels[:] = self._resize_ids(grid[0], geometry)
        elif self._output.kind.is_binary:
            self._label_one_channel(grid[0], geometry, labels, certainty)
        else:
            self._label_argmax(grid, geometry, labels, certainty)

    def read_grid(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return class ids, or finite float32 values, as an array (channels, h, w).

        :param values: as ``network_output`` in :meth:`__call__`.
        :raises EngineError: if the values do not have the shape in the signature.
        """
        output = self._output
        if output.layout == 'nhw' and values.ndim == 2:
            values = values[None]
        if values.ndim != 3:
            raise EngineError(
                f'output {output.name} has shape {values.shape} for one image; expected '
                f'{output.layout[1:].upper()}. Set `output: layout` in the model card to the '
                'right value')
        if output.layout == 'nhwc':
            values = np.moveaxis(values, -1, 0)
        if values.shape[0] != output.channels or 0 in values.shape:
            raise EngineError(
                f'output {output.name} has {values.shape[0]} channels of {values.shape[1]}×'
                f'{values.shape[2]}; expected {output.channels} channels. Set `output: '
                'layout` and `classes` in the model card to the right values')
        if output.kind is OutputKind.LABELS:
            return values
        grid = np.ascontiguousarray(values, np.float32)
        if not np.isfinite(grid.max() - grid.min()):
            never = float(NEVER)
            # If each class has a channel, minus infinity never wins. If there is only one channel,
            # minus infinity means that the pixel is certainly class 0.
            least = never if output.kind.has_class_channels else 0.1 * float(NO_NUMBER)
            grid = np.nan_to_num(grid, nan=never, posinf=-never, neginf=least)
        return grid

    def _resize_ids(self, ids: npt.NDArray[Any], geometry: Geometry) -> npt.NDArray[Any]:
        at = []
        for axis, size in zip((geometry.rows, geometry.cols), ids.shape):
            # Compute the cell of each camera pixel, as Axis.grid() does. Use integers, so that no
            # rounding error gives a wrong cell.
            pixel = np.arange(*axis.visible, dtype=np.int64)
            over = (2 * (pixel - axis.first) + 1) * axis.new + 2 * axis.camera * axis.offset
            at.append(over * size // (2 * axis.camera * axis.net))
        # Replace unknown ids before the conversion to a smaller type. An overflow could turn an
        # unknown id into a known id.
        known = (ids >= 0) & (ids < self._classes)
        narrow = np.where(known, ids, 0).astype(self._dtype)
        narrow[~known] = UNLABELLED[self._dtype]
        nearest: npt.NDArray[Any] = narrow[at[0]][:, at[1]]
        return nearest

    def _label_one_channel(self, grid: Grid, geometry: Geometry, labels: npt.NDArray[Any],
                           certainty: Certainty) -> None:
        best = make_upsampler(geometry, grid.shape)(grid)
        np.greater_equal(best, self._threshold, out=labels.view(bool))
        if certainty is not None and self._output.kind.values == 'probability':
            _write_probability(np.where(labels, best, 1 - best), certainty)
        elif certainty is not None:
            # The confidence of the class that won is the sigmoid of its logit.
            total = np.exp(np.where(labels, -best, best) * self._sharpness)
            _write_inverse(np.add(total, 1, out=total), certainty)
        self._unlabel_missing(best, grid, labels, certainty)

    def _label_argmax(self, grid: Grid, geometry: Geometry, labels: npt.NDArray[Any],
                      certainty: Certainty) -> None:
        if certainty is None and is_stretched(geometry) and grid.min() > NO_NUMBER:
            label_bands(grid, cut_into_bands(geometry, grid.shape[1:]), labels)
            return
        upsample = make_upsampler(geometry, grid.shape[1:])
        best = _label_winners(grid, find_contenders(grid), upsample, labels)
        if certainty is not None and self._output.kind.values == 'probability':
            _write_probability(best, certainty)
        elif certainty is not None:
            total = np.zeros_like(best)
            for channel in grid:
                plane = upsample(channel)
                np.subtract(plane, best, out=plane)
                if self._sharpness != 1:
                    np.multiply(plane, self._sharpness, out=plane)
                np.add(total, cv2.exp(plane, dst=plane), out=total)
            _write_inverse(total, certainty)
        self._unlabel_missing(best, grid, labels, certainty)

    def _unlabel_missing(self, best: Grid, grid: Grid, labels: npt.NDArray[Any],
                         certainty: Certainty) -> None:
        """If no class can win at a pixel, make this pixel unlabelled."""
        if grid.min() > NO_NUMBER:
            return
        missing = best < NO_NUMBER
        labels[missing] = UNLABELLED[self._dtype]
        if certainty is not None:
            certainty[missing] = 0


def label_bands(grid: Grid, bands: Sequence[Band], labels: npt.NDArray[Any]) -> None:
    """Label the bands (groups of rows) of an image in parallel. OpenCV and NumPy release the GIL.

    In one band, fewer classes can win than in the whole image. Often only one class can win.
    """
    def label(band: Band) -> None:
        part, target = grid[:, band.grid], labels[band.camera]
        contenders = find_contenders(part)
        if len(contenders) == 1:
            target.fill(contenders[0])
        else:
            _label_winners(part, contenders, band.upsample, target)
    list(_threads().map(label, bands))


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), 'postprocess')


def _label_winners(grid: Grid, contenders: npt.NDArray[np.intp], upsample: Upsample,
                   labels: npt.NDArray[Any]) -> Grid:
    """Write the class with the largest value at each pixel, and return these values."""
    best = upsample(grid[contenders[0]])
    labels.fill(contenders[0])
    wins, won = np.empty(best.shape, np.uint8), np.empty(best.shape, labels.dtype)
    plane = None
    for label in contenders[1:]:
        plane = upsample(grid[label], plane)
        np.greater(plane, best, out=wins.view(bool))
        np.maximum(plane, best, out=best)
        # The loop visits the class ids in ascending order, so this id is larger than each id in
        # `labels`. If this class wins, the maximum is therefore this id.
        np.multiply(wins, labels.dtype.type(label), out=won)
        np.maximum(labels, won, out=labels)
    return best


def find_contenders(grid: Grid) -> npt.NDArray[np.intp]:
    """Find the classes that may win at one pixel or more. All other classes need no upsampling.

    A pixel lies between four neighbouring cells. If the largest value of class A in these cells is
    below the smallest value of class B, then class A cannot win at the pixel.

    :param grid: (classes, h, w) float32, the network output of one image.
    :returns: class ids, ascending.
    """
    low = high = grid
    for size, ahead, behind in ((grid.shape[1], np.s_[:, 1:], np.s_[:, :-1]),
                                (grid.shape[2], np.s_[:, :, 1:], np.s_[:, :, :-1])):
        if size > 1:
            low = np.minimum(low[ahead], low[behind])
            high = np.maximum(high[ahead], high[behind])
    safe = low.max(axis=0)
    return np.flatnonzero((high >= safe).any(axis=(1, 2)))


def _write_inverse(total: Grid, out: npt.NDArray[np.uint8]) -> None:
    """Write round(255 / total), because 1 / total is the softmax of the class that won.

    :param total: the sum of exp(logit - best) over all classes. This array is overwritten.
    """
    np.divide(np.float32(255), total, out=total)
    np.rint(total, out=total)
    np.copyto(out, total, casting='unsafe')


def _write_probability(probability: Grid, out: npt.NDArray[np.uint8]) -> None:
    np.copyto(out, np.rint(255 * np.clip(probability, 0, 1)), casting='unsafe')
