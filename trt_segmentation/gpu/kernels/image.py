# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Describe a camera image to the kernels, with the same structure as in image.cuh."""

from __future__ import annotations

import ctypes

from ...frame import Frame


class Image(ctypes.Structure):
    """The same structure as ``struct Image`` in image.cuh, which explains the members."""

    _fields_ = [
        ('data', ctypes.c_uint64), ('chroma', ctypes.c_int64),
        ('height', ctypes.c_int), ('width', ctypes.c_int), ('step', ctypes.c_int),
        ('yuv', ctypes.c_int), ('stride', ctypes.c_int),
        ('at0', ctypes.c_int), ('at1', ctypes.c_int), ('at2', ctypes.c_int),
        ('chroma_stride', ctypes.c_int), ('chroma_shift', ctypes.c_int)]


# encoding: (bytes of a pixel, indices of R, G and B in these bytes)
_PACKED = {
    'bgr8': (3, 2, 1, 0), '8UC3': (3, 2, 1, 0), 'rgb8': (3, 0, 1, 2),
    'bgra8': (4, 2, 1, 0), '8UC4': (4, 2, 1, 0), 'rgba8': (4, 0, 1, 2),
    'mono8': (1, 0, 0, 0), '8UC1': (1, 0, 0, 0)}
# encoding: (index of Y in the 2 bytes of a pixel, indices of U and V in the 4 bytes of two pixels)
_INTERLEAVED = {
    'uyvy': (1, 0, 2), 'yuv422': (1, 0, 2), 'yuyv': (0, 1, 3), 'yuv422_yuy2': (0, 1, 3)}
# encoding: indices of U and V in a pair of the second plane
_PLANAR = {'nv12': (0, 1), 'nv21': (1, 0)}

KERNEL_ENCODINGS = frozenset([*_PACKED, *_INTERLEAVED, *_PLANAR])
"""Encodings that the kernels can read. The host decodes other encodings first."""


def describe_frame(frame: Frame, address: int) -> Image:
    """Describe a frame. Its encoding must be one of :data:`KERNEL_ENCODINGS`.

    :param address: address of the frame's first byte, for kernels. It needs no alignment.
    """
    image = Image(data=address, height=frame.height, width=frame.width, step=frame.step)
    if frame.encoding in _PACKED:
        image.stride, image.at0, image.at1, image.at2 = _PACKED[frame.encoding]
        return image
    image.yuv = 1
    if frame.encoding in _INTERLEAVED:
        image.at0, image.at1, image.at2 = _INTERLEAVED[frame.encoding]
        image.stride, image.chroma_stride = 2, 4
    else:
        image.at1, image.at2 = _PLANAR[frame.encoding]
        image.stride, image.chroma_stride, image.chroma_shift = 1, 2, 1
        image.chroma = frame.step * frame.height
    return image
