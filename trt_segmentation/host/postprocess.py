# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The network's answer to labels and confidence at camera size."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from ..frame import UNLABELLED
from ..model.geometry import Geometry
from ..model.output_kind import MANY, ONE
from ..model.signature import NetworkOutput
from .output_arrays import output
from .upsample import upsampler

NEVER = np.float32(-1e30)
"""Stands for a logit that is not a number, which never wins."""
NOBODY = np.float32(-1e20)
"""A pixel whose best logit is under this had no number within reach in any class."""


class Answer(NamedTuple):
    """Labels and confidence of one image, as :class:`trt_segmentation.frame.Segmentation`."""

    labels: npt.NDArray[Any]
    confidence: npt.NDArray[np.uint8] | None


class Postprocess:
    """Reads one image's part of an output tensor; stateless, safe from any thread.

    Logits and probabilities are interpolated bilinearly from their own grid straight to the
    camera's pixels, then the largest wins, the lowest id among equals. A pixel the network did
    not see, or for which it gave no number in any class, is
    :data:`trt_segmentation.frame.UNLABELLED` with confidence 0. Where some classes of a logit
    are not a number, the others decide.
    """

    def __init__(self, output: NetworkOutput, classes: int, threshold: float) -> None:
        self._output = output
        self._classes = classes
        self._threshold = np.float32(
            threshold if output.kind == 'probability' else np.log(threshold / (1 - threshold)))
        self._dtype = np.dtype(np.uint8 if classes <= 255 else np.uint16)

    def __call__(self, answer: npt.NDArray[Any], geometry: Geometry,
                 confidence: bool = False) -> Answer:
        """Label one image.

        :param answer: the output tensor's slice of this image, 2 or 3 axes by its layout.
        :raises EngineError: when its shape is not what the signature says.
        """
        grid = self._channels_first(answer)
        size = (geometry.rows.camera, geometry.cols.camera)
        if confidence:
            self._output.check_confidence()
        (top, bottom), (left, right) = geometry.rows.visible, geometry.cols.visible
        labels = output(size, self._dtype)
        sure = output(size) if confidence else None
        if not geometry.all_visible:
            labels.fill(UNLABELLED[self._dtype])
            if sure is not None:
                sure.fill(0)
        if top >= bottom or left >= right:
            return Answer(labels, sure)
        inside = np.s_[top:bottom, left:right]
        view = None if sure is None else sure[inside]
        if self._output.kind == 'labels':
            labels[inside] = self._nearest(grid[0], geometry)
        elif self._output.kind in ONE:
            self._one_channel(grid[0], geometry, labels[inside], view)
        else:
            self._argmax(grid, geometry, labels[inside], view)
        return Answer(labels, sure)

    def _channels_first(self, answer: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(channels, h, w), float32 without anything that is not a number, or integers."""
        output = self._output
        if output.layout == 'nhw' and answer.ndim == 2:
            answer = answer[None]
        if answer.ndim != 3:
            raise EngineError(
                f'output {output.name} has shape {answer.shape} for one image; expected '
                f'{output.layout[1:].upper()}')
        if output.layout == 'nhwc':
            answer = np.moveaxis(answer, -1, 0)
        if answer.shape[0] != output.channels or 0 in answer.shape:
            raise EngineError(
                f'output {output.name} has {answer.shape[0]} channels of {answer.shape[1]}×'
                f'{answer.shape[2]}; expected {output.channels}')
        if output.kind == 'labels':
            return answer
        grid = np.ascontiguousarray(answer, np.float32)
        if not np.isfinite(grid.max() - grid.min()):
            never = float(NEVER)
            # of several classes minus infinity never wins; of one channel it is a sure class 0
            least = never if output.kind in MANY else 0.1 * float(NOBODY)
            grid = np.nan_to_num(grid, nan=never, posinf=-never, neginf=least)
        return grid

    def _nearest(self, ids: npt.NDArray[Any], geometry: Geometry) -> npt.NDArray[Any]:
        at = []
        for axis, size in zip((geometry.rows, geometry.cols), ids.shape):
            # (i + 0.5) * new / camera + offset, times size / net, in whole numbers
            pixel = np.arange(*axis.visible, dtype=np.int64)
            over = (2 * pixel + 1) * axis.new + 2 * axis.camera * axis.offset
            at.append(over * size // (2 * axis.camera * axis.net))
        # what is no class of the card must not pass for one by wrapping round
        known = (ids >= 0) & (ids < self._classes)
        narrow = np.where(known, ids, 0).astype(self._dtype)
        narrow[~known] = UNLABELLED[self._dtype]
        nearest: npt.NDArray[Any] = narrow[at[0]][:, at[1]]
        return nearest

    def _one_channel(self, grid: npt.NDArray[np.float32], geometry: Geometry,
                     labels: npt.NDArray[Any], sure: npt.NDArray[np.uint8] | None) -> None:
        best = upsampler(geometry, grid.shape)(grid)
        np.greater_equal(best, self._threshold, out=labels.view(bool))
        if sure is not None and self._output.kind == 'probability':
            _share_to_bytes(np.where(labels, best, 1 - best), sure)
        elif sure is not None:
            # the winner's probability is the sigmoid of its own side's logit
            total = np.exp(np.where(labels, -best, best))
            _to_bytes(np.add(total, 1, out=total), sure)
        self._disown(best, grid, labels, sure)

    def _argmax(self, grid: npt.NDArray[np.float32], geometry: Geometry,
                labels: npt.NDArray[Any], sure: npt.NDArray[np.uint8] | None) -> None:
        upsample = upsampler(geometry, grid.shape[1:])
        able = contenders(grid)
        best = upsample(grid[able[0]])
        labels.fill(able[0])
        if len(able) > 1:
            plane, wins = np.empty_like(best), np.empty(best.shape, np.uint8)
            won = np.empty(best.shape, labels.dtype)
        for label in able[1:]:
            upsample(grid[label], plane)
            np.greater(plane, best, out=wins.view(bool))
            np.maximum(plane, best, out=best)
            # ids only grow, so the larger of two winners is the later one
            np.multiply(wins, labels.dtype.type(label), out=won)
            np.maximum(labels, won, out=labels)
        if sure is not None and self._output.kind == 'probabilities':
            _share_to_bytes(best, sure)
        elif sure is not None:
            total = np.zeros_like(best)
            for channel in grid:
                plane = upsample(channel)
                np.add(total, cv2.exp(np.subtract(plane, best, out=plane), dst=plane), out=total)
            _to_bytes(total, sure)
        self._disown(best, grid, labels, sure)

    def _disown(self, best: npt.NDArray[np.float32], grid: npt.NDArray[np.float32],
                labels: npt.NDArray[Any], sure: npt.NDArray[np.uint8] | None) -> None:
        if grid.min() > NOBODY:
            return
        nobody = best < NOBODY
        labels[nobody] = UNLABELLED[self._dtype]
        if sure is not None:
            sure[nobody] = 0


def contenders(grid: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """Ids of the classes that may win somewhere, ascending.

    Between four neighbouring cells a class cannot overtake one whose smallest of the four is
    above its own largest. Most of many classes are out everywhere, and need no upsampling.

    :param grid: (classes, h, w) float32.
    """
    low = high = grid
    for axis in (1, 2):
        if grid.shape[axis] > 1:
            ahead = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            behind = tuple(slice(-1) if a == axis else slice(None) for a in range(3))
            low = np.minimum(low[ahead], low[behind])
            high = np.maximum(high[ahead], high[behind])
    safe = low.max(axis=0)
    return np.flatnonzero((high >= safe).any(axis=(1, 2)))


def _to_bytes(total: npt.NDArray[np.float32], out: npt.NDArray[np.uint8]) -> None:
    """round(255 / total), the probability of a winner whose own share of the total is 1."""
    np.divide(np.float32(255), total, out=total)
    np.rint(total, out=total)
    np.copyto(out, total, casting='unsafe')


def _share_to_bytes(probability: npt.NDArray[np.float32], out: npt.NDArray[np.uint8]) -> None:
    """round(255 * probability); what is not within 0 to 1 counts as the nearest that is."""
    np.copyto(out, np.rint(255 * np.clip(probability, 0, 1)), casting='unsafe')
