# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Camera pixels to the network's input tensor."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..model.card import InputCard
from ..model.geometry import Axis, Geometry
from ..model.signature import ImageInput
from .bilinear import interpolate, taps
from .decode_raw import Pixels

AREA_FROM = 2.0
"""Shrinking by more than this averages what a network pixel covers, on each axis by itself."""


class Preprocess:
    """Fills one image's part of an input tensor; one thread at a time.

    The resize works in uint8 and rounds: a tensor value is within 1 level of 255 of what exact
    arithmetic gives, within 2 where gray or averaging on one axis only rounds again.
    """

    def __init__(self, card: InputCard, image: ImageInput) -> None:
        self._card = card
        self._image = image
        dtype = np.dtype(image.dtype)
        value = np.arange(256, dtype=np.float64)[:, None].repeat(image.channels, axis=1)
        if dtype.kind == 'f':
            # of every value a pixel can have
            value = (value / 255 - card.mean) / card.std
        self._tables: npt.NDArray[Any] = np.ascontiguousarray(value.T.astype(dtype))

    def __call__(self, pixels: Pixels, geometry: Geometry, out: npt.NDArray[Any]) -> None:
        """Write one image.

        :param out: (channels, height, width) or (height, width, channels), the slice of a
            C-contiguous batch; every element is written.
        """
        resized = self._place(self._resize(pixels.array, geometry), geometry)
        ordered = _reorder(resized, pixels.order, self._card.color)
        if self._image.layout == 'nhwc':
            self._write(ordered, out)
            return
        for plane, table, target in zip(_planes(ordered), self._tables, out):
            _look_up(plane, table, target)

    def _write(self, ordered: npt.NDArray[np.uint8], out: npt.NDArray[Any]) -> None:
        if ordered.ndim == 2:
            _look_up(ordered, self._tables[0], out[..., 0])
        elif out.dtype == np.float32:
            cv2.LUT(ordered, np.ascontiguousarray(self._tables.T)[None], dst=out)
        else:
            for channel, table in enumerate(self._tables):
                out[..., channel] = table[ordered[..., channel]]

    def _resize(self, array: npt.NDArray[np.uint8], geometry: Geometry) -> npt.NDArray[np.uint8]:
        rows, cols = geometry.rows, geometry.cols
        if rows.new > max(rows.net, rows.camera) or cols.new > max(cols.net, cols.camera):
            # cropping what is enlarged: only what the network sees, or a sliver of an image
            # would fill the memory
            return _enlarge(array, rows, cols)
        area = [axis.camera > AREA_FROM * axis.new for axis in (rows, cols)]
        if area[0] != area[1]:
            array = _resize_to(array, rows.camera, cols.new, area[1])
            return _resize_to(array, rows.new, cols.new, area[0])
        return _resize_to(array, rows.new, cols.new, area[0])

    def _place(self, resized: npt.NDArray[np.uint8],
               geometry: Geometry) -> npt.NDArray[np.uint8]:
        rows, cols = geometry.rows, geometry.cols
        height, width = resized.shape[:2]
        if (height, width) == (rows.net, cols.net):
            return resized
        top, left = rows.offset, cols.offset
        cut = resized[max(-top, 0):max(-top, 0) + rows.net,
                      max(-left, 0):max(-left, 0) + cols.net]
        top, left = max(top, 0), max(left, 0)
        padded: Any = cv2.copyMakeBorder(
            cut, top, rows.net - top - cut.shape[0], left, cols.net - left - cut.shape[1],
            cv2.BORDER_CONSTANT, value=(self._card.pad,) * 3)
        return _pixels(padded)


def _resize_to(array: npt.NDArray[np.uint8], height: int, width: int,
               area: bool) -> npt.NDArray[np.uint8]:
    if array.shape[:2] == (height, width):
        return array
    return _pixels(cv2.resize(array, (width, height), interpolation=(
        cv2.INTER_AREA if area else cv2.INTER_LINEAR)))


def _enlarge(array: npt.NDArray[np.uint8], rows: Axis, cols: Axis) -> npt.NDArray[np.uint8]:
    # network pixel j lies at camera coordinate (j + 0.5 − offset) / scale
    down, across = (
        taps(range(axis.net), 1 / axis.scale, -axis.offset / axis.scale, axis.camera)
        for axis in (rows, cols))
    planes = [interpolate(plane.astype(np.float32), down, across) for plane in _planes(array)]
    rounded = np.rint(np.stack(planes, axis=-1)).astype(np.uint8)
    return rounded if array.ndim == 3 else rounded[..., 0]


def _reorder(array: npt.NDArray[np.uint8], order: str, color: str) -> npt.NDArray[np.uint8]:
    if order == color:
        return array
    code = {('bgr', 'rgb'): cv2.COLOR_BGR2RGB, ('rgb', 'bgr'): cv2.COLOR_RGB2BGR,
            ('bgr', 'gray'): cv2.COLOR_BGR2GRAY, ('rgb', 'gray'): cv2.COLOR_RGB2GRAY,
            ('gray', 'rgb'): cv2.COLOR_GRAY2RGB, ('gray', 'bgr'): cv2.COLOR_GRAY2BGR}
    return _pixels(cv2.cvtColor(array, code[order, color]))


def _look_up(plane: npt.NDArray[np.uint8], table: npt.NDArray[Any],
             out: npt.NDArray[Any]) -> None:
    if table.dtype == np.uint8:
        out[...] = plane
    elif table.dtype == np.float32 and out.flags.c_contiguous:
        cv2.LUT(plane, table, dst=out)
    else:
        np.take(table, plane, out=out, mode='clip')


def _planes(array: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    return [_pixels(plane) for plane in cv2.split(array)]


def _pixels(array: Any) -> npt.NDArray[np.uint8]:
    # OpenCV's stubs call every result a Mat of numbers of some kind
    pixels: npt.NDArray[np.uint8] = array
    return pixels
