# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the input tensor for the camera image, and the layout (the order of the axes)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import EngineError
from ..untrusted.terminal_text import count_noun
from .card import InputCard
from .tensor import find_tensor, refuse_oversize, Tensor

INPUT_DTYPES = ('float32', 'float16', 'uint8')


@dataclass(frozen=True)
class ImageInput:
    """The input tensor for the camera image.

    :param layout: ``nchw`` or ``nhwc``.
    :param dtype: one of :data:`INPUT_DTYPES`.
    :param channels: 3, or 1 for gray.
    :param height: number of rows; ``width`` is the number of columns.
    :param batch: number of images in a run; None if the model accepts any number.
    """

    name: str
    layout: str
    dtype: str
    channels: int
    height: int
    width: int
    batch: int | None

    def shape(self, count: int) -> tuple[int, int, int, int]:
        """Return the shape of a batch of ``count`` images."""
        if self.layout == 'nchw':
            return count, self.channels, self.height, self.width
        return count, self.height, self.width, self.channels


def find_image(tensors: Sequence[Tensor], card: InputCard,
               reasons: list[str]) -> ImageInput:
    """Find the input tensor for the camera image, and its layout.

    :param reasons: a list. The function appends one line for every decision.
    :raises EngineError: if the network does not have exactly one input, or if the input does not
        fit the model card.
    """
    if card.name:
        tensor = find_tensor('input', card.name, tensors)
    elif len(tensors) == 1:
        tensor = tensors[0]
        reasons.append(f'input {tensor.name}: the only input')
    if len(tensors) != 1:
        raise EngineError(
            f'the model has {len(tensors)} inputs ({", ".join(map(str, tensors))}); expected '
            f'one, the image. Export the model with the other inputs as constants')
    if len(tensor.shape) != 4:
        raise EngineError(
            f'input {tensor} has {len(tensor.shape)} axes; an image batch has 4, N×C×H×W or '
            f'N×H×W×C. Export the model with an image as input')
    if tensor.dtype not in INPUT_DTYPES:
        raise EngineError(
            f'input {tensor} is {tensor.dtype}; expected one of {", ".join(INPUT_DTYPES)}. '
            f'Export the model with such an input')
    refuse_oversize('input', tensor)
    channels = 1 if card.color == 'gray' else 3
    layout = _input_layout(tensor, card, channels, reasons)
    rows, cols = (2, 3) if layout == 'nchw' else (1, 2)
    image = ImageInput(
        tensor.name, layout, tensor.dtype, channels,
        _side(tensor, 'height', rows, card.height, reasons),
        _side(tensor, 'width', cols, card.width, reasons), tensor.shape[0])
    reasons.append('batch: any number of images' if image.batch is None
                   else f'batch {image.batch}: fixed in the model')
    return image


def _input_layout(tensor: Tensor, card: InputCard, channels: int, reasons: list[str]) -> str:
    axes = {'nchw': tensor.shape[1], 'nhwc': tensor.shape[3]}
    if card.layout != 'auto':
        fits = [card.layout] if axes[card.layout] in (channels, None) else []
    else:
        fits = ([name for name, size in axes.items() if size == channels]
                or [name for name, size in axes.items() if size is None])
    if not fits:
        other = 'rgb' if channels == 1 else 'gray'
        raise EngineError(
            f'input {tensor} does not fit its model card. The setting `color: {card.color}` needs '
            f'{count_noun(channels, "channel")}, but '
            + (f'`layout: {card.layout}` puts the channels on an axis of {axes[card.layout]}'
               if card.layout != 'auto' else 'neither axis 1 nor axis 3 has this size')
            + f'. Correct `input: layout` in the card. If the model was trained with {other} '
            f'images, write `color: {other}`')
    if card.layout == 'auto':
        why = f'axis {"13"[fits[0] == "nhwc"]} is {axes[fits[0]] or "dynamic"}'
        if len(fits) > 1:
            why = (f'axis 1 and axis 3 are both {axes["nchw"] or "dynamic"}, and most models use '
                   'nchw')
        reasons.append(f'input layout {fits[0]}: {why}')
    return fits[0]


def _side(tensor: Tensor, key: str, axis: int, card: int, reasons: list[str]) -> int:
    size = tensor.shape[axis]
    if size is None and not card:
        raise EngineError(
            f'input {tensor} has a dynamic {key} (axis {axis}). Set `input: {key}` in the model '
            f'card to the {key} of the images that the model was trained with')
    if size is not None and card and size != card:
        raise EngineError(
            f'input {tensor} has {key} {size}, but the model card says {card}. Remove '
            f'`input: {key}` from the card, or export the model with a dynamic {key}')
    if size is None:
        reasons.append(f'input {key} {card}: from the card, because the {key} is dynamic')
        return card
    return size
