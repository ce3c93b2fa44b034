# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the output tensor that is the segmentation, and what its values mean.

If the card names no output and the network has several, the best output is chosen. These rules
decide, in this order. An output named ``out`` is best. An output is better if its name is not that
of an auxiliary output, if it ends in scores, probabilities or class ids, if it has a channel for
each class, and if it needs most operators of the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import re

from ..errors import EngineError, NotAMap
from ..untrusted.onnx_graph import Ending
from .card import OutputCard
from .network_input import ImageInput
from .output_kind import find_kind, FLOATS, INTEGERS, PER_CLASS_KINDS
from .output_layout import add_channels, count_classes, find_layout, refuse_non_map
from .tensor import find_tensor, refuse_oversize, Tensor

AUXILIARY = re.compile('(?<![a-z])(aux|extra|boundary|edge|detail)')
"""Names of outputs that only help to train the network."""


@dataclass(frozen=True)
class NetworkOutput:
    """The output tensor that is the segmentation.

    :param kind: one of :data:`trt_segmentation.model.card.KINDS`, but not ``auto``.
    :param layout: ``nchw``, ``nhwc``, or ``nhw`` for a tensor without a channel axis.
    :param dtype: NumPy name of the element type.
    :param channels: number of classes for logits and probabilities; 1 for the other kinds.
    """

    name: str
    kind: str
    layout: str
    dtype: str
    channels: int

    @property
    def has_confidence(self) -> bool:
        """Whether a confidence can be computed. Class ids have no confidence."""
        return self.kind != 'labels'

    def check_confidence(self) -> None:
        """Raise an error if no confidence can be computed.

        :raises EngineError: if the output holds class ids.
        """
        if not self.has_confidence:
            raise EngineError(
                f'output {self.name} holds class ids, which have no confidence; switch the '
                f'confidence off, or export the model with its logits as output')


def find_network_output(tensors: Sequence[Tensor], card: OutputCard, classes: int | None,
                        image: ImageInput, reasons: list[str], endings: Mapping[str, Ending]
                        ) -> tuple[NetworkOutput, tuple[str, ...]]:
    """Find the output that is the segmentation.

    :param classes: number of classes in the card; None to infer the number.
    :param tensors: all outputs of the network.
    :param card: the part of the model card that describes the output.
    :param image: the input tensor. The output must have the same proportions as this tensor.
    :param reasons: the function appends one line for every decision.
    :param endings: how the graph computes each output, by the name of the output. If an output is
        missing in this mapping, nothing is known about its computation.
    :returns: the output, and the names of the other outputs that could be the segmentation.
    :raises EngineError: if no output fits. The message names the tensor, its properties and the
        expected properties.
    """
    if not tensors:
        raise EngineError('the model has no outputs; export the model with its scores as output')
    reader = _OutputReader(card, classes, image, endings)
    if card.name:
        return reader.read(find_tensor('output', card.name, tensors), reasons), ()
    if len(tensors) == 1:
        reasons.append(f'output {tensors[0].name}: the only one')
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
        """Find kind and layout of a tensor.

        :param reasons: the method appends one line for every decision.
        :raises EngineError: if the tensor cannot be the segmentation.
        """
        if len(tensor.shape) not in (3, 4) or tensor.dtype not in FLOATS + INTEGERS:
            raise EngineError(
                f'output {tensor} is not a segmentation; expected N×C×H×W or N×H×W×C numbers, or '
                f'N×H×W labels')
        refuse_oversize('output', tensor)
        card, classes, ending = self.card, self.classes, self.endings.get(tensor.name, Ending())
        if classes is None or ending.channels in (1, classes):
            tensor = add_channels(tensor, ending, reasons)
        kind, why = find_kind(tensor, card, classes, ending)
        if card.kind == 'auto':
            reasons.append(f'output is {kind}: {why}')
        if len(tensor.shape) == 3 and kind in PER_CLASS_KINDS:
            raise EngineError(
                f'output {tensor} has 3 axes; {kind} have 4, N×C×H×W or N×H×W×C. If it holds '
                f'class ids, set output: kind: labels in the model card')
        layout = 'nhw' if len(tensor.shape) == 3 else card.layout
        if layout == 'auto' or (layout != 'nhw' and kind == 'labels'):
            channels = classes if kind in PER_CLASS_KINDS else 1
            layout = find_layout(tensor, channels, self.image, reasons)
        output = NetworkOutput(tensor.name, kind, layout, tensor.dtype,
                               _count_channels(tensor, kind, layout, classes))
        # If a card names the classes, the card is trusted. Without a card, the shape of the output
        # must fit the image.
        if classes is None:
            refuse_non_map(tensor, layout, self.image)
        return output


def _count_channels(tensor: Tensor, kind: str, layout: str, classes: int | None) -> int:
    channels = 1 if layout == 'nhw' else tensor.shape[1 if layout == 'nchw' else 3]
    if kind in PER_CLASS_KINDS:
        return count_classes(tensor, channels, classes) or 1
    if channels not in (1, None):
        raise EngineError(
            f'output {tensor}: {kind} have one channel, and this output has {channels}'
            + (f'. {channels} channels of integers are scores: set output: kind: logits'
               if kind == 'labels' else '. Set another output: kind in the model card'))
    return 1


def _choose_output(tensors: Sequence[Tensor], reader: _OutputReader,
                   endings: Mapping[str, Ending], reasons: list[str]
                   ) -> tuple[NetworkOutput, tuple[str, ...]]:
    """Choose the best of several outputs; return also the names of the other fitting outputs."""
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
                    f'output {tensor} looks like a list of boxes or objects, so the network '
                    f'detects objects, and the channels of its other outputs are not classes. '
                    f'Use a segmentation network') from error
    if not found:
        raise EngineError(f'none of the {len(tensors)} outputs can be the segmentation: '
                          f'{"; ".join(refused)}')
    most = max((endings[output.name].nodes for output, _ in found if output.name in endings),
               default=0)
    ranks = {output.name: _rank(output, endings, most) for output, _ in found}
    found.sort(key=lambda each: ranks[each[0].name])        # stable: the first of equals
    (best, why), others = found[0], tuple(other.name for other, _ in found[1:])
    reasons.append(f'output {best.name}: ' + (
        f'{_reason([ranks[best.name], ranks[others[0]]], len(found), len(tensors))}; name '
        f'another as output: name in the card' if others else
        f'the only one of {len(tensors)} that fits'))
    reasons.extend(why)
    return best, others


def _rank(output: NetworkOutput, endings: Mapping[str, Ending], most: int) -> tuple[int, ...]:
    """Rank an output; the smallest rank is the best.

    :param most: number of operators of the output that needs most operators.
    """
    auxiliary = bool(AUXILIARY.search(output.name.lower()))
    ending = endings.get(output.name)
    # A feature map does not end in scores, probabilities or class ids.
    feature_map = ending is not None and not ending.values
    few_channels = (0 if output.kind in PER_CLASS_KINDS else 1 if output.kind == 'labels' else 2)
    # An auxiliary output leaves the network early, so it needs fewer operators than the
    # segmentation.
    early = ending is not None and ending.nodes < 0.9 * most
    return output.name != 'out', auxiliary, feature_map, few_channels, early


def _reason(ranks: Sequence[tuple[int, ...]], fit: int, count: int) -> str:
    """Say why the first of two outputs was chosen."""
    place = next((i for i, (a, b) in enumerate(zip(*ranks)) if a != b), -1)
    return {0: f"of {count}, torchvision's name for the segmentation",
            1: f'the first of {fit} that fit without aux, extra, boundary, edge or detail in '
               'its name',
            2: f'the first of {fit} that fit and end in scores, probabilities or class ids',
            3: f'the first of {fit} that fit with a channel for each class',
            4: f'the first of {fit} that fit and need most of the network',
            -1: f'the first of {fit} that fit'}[place]
