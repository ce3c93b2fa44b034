# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Camera bytes to pixels OpenCV works on."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..frame import BYTES_PER_PIXEL, Frame

# ROS names a Bayer pattern by its first two pixels, OpenCV by the second and third of the
# second row, so each has the other's name.
_CONVERSIONS = {
    'bayer_rggb8': cv2.COLOR_BayerBG2BGR, 'bayer_bggr8': cv2.COLOR_BayerRG2BGR,
    'bayer_gbrg8': cv2.COLOR_BayerGR2BGR, 'bayer_grbg8': cv2.COLOR_BayerGB2BGR,
    'uyvy': cv2.COLOR_YUV2BGR_UYVY, 'yuv422': cv2.COLOR_YUV2BGR_UYVY,
    'yuyv': cv2.COLOR_YUV2BGR_YUY2, 'yuv422_yuy2': cv2.COLOR_YUV2BGR_YUY2,
    'nv12': cv2.COLOR_YUV2BGR_NV12, 'nv21': cv2.COLOR_YUV2BGR_NV21,
    'bgra8': cv2.COLOR_BGRA2BGR, '8UC4': cv2.COLOR_BGRA2BGR, 'rgba8': cv2.COLOR_RGBA2BGR,
    'bgra16': cv2.COLOR_BGRA2BGR, 'rgba16': cv2.COLOR_RGBA2BGR,
    'bayer_rggb16': cv2.COLOR_BayerBG2BGR, 'bayer_bggr16': cv2.COLOR_BayerRG2BGR,
    'bayer_gbrg16': cv2.COLOR_BayerGR2BGR, 'bayer_grbg16': cv2.COLOR_BayerGB2BGR,
}
_ORDERS = {
    'bgr8': 'bgr', '8UC3': 'bgr', 'bgr16': 'bgr', 'rgb8': 'rgb', 'rgb16': 'rgb',
    'mono8': 'gray', '8UC1': 'gray', 'mono16': 'gray', '16UC1': 'gray',
}
"""Encodings whose channels need no conversion, and the order of those channels."""
_BAYER_MIN = 3
"""Rows or columns below which OpenCV answers a mosaic with black."""


class Pixels(NamedTuple):
    """A decoded image.

    :param array: (height, width, 3) uint8, or (height, width) where ``order`` is gray. A view
        of the frame's bytes where the encoding allows it, with the frame's step as stride.
    :param order: ``bgr``, ``rgb`` or ``gray``.
    """

    array: npt.NDArray[np.uint8]
    order: str

    def bgr(self) -> npt.NDArray[np.uint8]:
        """(height, width, 3) uint8 BGR; the array itself where it is that already."""
        if self.order == 'bgr':
            return self.array
        code = cv2.COLOR_RGB2BGR if self.order == 'rgb' else cv2.COLOR_GRAY2BGR
        return _cv(cv2.cvtColor(self.array, code))


def decode(frame: Frame) -> Pixels:
    """Decode a frame; bgr8, rgb8, mono8 and their 8UC names without a copy.

    YUV is BT.601 with limited range, as OpenCV, cv_bridge and USB cameras take it. 16 bits a
    channel become 8 by :func:`to_8_bits`, after the colour conversion, as in cv_bridge.

    :raises FrameError: when the data has gaps.
    """
    encoding = frame.encoding
    if encoding == 'nv24':
        return Pixels(_nv24(frame), 'bgr')
    wide = encoding.endswith('16') or encoding == '16UC1'
    stored: npt.NDArray[Any] = _native(frame) if wide else _stored(frame)
    if encoding in _ORDERS:
        converted, order = stored, _ORDERS[encoding]
    elif encoding.startswith('bayer') and min(frame.height, frame.width) < _BAYER_MIN:
        converted, order = _small_bayer(stored, _CONVERSIONS[encoding]), 'bgr'
    else:
        converted, order = _cv(cv2.cvtColor(stored, _CONVERSIONS[encoding])), 'bgr'
    return Pixels(to_8_bits(converted) if wide else converted, order)


def to_8_bits(wide: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale pixels of 16 bits to 8: 65535 becomes 255, and the result is rounded.

    cv_bridge's rule. No value lies halfway between two results.

    :param wide: uint16 in this machine's byte order, any shape.
    """
    return _cv(cv2.convertScaleAbs(wide, alpha=255 / 65535))


def _native(frame: Frame) -> npt.NDArray[np.uint16]:
    """(height, width[, channels]) copy of 16-bit pixels in this machine's byte order."""
    wide = _stored(frame).view('>u2' if frame.is_bigendian else '<u2').astype(np.uint16)
    return wide[..., 0] if wide.shape[2] == 1 else wide


def _nv24(frame: Frame) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 BGR of an nv24 frame.

    OpenCV does not know nv24, so every pixel becomes a yuyv pair of two equal pixels. A chroma
    row has U, V for every pixel, so its step is twice that of the first plane.
    """
    height, width, step = frame.height, frame.width, frame.step
    rows = _stored(frame)
    chroma = np.ndarray((height, width, 2), np.uint8, frame.data, height * step,
                        (2 * step, 2, 1))
    pairs = np.empty((height, width, 2, 2), np.uint8)
    pairs[..., 0] = rows[:height, :, None]
    pairs[..., 1] = chroma
    doubled = _cv(cv2.cvtColor(pairs.reshape(height, 2 * width, 2), cv2.COLOR_YUV2BGR_YUY2))
    return np.ascontiguousarray(doubled[:, ::2])


def _stored(frame: Frame) -> npt.NDArray[Any]:
    """(rows, width[, bytes per pixel]) view of the bytes, chroma rows below the image's."""
    pixel = BYTES_PER_PIXEL[frame.encoding]
    shape: tuple[int, ...] = (frame.stored_rows, frame.width, pixel)
    strides: tuple[int, ...] = (frame.step, pixel, 1)
    if pixel == 1:
        shape, strides = shape[:2], strides[:2]
    try:
        return np.ndarray(shape, np.uint8, buffer=frame.data, strides=strides)
    except (TypeError, ValueError) as error:
        raise FrameError(
            f'data must be one flat contiguous array of bytes: {error}') from error


def _small_bayer(mosaic: npt.NDArray[Any], code: int) -> npt.NDArray[Any]:
    height, width = mosaic.shape
    # repeating two rows or columns keeps every pixel on its own colour; one alone has no
    # neighbours of the other colours, and any answer is a guess
    rows, cols = (np.arange(_BAYER_MIN + 1) % side if side < _BAYER_MIN else np.arange(side)
                  for side in mosaic.shape)
    return _cv(cv2.cvtColor(mosaic[np.ix_(rows, cols)], code))[:height, :width]


def _cv(array: Any) -> npt.NDArray[Any]:
    # OpenCV's stubs call every result a Mat of numbers of some kind
    pixels: npt.NDArray[Any] = array
    return pixels
