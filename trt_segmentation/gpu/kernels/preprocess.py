# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Prepares launches of the kernel in preprocess.cu, which computes the input of the network."""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
from typing import NamedTuple

import numpy as np

from ...frame import Frame
from ...model.card import InputCard
from ...model.geometry import Axis, fit
from ...model.signature import ImageInput
from .image import describe_frame, Image
from .launch import Launch
from .program import cached_cubin, IMAGES, Kernel

AREA_FROM = 2
"""If an axis shrinks by more than this factor, the kernel averages the pixels along this axis."""

BLOCK = (32, 8, 1)


class _PreprocessView(ctypes.Structure):
    _fields_ = [
        ('image', Image), ('lookup', ctypes.c_uint64),
        ('rows', ctypes.c_int), ('cols', ctypes.c_int),
        ('top', ctypes.c_int), ('left', ctypes.c_int),
        ('first_row', ctypes.c_int), ('first_col', ctypes.c_int),
        ('part_rows', ctypes.c_int), ('part_cols', ctypes.c_int),
        ('row_scale', ctypes.c_float), ('col_scale', ctypes.c_float),
        ('row_area', ctypes.c_int), ('col_area', ctypes.c_int)]


class _PreprocessParams(ctypes.Structure):
    _fields_ = [
        ('tensor', ctypes.c_uint64), ('height', ctypes.c_int), ('width', ctypes.c_int),
        ('swap', ctypes.c_int), ('gain', ctypes.c_float * 3), ('bias', ctypes.c_float * 3),
        ('pad', ctypes.c_float), ('views', _PreprocessView * IMAGES)]


class Source(NamedTuple):
    """One camera image that a launch reads.

    :param image: address that kernels use for the first byte of the image.
    :param lookup: GPU address of :attr:`.Viewport.lookup`, which removes the distortion of the
        lens; 0 if the frame is not rectified.
    """

    frame: Frame
    image: int
    lookup: int = 0


def defines(image: ImageInput, rectify: bool = False) -> dict[str, str | int]:
    """Return the macros that preprocess.cu needs for this input."""
    return {'OUT': np.dtype(image.dtype).itemsize * 8, 'CHANNELS': image.channels,
            'CHANNELS_LAST': int(image.layout == 'nhwc'), 'RECTIFY': int(rectify)}


class Preprocess:
    """The kernels for one network input, on the GPU that is current in this thread.

    If an image needs rectification, a second kernel replaces the first. The second kernel also
    removes the distortion of the lens. It is loaded when an image first needs it.

    :param arch: the GPU's architecture, such as ``sm_90``.
    """

    def __init__(self, card: InputCard, image: ImageInput, arch: str) -> None:
        self._card = card
        self._image = image
        self._arch = arch
        self._kernels: dict[bool, Kernel] = {}
        self._load_kernel(False)

    def _load_kernel(self, rectify: bool) -> Kernel:
        if rectify not in self._kernels:
            macros = defines(self._image, rectify)
            self._kernels[rectify] = Kernel(
                cached_cubin('preprocess.cu', self._arch, macros), 'preprocess')
        return self._kernels[rectify]

    def make_launch(self) -> Launch:
        """Make a launch. Call :meth:`set_parameters` before the launch is enqueued."""
        card, image = self._card, self._image
        params = _PreprocessParams(height=image.height, width=image.width,
                                   swap=int(card.color == 'bgr'), pad=card.pad)
        for channel in range(image.channels):
            if image.dtype == 'uint8':
                params.gain[channel] = 1
            else:
                params.gain[channel] = 1 / (255 * card.std[channel])
                params.bias[channel] = -card.mean[channel] / card.std[channel]
        launch = Launch(params)
        launch.block = BLOCK
        return launch

    def set_parameters(self, launch: Launch, sources: Sequence[Source], tensor: int) -> None:
        """Set the images that a launch reads, and the tensor that the launch writes.

        :param sources: at most :data:`.program.IMAGES` images. Their encodings must be in
            :data:`.image.KERNEL_ENCODINGS`.
        :param tensor: GPU address in the input tensor. The kernel writes the first source there.
        """
        params = launch.params
        params.tensor = tensor
        for view, (frame, address, lookup) in zip(params.views, sources):
            geometry = fit(self._card.resize, (frame.height, frame.width),
                           (self._image.height, self._image.width), frame.roi)
            view.image, view.lookup = describe_frame(frame, address), lookup
            rows, cols = geometry.rows, geometry.cols
            view.rows, view.top = rows.new, rows.offset
            view.cols, view.left = cols.new, cols.offset
            view.first_row, view.part_rows = rows.first, rows.camera
            view.first_col, view.part_cols = cols.first, cols.camera
            view.row_scale, view.row_area = _sampling(rows)
            view.col_scale, view.col_area = _sampling(cols)
        launch.function = self._load_kernel(any(source.lookup for source in sources)).function
        launch.grid = (-(-self._image.width // BLOCK[0]), -(-self._image.height // BLOCK[1]),
                       len(sources))

    def close(self) -> None:
        """Unload the kernels."""
        for kernel in self._kernels.values():
            kernel.close()


def _sampling(axis: Axis) -> tuple[float, int]:
    return axis.camera / axis.new, int(axis.camera > AREA_FROM * axis.new)
