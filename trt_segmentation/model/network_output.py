# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the output tensor that is the segmentation, and find out what its values mean.

If the network has several outputs and the card names none, an output is chosen by these rules.
Rule 1 is the most important. A later rule is used only for outputs that all earlier rules rank
as equal.

1. Prefer the output named ``out``.
2. Prefer an output whose name does not contain a word such as ``aux``. Such a word marks an
   auxiliary output, which only helps to train the network.
3. Prefer an output whose last operators compute scores, probabilities or class ids.
4. Prefer an output with a channel for each class.
5. Prefer an output that needs almost all operators of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re

from ..errors import EngineError, NotAMap
from ..untrusted.onnx_graph import Ending
from .card import OutputCard
from .kind import OutputKind
from .network_input import ImageInput
from .output_kind import find_kind, FLOATS, INTEGERS
from .output_layout import add_channels, count_classes, find_layout, refuse_non_map
from .tensor import find_tensor, refuse_oversize, Tensor

AUXILIARY = re.compile('(?<![a-z])(aux|extra|boundary|edge|detail)')
"""Matches the names of outputs that only help to train the network."""


@dataclass(frozen=True)
class NetworkOutput:
    """The output tensor that is the segmentation.

    :param kind: what the values are, such as logits or class ids.
    :param layout: order of the axes: ``nchw``, ``nhwc``, or ``nhw`` for a tensor without a channel
        axis.
    :param dtype: NumPy name of the element type.
    :param channels: number of classes for logits and probabilities; 1 for the other kinds.
    """

    name: str
    kind: OutputKind
    layout: str
    dtype: str
    channels: int

    @property
    def has_confidence(self) -> bool:
        """Whether a confidence can be computed. Class ids have no confidence."""
        return self.kind is not OutputKind.LABELS

    def check_confidence(self) -> None:
        """Raise an EngineError if the output holds class ids, which have no confidence."""
        if not self.has_confidence:
            raise EngineError(
                f'output {self.name} holds class ids, which have no confidence. Switch the '
                f'confidence off, or export the model with its logits as output')


def find_network_output(tensors: Sequence[Tensor], card: OutputCard, classes: int | None,
                        image: ImageInput, reasons: list[str], endings: Mapping[str, Ending]
                        ) -> tuple[NetworkOutput, tuple[str, ...]]:
    """Find the output that is the segmentation.

    :param card: the section ``output`` of the model card; default values without a card.
    :param classes: number of classes in the model card; None if there is no model card.
    :param image: the input tensor. Without a model card, the output must have about the same ratio
        of height to width as this input.
    :param reasons: a list. The function appends one line for every decision.
    :param endings: maps the name of an output to a description of how the graph computes this
        output. Some outputs may be missing in this mapping.
    :returns: the output, and the names of the other outputs that could be the segmentation.
    :raises EngineError: if no output fits.
    """
    if not tensors:
        raise EngineError('the model has no outputs. Export the model with its scores as output')
    reader = _OutputReader(card, classes, image, endings)
    if card.name:
        return reader.read(find_tensor('output', card.name, tensors), reasons), ()
    if len(tensors) == 1:
        reasons.append(f'output {tensors[0].name}: the only output')
        return reader.read(tensors[0], reasons), ()
    return _choose_output(tensors, reader, endings, reasons)


@dataclass(frozen=True)
class _OutputReader:
    """Reads one output tensor as if it were the segmentation."""

    card: OutputCard
    classes: int | None
    image: ImageInput
    endings: Mapping[str, Ending]

    def read(self, tensor: Tensor, reasons: list[str]) -> NetworkOutput:
        """Find the kind and the layout of a tensor.

        :raises EngineError: if the tensor cannot be the segmentation.
        """
        if len(tensor.shape) not in (3, 4) or tensor.dtype not in FLOATS + INTEGERS:
            raise EngineError(
                f'output {tensor} is not a segmentation; expected numbers of shape N×C×H×W or '
                f'N×H×W×C, or labels of shape N×H×W')
        refuse_oversize('output', tensor)
        card, classes, ending = self.card, self.classes, self.endings.get(tensor.name, Ending())
        if classes is None or ending.channels in (1, classes):
            tensor = add_channels(tensor, ending, reasons)
        kind, why = find_kind(tensor, card, classes, ending)
        if card.kind == 'auto':
            reasons.append(f'output is {kind}: {why}')
        if card.temperature != 1 and kind.values != 'scores':
            raise EngineError(
                f'the model card has `temperature: {card.temperature:g}`, but output {tensor} is '
                f'of kind {kind}, and a temperature divides scores. Remove the line, or export '
                'the model with its scores as output')
        if len(tensor.shape) == 3 and kind.has_class_channels:
            raise EngineError(
                f'output {tensor} has 3 axes, but an output of kind {kind} has 4 axes, N×C×H×W or '
                f'N×H×W×C. If this output holds class ids, write `kind: labels` under `output` in '
                f'the model card')
        layout = 'nhw' if len(tensor.shape) == 3 else card.layout
        if layout == 'auto' or (layout != 'nhw' and kind is OutputKind.LABELS):
            channels = classes if kind.has_class_channels else 1
            layout = find_layout(tensor, channels, self.image, reasons)
        output = NetworkOutput(tensor.name, kind, layout, tensor.dtype,
                               _count_channels(tensor, kind, layout, classes))
        if classes is None:     # Without a card, only the shape shows whether the output is a map.
            refuse_non_map(tensor, layout, self.image)
        return output


def _count_channels(tensor: Tensor, kind: OutputKind, layout: str, classes: int | None) -> int:
    channels = 1 if layout == 'nhw' else tensor.shape[1 if layout == 'nchw' else 3]
    if kind.has_class_channels:
        return count_classes(tensor, channels, classes) or 1
    if channels not in (1, None):
        raise EngineError(
            f'output {tensor} has {channels} channels, but an output of kind {kind} has one '
            'channel. Write '
            + ('`kind: logits`' if kind is OutputKind.LABELS else 'another `kind`')
            + ' under `output` in the model card')
    return 1


def _choose_output(tensors: Sequence[Tensor], reader: _OutputReader,
                   endings: Mapping[str, Ending], reasons: list[str]
                   ) -> tuple[NetworkOutput, tuple[str, ...]]:
    """Choose the best output. Return this output, and the names of the other outputs that fit."""
    found: list[tuple[NetworkOutput, list[str]]] = []
    refused = []
    for tensor in tensors:
        why: list[str] = []
        try:
            found.append((reader.read(tensor, why), why))
        except EngineError as error:
            refused.append(str(error))
            if isinstance(error, NotAMap) and len(tensor.shape) == 3:
                raise EngineError(
                    f'output {tensor} looks like a list of boxes or objects. The network probably '
                    f'detects objects, so the channels of its other outputs are not classes. Use '
                    f'a segmentation network') from error
    if not found:
        raise EngineError(f'none of the {len(tensors)} outputs can be the segmentation: '
                          f'{"; ".join(refused)}')
    most = max((endings[output.name].nodes for output, _ in found if output.name in endings),
               default=0)
    ranks = {output.name: _rank(output, endings, most) for output, _ in found}
    # The sort is stable. So among equal outputs, the first output of the network is chosen.
    found.sort(key=lambda each: ranks[each[0].name])
    (best, why), others = found[0], tuple(other.name for other, _ in found[1:])
    reasons.append(f'output {best.name}: ' + (
        f'{_reason([ranks[best.name], ranks[others[0]]], len(found), len(tensors))}. To use '
        f'another output, set `output: name` in the card' if others else
        f'the only one of {len(tensors)} that fits'))
    reasons.extend(why)
    return best, others


def _rank(output: NetworkOutput, endings: Mapping[str, Ending], most: int) -> tuple[int, ...]:
    """Return the rank of an output by the rules at the top of this file. The smallest is best."""
    auxiliary = bool(AUXILIARY.search(output.name.lower()))
    ending = endings.get(output.name)
    # A feature map does not end in scores, probabilities or class ids.
    feature_map = ending is not None and not ending.values
    few_channels = 0 if output.kind.has_class_channels else 2 if output.kind.is_binary else 1
    # An auxiliary output is computed from an early layer, so it needs fewer operators than the
    # segmentation.
    early = ending is not None and ending.nodes < 0.9 * most
    return output.name != 'out', auxiliary, feature_map, few_channels, early


def _reason(ranks: Sequence[tuple[int, ...]], fit: int, count: int) -> str:
    """Return why the first of two outputs was chosen.

    :param ranks: the ranks of the two outputs.
    :param fit: number of outputs that can be the segmentation. ``count`` is the number of all
        outputs.
    """
    place = next((i for i, (a, b) in enumerate(zip(*ranks)) if a != b), -1)
    first = f'{fit} outputs fit, and this is the first one'
    return {0: f'of {count} outputs, torchvision gives this name to the segmentation',
            1: f'{first} without aux, extra, boundary, edge or detail in its name',
            2: f'{first} that ends in scores, probabilities or class ids',
            3: f'{first} with a channel for each class',
            4: f'{first} that needs almost all operators of the network', -1: first}[place]
