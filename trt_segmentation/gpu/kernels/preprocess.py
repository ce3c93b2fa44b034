# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Launches of the kernel in preprocess.cu, which computes the network's input tensor."""

from __future__ import annotations

from collections.abc import Sequence
import ctypes

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
        ('image', Image),
        ('rows', ctypes.c_int), ('cols', ctypes.c_int),
        ('top', ctypes.c_int), ('left', ctypes.c_int),
        ('row_scale', ctypes.c_float), ('col_scale', ctypes.c_float),
        ('row_area', ctypes.c_int), ('col_area', ctypes.c_int)]


class _PreprocessParams(ctypes.Structure):
    _fields_ = [
        ('tensor', ctypes.c_uint64), ('height', ctypes.c_int), ('width', ctypes.c_int),
        ('swap', ctypes.c_int), ('gain', ctypes.c_float * 3), ('bias', ctypes.c_float * 3),
        ('pad', ctypes.c_float), ('views', _PreprocessView * IMAGES)]


def defines(image: ImageInput) -> dict[str, str | int]:
    """Return the macros that preprocess.cu needs for this input."""
    return {'OUT': np.dtype(image.dtype).itemsize * 8, 'CHANNELS': image.channels,
            'CHANNELS_LAST': int(image.layout == 'nhwc')}


class Preprocess:
    """The kernel for one network input, on the GPU that is current in this thread.

    :param arch: the GPU's architecture, such as ``sm_90``.
    """

    def __init__(self, card: InputCard, image: ImageInput, arch: str) -> None:
        self._card = card
        self._image = image
        self._kernel = Kernel(cached_cubin('preprocess.cu', arch, defines(image)), 'preprocess')

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
        launch.function = self._kernel.function
        launch.block = BLOCK
        return launch

    def set_parameters(self, launch: Launch, images: Sequence[tuple[Frame, int]],
                       tensor: int) -> None:
        """Set the images that a launch reads, and the tensor that the launch writes.

        :param images: at most :data:`.program.IMAGES` pairs of a frame and the address of its
            first byte, for kernels. The encodings must be in :data:`.image.KERNEL_ENCODINGS`.
        :param tensor: GPU address of the first image in the input tensor.
        """
        params = launch.params
        params.tensor = tensor
        for view, (frame, address) in zip(params.views, images):
            geometry = fit(self._card.resize, (frame.height, frame.width),
                           (self._image.height, self._image.width))
            view.image = describe_frame(frame, address)
            rows, cols = geometry.rows, geometry.cols
            view.rows, view.top = rows.new, rows.offset
            view.cols, view.left = cols.new, cols.offset
            view.row_scale, view.row_area = _sampling(rows)
            view.col_scale, view.col_area = _sampling(cols)
        launch.grid = (-(-self._image.width // BLOCK[0]), -(-self._image.height // BLOCK[1]),
                       len(images))

    def close(self) -> None:
        """Unload the kernel."""
        self._kernel.close()


def _sampling(axis: Axis) -> tuple[float, int]:
    return axis.camera / axis.new, int(axis.camera > AREA_FROM * axis.new)
