# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the channel axis of a network output, and refuse an output that is not a map.

A map has values for every place of the image. The boxes of an object detector are not a map.
"""

from __future__ import annotations

from dataclasses import replace
import math

from ..errors import EngineError, NotAMap
from ..untrusted.onnx_graph import Ending
from ..untrusted.terminal_text import count_noun
from .card import MAX_CLASSES
from .network_input import ImageInput
from .tensor import Tensor

MAX_SKEW_WITHOUT_CHANNELS = math.log(1.2)
"""Largest accepted result of :func:`_skew` for an output with three axes. The function compares
the proportions of the output and of the image. A list of boxes usually gives a larger result."""
MAX_SKEW = math.log(1.5)
"""Largest accepted result of :func:`_skew` for an output with four axes. A network may round
the size of its map or cut off the border, so the proportions of the map may differ a little from
the proportions of the image."""
COARSEST = 64
"""Largest number of image rows or columns for one row or column of a map."""


def find_layout(tensor: Tensor, channels: int | None, image: ImageInput,
                reasons: list[str]) -> str:
    """Find out whether a tensor of four axes is ``nchw`` or ``nhwc``.

    :param channels: number of channels; None if unknown.
    :param reasons: a list. The function appends one line, which says how the layout was found.
    """
    _, first, middle, last = tensor.shape
    if channels is None:
        return _layout_by_shape(tensor, image, reasons)
    if first == channels == last:
        reasons.append(f'output layout nchw: axis 1 and axis 3 are both {channels}, and most '
                       f'models use nchw. For nhwc, set `output: layout` in the card')
        return 'nchw'
    if last == channels:
        reasons.append(f'output layout nhwc: axis 3 is {last}')
        return 'nhwc'
    # A dynamic last axis is usually the width. But if axes 1 and 2 have the proportions of the
    # image, the last axis is the channel axis.
    if last is None and first and middle and _skew(image, first, middle) < 0.05:
        reasons.append('output layout nhwc: axis 3 is dynamic, and axes 1 and 2 have the '
                       'proportions of the image')
        return 'nhwc'
    reasons.append(f'output layout nchw: axis 1 is {first or "dynamic"}')
    return 'nchw'


def _layout_by_shape(tensor: Tensor, image: ImageInput, reasons: list[str]) -> str:
    _, first, middle, last = tensor.shape
    if first is None or last is None or middle is None:
        layout = 'nhwc' if last is not None and first is None else 'nchw'
        size = last if layout == 'nhwc' else first
        why = 'most models use nchw' if size is None else (
            f'axis {3 if layout == "nhwc" else 1} is known to be {size}, so it holds the classes')
    else:
        nhwc = _skew(image, first, middle) < _skew(image, middle, last)
        layout = 'nhwc' if nhwc else 'nchw'
        why = 'the other two axes have the proportions of the image'
    reasons.append(f'output layout {layout}: {why}')
    return layout


def add_channels(tensor: Tensor, ending: Ending, reasons: list[str]) -> Tensor:
    """If the number of channels of an output is dynamic, take the number from the graph.

    :param ending: how the graph computes the output.
    :param reasons: a list. If the number is taken from the graph, the function appends one line.
    """
    channels = 1 if ending.values == 'labels' else ending.channels
    shape = tensor.shape
    if len(shape) != 4 or shape[1] is not None or shape[3] is not None or not channels:
        return tensor
    reasons.append(f'output {tensor.name} has {count_noun(channels, "channel")}: the number is '
                   f'dynamic in the shape, but the weights of the network give it')
    shape = ((*shape[:3], channels) if ending.channels_last
             else (shape[0], channels, *shape[2:]))
    return replace(tensor, shape=shape)


def count_classes(tensor: Tensor, channels: int | None, classes: int | None) -> int:
    """Return the number of classes of an output that has one channel for each class.

    :param channels: number of channels in the shape; None if the number is dynamic.
    :param classes: number of classes in the model card; None if there is no card.
    :raises EngineError: if both numbers are None, if the two numbers differ, or if ``channels`` is
        too large.
    """
    if channels is None and classes is None:
        raise EngineError(
            f'output {tensor} has a dynamic number of classes. Export the model with a fixed '
            f'number of classes')
    if channels is not None and classes is not None and channels != classes:
        raise EngineError(
            f'output {tensor} has {channels} classes, but the model card names {classes}. '
            f'Give one name for each channel under `classes`')
    if channels and channels > MAX_CLASSES:
        raise EngineError(f'output {tensor} has {channels} classes; a label map can hold '
                          f'at most {MAX_CLASSES}')
    return channels or classes or 0


def refuse_non_map(tensor: Tensor, layout: str, image: ImageInput) -> None:
    """Refuse a tensor whose rows and columns do not fit the image.

    :param layout: ``nchw``, ``nhwc`` or ``nhw``.
    :raises NotAMap: if the tensor does not fit. The message says what the tensor probably is.
    """
    rows, cols = tensor.shape[1:3] if layout in ('nhwc', 'nhw') else tensor.shape[2:4]
    max_skew = MAX_SKEW_WITHOUT_CHANNELS if layout == 'nhw' else MAX_SKEW
    if rows == cols == 1 and image.height * image.width > COARSEST ** 2:
        why = 'has one value per channel for the whole image, like the output of a classifier'
    elif rows and cols and _skew(image, rows, cols) > max_skew:
        why = (f'has {rows} rows and {cols} columns, but the image has {image.height} rows and '
               f'{image.width} columns. The proportions differ, so this may be a list of boxes')
    elif layout == 'nhw' and not (_may_be_side(rows, image.height)
                                  and _may_be_side(cols, image.width)):
        why = (f'has an axis of {rows or cols} for the {image.height if rows else image.width} '
               f'{"rows" if rows else "columns"} of the image, so this may be a list of boxes')
    else:
        return
    raise NotAMap(f'output {tensor} {why}')


def _may_be_side(size: int | None, whole: int) -> bool:
    return size is None or size % whole == 0 or (
        whole % size == 0 and whole // size <= COARSEST)


def _skew(image: ImageInput, rows: int, cols: int) -> float:
    """Return the difference between the proportions of a map and of the image; 0 if equal."""
    return abs(math.log(rows * image.width / (cols * image.height)))
