# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Which tensor is the answer, and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re

from ..errors import EngineError, NotAMap
from ..untrusted.onnx_graph import Ending
from .card import OutputCard
from .network_input import ImageInput
from .output_grid import count_classes, output_layout, refuse_other_shapes, with_channels
from .output_kind import FLOATS, INTEGERS, MANY, output_kind
from .tensor import named, refuse_absurd, Tensor

SUBORDINATE = re.compile('(?<![a-z])(aux|extra|boundary|edge|detail)')
"""Names of outputs that help a network in training; the answer is another one."""


@dataclass(frozen=True)
class NetworkOutput:
    """The output tensor that is the answer.

    :param kind: one of :data:`trt_segmentation.model.card.KINDS`, not ``auto``.
    :param layout: ``nchw``, ``nhwc``, or ``nhw`` for a tensor without a channel axis.
    :param dtype: NumPy's name of the element type.
    :param channels: classes of logits and probabilities, 1 of the others.
    """

    name: str
    kind: str
    layout: str
    dtype: str
    channels: int

    @property
    def has_confidence(self) -> bool:
        """Whether a confidence can be computed. Class ids have none."""
        return self.kind != 'labels'

    def check_confidence(self) -> None:
        """Refuse to give a confidence if there is none.

        :raises EngineError: if the output holds class ids.
        """
        if not self.has_confidence:
            raise EngineError(
                f'output {self.name} holds class ids, which have no confidence; switch the '
                f'confidence off, or export the model with its logits as output')


def find_network_output(tensors: Sequence[Tensor], card: OutputCard, classes: int | None,
                image: ImageInput, reasons: list[str],
                endings: Mapping[str, Ending]) -> tuple[NetworkOutput, tuple[str, ...]]:
    """Decide which output is the answer.

    :param classes: number of classes of the card; None to infer it.
    :param image: the input, whose proportions the answer has.
    :param reasons: gets a line for every decision.
    :param endings: how the graph makes each output, by its name; what is not there is unknown.
    :returns: the answer, and the names of the other outputs that could be it.
    :raises EngineError: naming the tensor, what it is and what was expected.
    """
    if not tensors:
        raise EngineError('the model has no outputs')
    read = _Reader(card, classes, image, endings)
    if card.name:
        return read(named('output', card.name, tensors), reasons), ()
    if len(tensors) == 1:
        reasons.append(f'output {tensors[0].name}: the only one')
        return read(tensors[0], reasons), ()
    return _choose(tensors, read, endings, reasons)


class _Reader:
    """Reads one output as the answer."""

    def __init__(self, card: OutputCard, classes: int | None, image: ImageInput,
                 endings: Mapping[str, Ending]) -> None:
        self.image = image
        self._card = card
        self._classes = classes
        self._endings = endings

    def __call__(self, tensor: Tensor, reasons: list[str]) -> NetworkOutput:
        """Read it.

        :param reasons: gets a line for every decision.
        :raises EngineError: if it cannot be the answer.
        """
        if len(tensor.shape) not in (3, 4) or tensor.dtype not in FLOATS + INTEGERS:
            raise EngineError(
                f'output {tensor} is not a segmentation; expected N×C×H×W or N×H×W×C numbers, or '
                f'N×H×W labels')
        refuse_absurd('output', tensor)
        card, classes, ending = self._card, self._classes, self._endings.get(tensor.name, Ending())
        if classes is None or ending.channels in (1, classes):
            tensor = with_channels(tensor, ending, reasons)
        kind, why = output_kind(tensor, card, classes, ending)
        if card.kind == 'auto':
            reasons.append(f'output is {kind}: {why}')
        if len(tensor.shape) == 3 and kind in MANY:
            raise EngineError(
                f'output {tensor} has 3 axes; {kind} have 4, N×C×H×W or N×H×W×C. If it holds '
                f'class ids, set output: kind: labels in the model card')
        layout = 'nhw' if len(tensor.shape) == 3 else card.layout
        if layout == 'auto' or (layout != 'nhw' and kind == 'labels'):
            layout = output_layout(tensor, classes if kind in MANY else 1, self.image, reasons)
        channels = _channels(tensor, kind, layout, classes)
        if classes is None:     # a card that names the classes was written by somebody who knows
            refuse_other_shapes(tensor, layout, self.image)
        return NetworkOutput(tensor.name, kind, layout, tensor.dtype, channels)


def _channels(tensor: Tensor, kind: str, layout: str, classes: int | None) -> int:
    channels = 1 if layout == 'nhw' else tensor.shape[1 if layout == 'nchw' else 3]
    if kind in MANY:
        return count_classes(tensor, channels, classes) or 1
    if channels not in (1, None):
        raise EngineError(
            f'output {tensor}: {kind} have one channel, and this has {channels}'
            + (f'. {channels} channels of integers are scores: set output: kind: logits'
               if kind == 'labels' else ''))
    return 1


def _choose(tensors: Sequence[Tensor], read: _Reader, endings: Mapping[str, Ending],
            reasons: list[str]) -> tuple[NetworkOutput, tuple[str, ...]]:
    """The answer among several outputs, and the others that could be it."""
    found: list[tuple[NetworkOutput, list[str]]] = []
    refused = []
    for tensor in tensors:
        why: list[str] = []
        try:
            found.append((read(tensor, why), why))
        except EngineError as error:
            refused.append(str(error))
            if isinstance(error, NotAMap) and len(tensor.shape) == 3:
                raise EngineError(
                    f'output {tensor} looks like a list of boxes or objects, so the network '
                    f'detects objects, and the channels of its other outputs are no '
                    f'classes') from error
    if not found:
        raise EngineError(
            f'none of the {len(tensors)} outputs can be the answer: {"; ".join(refused)}')
    most = max((endings[answer.name].nodes for answer, _ in found if answer.name in endings),
               default=0)
    ranks = {answer.name: _rank(answer, endings, most) for answer, _ in found}
    found.sort(key=lambda each: ranks[each[0].name])        # stable: the first of equals
    (answer, why), others = found[0], tuple(other.name for other, _ in found[1:])
    reasons.append(f'output {answer.name}: ' + (
        f'{_reason([ranks[answer.name], ranks[others[0]]], len(found), len(tensors))}; name '
        f'another as output: name in the card' if others else
        f'the only one of {len(tensors)} that fits'))
    reasons.extend(why)
    return answer, others


def _rank(answer: NetworkOutput, endings: Mapping[str, Ending], most: int) -> tuple[int, ...]:
    """The smallest is the answer.

    :param most: operators that the output that needs most of them needs.
    """
    subordinate = bool(SUBORDINATE.search(answer.name.lower()))
    made = endings.get(answer.name)
    feature = made is not None and not made.values      # scores, probabilities, ids: an answer
    few = 0 if answer.kind in MANY else 1 if answer.kind == 'labels' else 2
    # heads that help in training branch off early; what is made of the answer needs little more
    early = made is not None and made.nodes < 0.9 * most
    return answer.name != 'out', subordinate, feature, few, early


def _reason(ranks: Sequence[tuple[int, ...]], fit: int, count: int) -> str:
    """Why the first of two outputs was taken."""
    place = next((i for i, (a, b) in enumerate(zip(*ranks)) if a != b), -1)
    return {0: f"of {count}, torchvision's name for the answer",
            1: f'the first of {fit} that fit without aux, extra, boundary, edge or detail in '
               'its name',
            2: f'the first of {fit} that fit and end in scores, probabilities or class ids',
            3: f'the first of {fit} that fit with a channel for each class',
            4: f'the first of {fit} that fit and need most of the network',
            -1: f'the first of {fit} that fit'}[place]
