# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Preprocess on the CPU: converts camera pixels to the input tensor of the network."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..model.card import InputCard
from ..model.geometry import Axis, Geometry
from ..model.signature import ImageInput
from .decode_raw import as_array, Pixels
from .resample import interpolate, make_taps

AREA_FROM = 2.0
"""If an axis shrinks by more than this factor, each network pixel is a mean of camera pixels."""


class Preprocess:
    """Fills the part of an input tensor that belongs to one image.

    Only one thread at a time may call the object. Each step of the computation rounds pixels to
    uint8, which adds an error of at most 1 of 255 levels. The first step is a resize. If only one
    axis shrinks by more than :data:`AREA_FROM`, a second resize follows. The last step converts
    colours to gray, if the network needs gray.
    """

    def __init__(self, card: InputCard, image: ImageInput) -> None:
        self._card = card
        self._image = image
        dtype = np.dtype(image.dtype)
        value = np.arange(256, dtype=np.float64)[:, None].repeat(image.channels, axis=1)
        if dtype.kind == 'f':
            value = (value / 255 - card.mean) / card.std
        self._tables: npt.NDArray[Any] = np.ascontiguousarray(value.T.astype(dtype))

    def __call__(self, pixels: Pixels, geometry: Geometry, out: npt.NDArray[Any]) -> None:
        """Write one image into the tensor.

        :param out: the part of a C-contiguous batch that belongs to this image. The shape is
            (channels, height, width) or (height, width, channels). Every element is written.
        """
        resized = self._crop_or_pad(self._resize(pixels.array, geometry), geometry)
        ordered = _reorder(resized, pixels.order, self._card.color)
        if self._image.layout == 'nhwc':
            self._write_nhwc(ordered, out)
            return
        for plane, table, target in zip(_split_planes(ordered), self._tables, out):
            _look_up(plane, table, target)

    def _write_nhwc(self, ordered: npt.NDArray[np.uint8], out: npt.NDArray[Any]) -> None:
        if ordered.ndim == 2:
            _look_up(ordered, self._tables[0], out[..., 0])
        elif out.dtype == np.float32:
            cv2.LUT(ordered, np.ascontiguousarray(self._tables.T)[None], dst=out)
        else:
            for channel, table in enumerate(self._tables):
                out[..., channel] = table[ordered[..., channel]]

    def _resize(self, array: npt.NDArray[np.uint8], geometry: Geometry) -> npt.NDArray[np.uint8]:
        rows, cols = geometry.rows, geometry.cols
        array = array[rows.first:rows.first + rows.camera, cols.first:cols.first + cols.camera]
        if rows.new > max(rows.net, rows.camera) or cols.new > max(cols.net, cols.camera):
            # Enlarge only the part that the network sees. If the camera image is very narrow, the
            # whole enlarged image could need too much memory.
            return _enlarge(array, rows, cols)
        area = [axis.camera > AREA_FROM * axis.new for axis in (rows, cols)]
        if area[0] != area[1]:
            array = _resize_to(array, rows.camera, cols.new, area[1])
        return _resize_to(array, rows.new, cols.new, area[0])

    def _crop_or_pad(self, resized: npt.NDArray[np.uint8],
                     geometry: Geometry) -> npt.NDArray[np.uint8]:
        rows, cols = geometry.rows, geometry.cols
        height, width = resized.shape[:2]
        if (height, width) == (rows.net, cols.net):
            return resized
        top, left = rows.offset, cols.offset
        cut = resized[max(-top, 0):max(-top, 0) + rows.net,
                      max(-left, 0):max(-left, 0) + cols.net]
        top, left = max(top, 0), max(left, 0)
        return as_array(cv2.copyMakeBorder(
            cut, top, rows.net - top - cut.shape[0], left, cols.net - left - cut.shape[1],
            cv2.BORDER_CONSTANT, value=(self._card.pad,) * 3))


def rectify(pixels: Pixels, lookup: npt.NDArray[np.float32], pad: int) -> Pixels:
    """Return the rectified image, which has no lens distortion.

    :param lookup: see :class:`.Viewport`.
    :param pad: value of a pixel that the camera image does not show, in every channel.
    """
    no_second_map: Any = None
    return Pixels(as_array(cv2.remap(
        pixels.array, lookup, no_second_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
        borderValue=(pad,) * 3)), pixels.order)


def _resize_to(array: npt.NDArray[np.uint8], height: int, width: int,
               area: bool) -> npt.NDArray[np.uint8]:
    if array.shape[:2] == (height, width):
        return array
    return as_array(cv2.resize(array, (width, height), interpolation=(
        cv2.INTER_AREA if area else cv2.INTER_LINEAR)))


def _enlarge(array: npt.NDArray[np.uint8], rows: Axis, cols: Axis) -> npt.NDArray[np.uint8]:
    # Network pixel j lies at camera coordinate (j + 0.5 − offset) / scale.
    down, across = (
        make_taps(range(axis.net), 1 / axis.scale, -axis.offset / axis.scale, axis.camera)
        for axis in (rows, cols))
    planes = [interpolate(plane.astype(np.float32), down, across)
              for plane in _split_planes(array)]
    rounded = np.rint(np.stack(planes, axis=-1)).astype(np.uint8)
    return rounded if array.ndim == 3 else rounded[..., 0]


def _reorder(array: npt.NDArray[np.uint8], order: str, color: str) -> npt.NDArray[np.uint8]:
    if order == color:
        return array
    return as_array(cv2.cvtColor(array, getattr(cv2, f'COLOR_{order}2{color}'.upper())))


def _look_up(plane: npt.NDArray[np.uint8], table: npt.NDArray[Any],
             out: npt.NDArray[Any]) -> None:
    if table.dtype == np.uint8:
        out[...] = plane
    elif table.dtype == np.float32 and out.flags.c_contiguous:
        cv2.LUT(plane, table, dst=out)
    else:
        np.take(table, plane, out=out, mode='clip')


def _split_planes(array: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    return [as_array(plane) for plane in cv2.split(array)]
