# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Launches of the kernel in postprocess.cu, which computes labels, confidence, overlay and tally.

A tally holds counts over sampled pixels of the image; see trust/tally.py.
"""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...frame import Frame
from ...model.card import ModelCard
from ...model.geometry import Axis, fit
from ...model.signature import ImageInput, NetworkOutput
from ...trust.tally import MOST_SAMPLES, tally_size
from .image import describe_frame, Image
from .launch import Launch
from .program import cached_cubin, IMAGES, Kernel

PIXELS = 4
"""Number of neighbouring pixels that a GPU thread computes in each of its rows. postprocess.cu has
the same number."""
ROWS = 1
"""Number of rows in which a GPU thread computes pixels."""
UNROLL = 4
"""Number of classes whose logits a GPU thread loads at once."""
BLOCK = (32, 2, 1)

_TYPES = {
    'float32': 'float', 'float16': 'half_bits', 'float64': 'double', 'bool': 'u8',
    'uint8': 'u8', 'int8': 'signed char', 'uint16': 'u16', 'int16': 'short',
    'uint32': 'u32', 'int32': 'int', 'uint64': 'unsigned long long', 'int64': 'long long'}


class _PostprocessView(ctypes.Structure):
    _fields_ = [
        ('image', Image), ('labels', ctypes.c_uint64), ('confidence', ctypes.c_uint64),
        ('overlay', ctypes.c_uint64), ('tally', ctypes.c_uint64),
        ('hidden', ctypes.c_uint64), ('lookup', ctypes.c_uint64),
        ('row_scale', ctypes.c_float), ('row_offset', ctypes.c_float),
        ('col_scale', ctypes.c_float), ('col_offset', ctypes.c_float),
        ('row_from', ctypes.c_int), ('row_to', ctypes.c_int),
        ('col_from', ctypes.c_int), ('col_to', ctypes.c_int),
        ('row_new', ctypes.c_int), ('row_shift', ctypes.c_int),
        ('col_new', ctypes.c_int), ('col_shift', ctypes.c_int),
        ('part_rows', ctypes.c_int), ('part_cols', ctypes.c_int),
        ('overlay_step', ctypes.c_int), ('pad', ctypes.c_float)]


class _PostprocessParams(ctypes.Structure):
    _fields_ = [
        ('output', ctypes.c_uint64), ('image_stride', ctypes.c_int64),
        ('class_stride', ctypes.c_int), ('row_stride', ctypes.c_int),
        ('col_stride', ctypes.c_int), ('height', ctypes.c_int),
        ('width', ctypes.c_int), ('palette', ctypes.c_uint64), ('alpha', ctypes.c_float),
        ('threshold', ctypes.c_float), ('net_height', ctypes.c_int), ('net_width', ctypes.c_int),
        ('sharpness', ctypes.c_float), ('tally_rows', ctypes.c_int), ('totals', ctypes.c_uint64),
        ('views', _PostprocessView * IMAGES)]


@dataclass(frozen=True)
class Target:
    """One camera image and the memory for its outputs.

    ``image``, ``labels``, ``confidence``, ``overlay`` and ``tally`` are addresses for kernels. If
    an output is not wanted, its address is 0.

    :param overlay_step: see :attr:`trt_segmentation.frame.Wanted.overlay_step`.
    :param hidden: address of the array ``hidden`` of the frame's :class:`.Viewport`; 0 if the
        viewport has no such array.
    :param lookup: address of the array ``lookup`` of the viewport; 0 if there is no such array.
    """

    frame: Frame
    image: int
    labels: int
    confidence: int = 0
    overlay: int = 0
    tally: int = 0
    overlay_step: int = 1
    hidden: int = 0
    lookup: int = 0


def totals_bytes(classes: int) -> int:
    """Return the number of bytes of GPU memory that the kernel needs to compute tallies."""
    return 4 * IMAGES * (tally_size(classes) + 1)


def defines(card: ModelCard, output: NetworkOutput, confidence: bool, tally: bool = False,
            rectify: bool = False) -> dict[str, str | int]:
    """Return the macros that postprocess.cu needs for this network output."""
    macros: dict[str, str | int] = {
        'OUTPUT': _TYPES[output.dtype], 'KIND': output.kind.name,
        'LABEL': 'u8' if card.label_dtype == np.uint8 else 'u16', 'CONFIDENCE': int(confidence),
        'TALLY': int(tally), 'RECTIFY': int(rectify),
        'CLASSES': len(card.classes), 'ROWS': ROWS, 'UNROLL': UNROLL}
    return macros if output.layout == 'nhwc' else {**macros, 'COL_STRIDE': 1}


class Postprocess:
    """The kernels for one network output, on the current GPU of the thread that makes the object.

    Each combination of confidence, tally and rectified overlay has its own kernel. The kernel is
    loaded when a launch first needs this combination.

    :param palette: GPU address of the result of :func:`palette_words`.
    :param arch: the GPU's architecture, such as ``sm_90``.
    """

    def __init__(self, card: ModelCard, image: ImageInput, output: NetworkOutput, palette: int,
                 arch: str) -> None:
        self._card = card
        self._net = (image.height, image.width)
        self._output = output
        self._palette = palette
        self._arch = arch
        self._kernels: dict[tuple[bool, bool, bool], Kernel] = {}
        self._load_kernel(False, False, False)

    def _load_kernel(self, confidence: bool, tally: bool, rectify: bool) -> Kernel:
        key = confidence, tally, rectify
        if key not in self._kernels:
            macros = defines(self._card, self._output, *key)
            self._kernels[key] = Kernel(
                cached_cubin('postprocess.cu', self._arch, macros), 'postprocess')
        return self._kernels[key]

    def make_launch(self) -> Launch:
        """Make a launch. Call :meth:`set_parameters` before the launch is enqueued."""
        threshold = self._card.output.threshold
        launch = Launch(_PostprocessParams(
            palette=self._palette,
            threshold=(threshold if self._output.kind.values == 'probability'
                       else math.log(threshold / (1 - threshold))),
            net_height=self._net[0], net_width=self._net[1],
            sharpness=1 / self._card.output.temperature))
        launch.block = BLOCK
        return launch

    def set_parameters(self, launch: Launch, targets: Sequence[Target], output: int,
                       shape: Sequence[int], alpha: float, totals: int = 0) -> None:
        """Set the network output that a launch reads, and the memory that the launch writes.

        :param targets: one target for each image; at most :data:`.program.IMAGES` targets. All
            targets must want the same outputs.
        :param output: GPU address of the first image in the output tensor.
        :param shape: shape of the output tensor.
        :param alpha: weight of the palette's colour in the overlay, 0 to 1.
        :param totals: GPU address of :func:`totals_bytes` bytes, needed if a tally is wanted. The
            bytes must be 0 before the first launch. Launches that run at the same time must have
            different totals.
        """
        params = launch.params
        params.output, params.alpha = output, alpha
        params.image_stride = math.prod(shape[1:])
        params.class_stride, params.row_stride, params.col_stride, height, width = _strides(
            self._output.layout, shape)
        params.height, params.width = height, width
        for view, target in zip(params.views, targets):
            self._describe(view, target, height, width)
        tally = any(t.tally for t in targets)
        launch.function = self._load_kernel(
            any(t.confidence for t in targets), tally,
            any(t.overlay and t.lookup for t in targets)).function
        columns = -(-max(t.frame.width for t in targets) // (PIXELS * BLOCK[0]))
        samples = MOST_SAMPLES * MOST_SAMPLES if tally else 0
        params.totals, params.tally_rows = totals, -(-samples // (columns * math.prod(BLOCK)))
        launch.grid = (columns, params.tally_rows
                       - (-max(t.frame.height for t in targets) // (ROWS * BLOCK[1])),
                       len(targets))

    def _describe(self, view: Any, target: Target, height: int, width: int) -> None:
        frame = target.frame
        geometry = fit(self._card.input.resize, (frame.height, frame.width), self._net,
                       frame.roi)
        rows, cols = geometry.rows, geometry.cols
        view.image = describe_frame(frame, target.image)
        view.labels, view.confidence = target.labels, target.confidence
        view.overlay, view.overlay_step = target.overlay, target.overlay_step
        view.tally = target.tally
        view.hidden, view.lookup = target.hidden, target.lookup
        view.pad = self._card.input.pad
        view.row_scale, view.row_offset = rows.grid(height)
        view.col_scale, view.col_offset = cols.grid(width)
        view.row_from, view.row_to = rows.visible
        view.col_from, view.col_to = cols.visible
        view.row_new, view.row_shift = rows.new, _shift(rows)
        view.col_new, view.col_shift = cols.new, _shift(cols)
        view.part_rows, view.part_cols = rows.camera, cols.camera

    def close(self) -> None:
        """Unload the kernels."""
        for kernel in self._kernels.values():
            kernel.close()


def _shift(axis: Axis) -> int:
    """Return the position of image pixel 0 in the network input.

    The unit is the network pixel divided by ``axis.camera``, so the position is an integer.
    """
    return axis.camera * axis.offset - axis.first * axis.new


def _strides(layout: str, shape: Sequence[int]) -> tuple[int, int, int, int, int]:
    """Return (class stride, row stride, column stride, rows, columns), all in elements."""
    if layout == 'nchw':
        _, _, height, width = shape
        return height * width, width, 1, height, width
    if layout == 'nhwc':
        _, height, width, channels = shape
        return 1, width * channels, channels, height, width
    _, height, width = shape
    return 0, width, 1, height, width


def palette_words(palette: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a (classes, 3) uint8 RGB palette as (classes, 4) uint8: B, G, R and 0."""
    words = np.zeros((len(palette), 4), np.uint8)
    words[:, :3] = palette[:, ::-1]
    return words
