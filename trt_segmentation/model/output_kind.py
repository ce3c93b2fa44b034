# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the kind of a network output, and compare the kind with the graph of the network.

The kind says what the values of the output are, such as logits or class ids.
"""

from __future__ import annotations

from ..errors import EngineError
from ..untrusted.onnx_graph import Ending
from .card import OutputCard
from .kind import OutputKind
from .tensor import Tensor

FLOATS = ('float32', 'float16', 'float64')
INTEGERS = ('uint8', 'int8', 'uint16', 'int16', 'int32', 'int64', 'uint32', 'uint64', 'bool')


def find_kind(tensor: Tensor, card: OutputCard, classes: int | None,
              ending: Ending) -> tuple[OutputKind, str]:
    """Find the kind of an output.

    :param card: the section ``output`` of the model card; default values without a card.
    :param classes: number of classes in the model card; None if there is no model card.
    :returns: the kind, and the reason for this kind; an empty reason if the card gives the kind.
    :raises EngineError: if the output tells exactly two classes apart, but the model card names
        fewer or more classes.
    """
    if card.kind != 'auto':
        kind = OutputKind[card.kind.upper()]
        if kind.is_binary and classes not in (2, None):
            raise EngineError(
                f'`kind: {kind}` tells 2 classes apart, but the model card names {classes} '
                f'classes. Name two classes, or write another kind under `output`')
        return kind, ''
    if tensor.dtype in INTEGERS:
        return OutputKind.LABELS, f'values of type {tensor.dtype} are class ids'
    by_graph = f'the network ends in {ending.operator}'
    if ending.values == 'labels':
        return OutputKind.LABELS, by_graph
    ends = (tensor.shape[1], tensor.shape[-1])
    has_one_channel = len(tensor.shape) == 3 or (
        1 in ends and (classes in (1, None) or classes not in ends))
    if has_one_channel and classes not in (2, None):
        raise EngineError(
            f'output {tensor} has one channel of floats, which tells 2 classes apart, but the '
            f'model card names {classes} classes. If the output holds class ids, write '
            f'`kind: labels` under `output`. Otherwise name two classes')
    if ending.values == 'probability':
        return OutputKind(('probability', not has_one_channel)), by_graph
    return OutputKind(('scores', not has_one_channel)), (
        'one channel of floats tells two classes apart' if has_one_channel else
        'there is a channel of floats for each class')


def find_contradictions(name: str, kind: OutputKind, card: OutputCard, classes: int,
                        ending: Ending) -> list[str]:
    """Find contradictions between the graph of a network and its card.

    :param kind: the result of :func:`find_kind` for the output.
    :returns: one message for each contradiction, for the log.
    """
    if card.kind != 'auto' and ending.values not in ('', kind.values):
        right = OutputKind.LABELS if ending.values == 'labels' else OutputKind(
            (ending.values, kind.has_class_channels))
        effect = _EFFECTS.get((kind, right), 'The labels are likely wrong')
        return [f'output {name}: the network ends in {ending.operator}, so its values are '
                f'{_WORDS[ending.values]}. But the model card says `kind: {kind}`. {effect}. '
                f'Write `kind: {right}` under `output` in the card']
    last = (ending.channels or 0) - 1
    if kind.values == ending.values == 'labels' and last >= classes:
        return [f'output {name}: the network gives class ids 0 to {last}, but the model card '
                f'names {classes} classes. Pixels of ids from {classes} on become unlabelled. '
                f'Give a name for each id under `classes` in the card']
    return []


_WORDS = {'probability': 'probabilities', 'labels': 'class ids', 'scores': 'scores of any size'}
_EFFECTS = {
    (OutputKind.SIGMOID, OutputKind.PROBABILITY):
        'Every probability is read as a positive score, so every pixel becomes class 1',
    (OutputKind.LOGITS, OutputKind.PROBABILITIES):
        'The classes are right, but the confidence is too low'}
