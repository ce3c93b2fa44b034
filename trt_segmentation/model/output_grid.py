# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Where the channels of an answer are, how many, and whether it is a map of the image at all."""

from __future__ import annotations

from dataclasses import replace
import math

from ..errors import EngineError, NotAMap
from ..untrusted.onnx_graph import Ending
from .card import MAX_CLASSES
from .network_input import ImageInput
from .tensor import Tensor

LIST = math.log(1.2)
"""How far a map of three axes may be from the image's proportions; a list of boxes is further."""
FAR = math.log(1.5)
"""How far a map with channels may be from them: a few cells are rounded, or cut at the border."""
COARSEST = 64
"""Image pixels to one cell of a map, at most."""


def output_layout(tensor: Tensor, channels: int | None, image: ImageInput,
                  reasons: list[str]) -> str:
    """``nchw`` or ``nhwc`` of a tensor of four axes.

    :param channels: how many there are; None if that is unknown.
    :param reasons: gets a line.
    """
    _, first, middle, last = tensor.shape
    if channels is None:
        return _layout_by_shape(tensor, image, reasons)
    if first == channels == last:
        reasons.append(f'output layout nchw: axis 1 and axis 3 are both {channels}, and most '
                       f'models are so; output: layout in the card says otherwise')
        return 'nchw'
    if last == channels:
        reasons.append(f'output layout nhwc: axis 3 is {last}')
        return 'nhwc'
    # an open last axis is as a rule the width; it holds the channels only where the two before
    # it are plainly the image's sides
    if last is None and first and middle and _skew(image, first, middle) < 0.05:
        reasons.append('output layout nhwc: axis 3 is open, and axes 1 and 2 are fixed in the '
                       "image's proportions")
        return 'nhwc'
    reasons.append(f'output layout nchw: axis 1 is {first or "open"}')
    return 'nchw'


def _layout_by_shape(tensor: Tensor, image: ImageInput, reasons: list[str]) -> str:
    """Layout of logits of unknown number of classes."""
    _, first, middle, last = tensor.shape
    if first is None or last is None or middle is None:
        layout = 'nhwc' if last is not None and first is None else 'nchw'
        why = f'axis {3 if layout == "nhwc" else 1} has a fixed size, as classes have'
    else:
        nhwc = _skew(image, first, middle) < _skew(image, middle, last)
        layout = 'nhwc' if nhwc else 'nchw'
        why = "that gives it the image's proportions"
    reasons.append(f'output layout {layout}: {why}')
    return layout


def with_channels(tensor: Tensor, ending: Ending, reasons: list[str]) -> Tensor:
    """The tensor with the number of channels that the graph says, if its own shape does not.

    :param reasons: gets a line if there is something to say.
    """
    channels = 1 if ending.values == 'labels' else ending.channels
    shape = tensor.shape
    if len(shape) != 4 or shape[1] is not None or shape[3] is not None or not channels:
        return tensor
    reasons.append(f'output {tensor.name} has {channels} channel(s): by the weights of the '
                   f'network, as its shape leaves them open')
    shape = ((*shape[:3], channels) if ending.channels_last
             else (shape[0], channels, *shape[2:]))
    return replace(tensor, shape=shape)


def count_classes(tensor: Tensor, channels: int | None, classes: int | None) -> int:
    """How many classes an answer of one channel a class has.

    :param channels: by its shape; None if that is open.
    :param classes: by the model card; None if there is none.
    :raises EngineError: if neither says it, they differ, or a label map has no room for so many.
    """
    if channels is None and classes is None:
        raise EngineError(
            f'output {tensor} leaves its number of classes open; export it with that fixed')
    if channels is not None and classes is not None and channels != classes:
        raise EngineError(
            f'output {tensor} has {channels} classes, and the model card names {classes}. '
            f'Give one name for each channel under classes')
    if channels and channels > MAX_CLASSES:
        raise EngineError(f'output {tensor} has {channels} classes; a label map tells '
                          f'{MAX_CLASSES} apart')
    return channels or classes or 0


def refuse_other_shapes(tensor: Tensor, layout: str, image: ImageInput) -> None:
    """Refuse a tensor whose rows and columns are not those of the image.

    :param layout: ``nchw``, ``nhwc`` or ``nhw``.
    :raises NotAMap: naming the tensor and what it looks like.
    """
    rows, cols = tensor.shape[1:3] if layout in ('nhwc', 'nhw') else tensor.shape[2:4]
    if rows == cols == 1 and image.height * image.width > COARSEST ** 2:
        why = 'has one answer for the whole image, as a classifier has'
    elif rows and cols and _skew(image, rows, cols) > (LIST if layout == 'nhw' else FAR):
        why = (f'has {rows} rows and {cols} columns, and the image {image.height} and '
               f'{image.width}: other proportions, as lists of boxes have')
    elif layout == 'nhw' and not (_may_be_side(rows, image.height)
                                  and _may_be_side(cols, image.width)):
        why = (f'has an axis of {rows or cols} for the {image.height if rows else image.width} '
               f'{"rows" if rows else "columns"} of the image, as lists of boxes have')
    else:
        return
    raise NotAMap(f'output {tensor} {why}')


def _may_be_side(size: int | None, whole: int) -> bool:
    return size is None or size % whole == 0 or (
        whole % size == 0 and whole // size <= COARSEST)


def _skew(image: ImageInput, rows: int, cols: int) -> float:
    """How far rows × columns are from the image's proportions; 0 where they have them."""
    return abs(math.log(rows * image.width / (cols * image.height)))
