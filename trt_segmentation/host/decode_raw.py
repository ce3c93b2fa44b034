# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes raw camera images to 8-bit BGR, RGB or gray images."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..frame import BYTES_PER_PIXEL, Frame

# ROS names a Bayer pattern after its first two pixels. OpenCV names the pattern after the second
# and third pixel of the second row, so the two names differ.
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
"""Order of the channels of each encoding that needs no colour conversion."""
_BAYER_MIN = 3
"""OpenCV needs at least this many rows and columns. A smaller Bayer image becomes black."""


class Pixels(NamedTuple):
    """A decoded image.

    :param array: (height, width, 3) uint8, or (height, width) if ``order`` is gray. If nothing
        was converted, the array is a view of the bytes of the frame, with the row stride ``step``.
    :param order: ``bgr``, ``rgb`` or ``gray``.
    """

    array: npt.NDArray[np.uint8]
    order: str

    def bgr(self) -> npt.NDArray[np.uint8]:
        """Return (height, width, 3) uint8 BGR, without a copy if the order is already bgr."""
        if self.order == 'bgr':
            return self.array
        code = cv2.COLOR_RGB2BGR if self.order == 'rgb' else cv2.COLOR_GRAY2BGR
        return as_array(cv2.cvtColor(self.array, code))


def decode(frame: Frame) -> Pixels:
    """Decode a frame.

    Pixels of bgr8, rgb8, mono8, 8UC1 and 8UC3 are not copied. YUV is read as BT.601 with limited
    range, as in OpenCV and cv_bridge. After the colour conversion, :func:`to_8_bits` converts
    16-bit channels to 8 bits, as in cv_bridge.

    :raises FrameError: if the data of the frame is not contiguous.
    """
    encoding = frame.encoding
    if encoding == 'nv24':
        return Pixels(_decode_nv24(frame), 'bgr')
    wide = encoding.endswith('16') or encoding == '16UC1'
    stored: npt.NDArray[Any] = _read_16_bits(frame) if wide else _view_bytes(frame)
    if encoding in _ORDERS:
        converted, order = stored, _ORDERS[encoding]
    elif encoding.startswith('bayer') and min(frame.height, frame.width) < _BAYER_MIN:
        converted, order = _decode_small_bayer(stored, _CONVERSIONS[encoding]), 'bgr'
    else:
        converted, order = as_array(cv2.cvtColor(stored, _CONVERSIONS[encoding])), 'bgr'
    return Pixels(to_8_bits(converted) if wide else converted, order)


def to_8_bits(wide: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Scale pixels from 16 bits to 8 bits, as cv_bridge does: round(wide × 255 / 65535).

    :param wide: uint16 pixels of any shape, in the byte order of this machine.
    """
    return as_array(cv2.convertScaleAbs(wide, alpha=255 / 65535))


def _read_16_bits(frame: Frame) -> npt.NDArray[np.uint16]:
    """Copy 16-bit pixels to (height, width[, channels]) in the byte order of this machine."""
    wide = _view_bytes(frame).view('>u2' if frame.is_bigendian else '<u2').astype(np.uint16)
    return wide[..., 0] if wide.shape[2] == 1 else wide


def _decode_nv24(frame: Frame) -> npt.NDArray[np.uint8]:
    # OpenCV does not support nv24. So each pixel is written twice, as a pair of yuyv pixels, and
    # every second pixel of the result is dropped. A chroma row has U and V for each pixel, so the
    # step of the chroma plane is twice the step of the frame.
    height, width, step = frame.height, frame.width, frame.step
    rows = _view_bytes(frame)
    chroma = np.ndarray((height, width, 2), np.uint8, frame.data, height * step,
                        (2 * step, 2, 1))
    pairs = np.empty((height, width, 2, 2), np.uint8)
    pairs[..., 0] = rows[:height, :, None]
    pairs[..., 1] = chroma
    doubled = as_array(cv2.cvtColor(pairs.reshape(height, 2 * width, 2), cv2.COLOR_YUV2BGR_YUY2))
    return np.ascontiguousarray(doubled[:, ::2])


def _view_bytes(frame: Frame) -> npt.NDArray[Any]:
    """View the bytes as (rows, width[, bytes per pixel]). The chroma plane counts as rows too."""
    pixel = BYTES_PER_PIXEL[frame.encoding]
    shape: tuple[int, ...] = (frame.stored_rows, frame.width, pixel)
    strides: tuple[int, ...] = (frame.step, pixel, 1)
    if pixel == 1:
        shape, strides = shape[:2], strides[:2]
    try:
        return np.ndarray(shape, np.uint8, buffer=frame.data, strides=strides)
    except (TypeError, ValueError) as error:
        raise FrameError(
            f'the data of the frame is not one contiguous array of bytes ({error}). Pass '
            'numpy.ascontiguousarray(data)') from error


def _decode_small_bayer(mosaic: npt.NDArray[Any], code: int) -> npt.NDArray[Any]:
    height, width = mosaic.shape
    # A Bayer pattern repeats every two rows and columns, so a small image is extended by repeating
    # its rows and columns. If an image has only one row or one column, a colour is missing, so the
    # result is a guess.
    rows, cols = (np.arange(_BAYER_MIN + 1) % side if side < _BAYER_MIN else np.arange(side)
                  for side in mosaic.shape)
    return as_array(cv2.cvtColor(mosaic[np.ix_(rows, cols)], code))[:height, :width]


def as_array(array: Any) -> npt.NDArray[Any]:
    """Tell the type checker that a result of OpenCV is an array. OpenCV's stubs say Mat."""
    pixels: npt.NDArray[Any] = array
    return pixels
