# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Which tensor is the answer, and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

from ..engines import EngineError
from ..model_card import MAX_CLASSES, OutputCard
from .image import ImageInput
from .tensor import named, refuse_absurd, Tensor

FLOATS = ('float32', 'float16', 'float64')
INTEGERS = ('uint8', 'int8', 'uint16', 'int16', 'int32', 'int64', 'uint32', 'uint64', 'bool')


@dataclass(frozen=True)
class AnswerOutput:
    """The output tensor that is the answer.

    :param kind: ``logits``, ``sigmoid`` or ``labels``.
    :param layout: ``nchw``, ``nhwc``, or ``nhw`` for a tensor without a channel axis.
    :param dtype: NumPy's name of the element type.
    :param channels: classes of logits, 1 of the others.
    """

    name: str
    kind: str
    layout: str
    dtype: str
    channels: int


def find_answer(tensors: Sequence[Tensor], card: OutputCard, classes: int | None,
                image: ImageInput, reasons: list[str]) -> AnswerOutput:
    """Decide which output is the answer.

    :param classes: number of classes of the card; None to infer it.
    :param image: the input, whose proportions the answer has.
    :param reasons: gets a line for every decision.
    :raises EngineError: naming the tensor, what it is and what was expected.
    """
    if not tensors:
        raise EngineError('the model has no outputs')
    if card.name:
        return _read(named('output', card.name, tensors), card, classes, image, reasons)
    if len(tensors) == 1:
        reasons.append(f'output {tensors[0].name}: the only one')
        return _read(tensors[0], card, classes, image, reasons)
    if any(tensor.name == 'out' for tensor in tensors):
        reasons.append(f"output out: of {len(tensors)}, torchvision's name for the answer")
        return _read(named('output', 'out', tensors), card, classes, image, reasons)
    return _first_that_fits(tensors, card, classes, image, reasons)


def _first_that_fits(tensors: Sequence[Tensor], card: OutputCard, classes: int | None,
                     image: ImageInput, reasons: list[str]) -> AnswerOutput:
    read: list[tuple[AnswerOutput, list[str]]] = []
    refused = []
    for tensor in tensors:
        why: list[str] = []
        try:
            read.append((_read(tensor, card, classes, image, why), why))
        except EngineError as error:
            refused.append(str(error))
    if not read:
        raise EngineError(
            f'none of the {len(tensors)} outputs can be the answer: {"; ".join(refused)}')
    answer, why = read[0]
    reasons.append(
        f'output {answer.name}: ' + (
            f'the only one of {len(tensors)} that fits' if len(read) == 1 else
            f'the first of {len(read)} that fit; name another as output: name in the card'))
    reasons.extend(why)
    return answer


def _read(tensor: Tensor, card: OutputCard, classes: int | None, image: ImageInput,
          reasons: list[str]) -> AnswerOutput:
    if len(tensor.shape) not in (3, 4) or tensor.dtype not in FLOATS + INTEGERS:
        raise EngineError(
            f'output {tensor} is not a segmentation; expected N×C×H×W or N×H×W×C numbers, or '
            f'N×H×W labels')
    refuse_absurd('output', tensor)
    kind, why = _kind(tensor, card, classes)
    if card.kind == 'auto':
        reasons.append(f'output is {kind}: {why}')
    if len(tensor.shape) == 3:
        if kind == 'logits':
            raise EngineError(
                f'output {tensor} has 3 axes; logits have 4, N×C×H×W or N×H×W×C. If it holds '
                f'class ids, set output: kind: labels in the model card')
        return AnswerOutput(tensor.name, kind, 'nhw', tensor.dtype, 1)
    layout = card.layout
    if layout == 'auto' or kind == 'labels':
        layout = _output_layout(tensor, classes if kind == 'logits' else 1, image, reasons)
    channels = tensor.shape[1 if layout == 'nchw' else 3]
    if kind == 'logits':
        channels = _count(tensor, channels, classes)
    elif channels not in (1, None):
        raise EngineError(
            f'output {tensor}: {kind} have one channel, and this has {channels}'
            + (f'. {channels} channels of integers are scores: set output: kind: logits'
               if kind == 'labels' else ''))
    return AnswerOutput(tensor.name, kind, layout, tensor.dtype,
                        channels if kind == 'logits' and channels else 1)


def _kind(tensor: Tensor, card: OutputCard, classes: int | None) -> tuple[str, str]:
    if card.kind == 'sigmoid' and classes not in (2, None):
        raise EngineError(
            f'output: kind: sigmoid tells 2 classes apart, and the model card names {classes}')
    if card.kind != 'auto':
        return card.kind, ''
    if tensor.dtype in INTEGERS:
        return 'labels', f'{tensor.dtype} are class ids'
    ends = (tensor.shape[1], tensor.shape[-1])
    one_channel = len(tensor.shape) == 3 or (1 in ends and (classes == 1 or classes not in ends))
    if one_channel and classes in (2, None):
        return 'sigmoid', 'one channel of floats tells two classes apart'
    if one_channel:
        raise EngineError(
            f'output {tensor} has one channel of floats, which tells 2 classes apart, and the '
            f'model card names {classes}. If it holds class ids, set output: kind: labels; '
            f'otherwise give two classes')
    return 'logits', 'a channel of floats for each class'


def _output_layout(tensor: Tensor, channels: int | None, image: ImageInput,
                   reasons: list[str]) -> str:
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


def _skew(image: ImageInput, rows: int, cols: int) -> float:
    """How far rows × columns are from the image's proportions; 0 where they have them."""
    return abs(math.log(rows * image.width / (cols * image.height)))


def _count(tensor: Tensor, channels: int | None, classes: int | None) -> int:
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
