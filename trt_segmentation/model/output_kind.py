# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What the values of an answer are: scores, probabilities or class ids."""

from __future__ import annotations

from ..errors import EngineError
from ..untrusted.onnx_graph import Ending
from .card import OutputCard
from .tensor import Tensor

FLOATS = ('float32', 'float16', 'float64')
INTEGERS = ('uint8', 'int8', 'uint16', 'int16', 'int32', 'int64', 'uint32', 'uint64', 'bool')
MANY = ('logits', 'probabilities')
"""Kinds with one channel for each class."""
ONE = ('sigmoid', 'probability')
"""Kinds whose one channel of floats tells two classes apart."""


def output_kind(tensor: Tensor, card: OutputCard, classes: int | None,
                ending: Ending) -> tuple[str, str]:
    """The kind of an output, and why; '' if the card says it.

    :param classes: number of classes of the card; None to infer it.
    :param ending: how the graph makes the output.
    :raises EngineError: if one channel of floats cannot have so many classes.
    """
    if card.kind in ONE and classes not in (2, None):
        raise EngineError(
            f'output: kind: {card.kind} tells 2 classes apart, and the model card names {classes}')
    if card.kind != 'auto':
        return card.kind, ''
    if tensor.dtype in INTEGERS:
        return 'labels', f'{tensor.dtype} are class ids'
    by_graph = f'the network ends in {ending.operator}'
    if ending.values == 'labels':
        return 'labels', by_graph
    probable = ending.values == 'probability'
    ends = (tensor.shape[1], tensor.shape[-1])
    one_channel = len(tensor.shape) == 3 or (
        1 in ends and (classes in (1, None) or classes not in ends))
    if not one_channel:
        return ('probabilities', by_graph) if probable else (
            'logits', 'a channel of floats for each class')
    if classes not in (2, None):
        raise EngineError(
            f'output {tensor} has one channel of floats, which tells 2 classes apart, and the '
            f'model card names {classes}. If it holds class ids, set output: kind: labels; '
            f'otherwise give two classes')
    return ('probability', by_graph) if probable else (
        'sigmoid', 'one channel of floats tells two classes apart')


def contradictions(name: str, kind: str, card: OutputCard, classes: int,
                   ending: Ending) -> list[str]:
    """What the graph of a network says against its card, for the log; as a rule nothing.

    :param name: of the output.
    :param kind: what its values are taken for.
    :param classes: number of classes of the card.
    """
    if card.kind != 'auto' and kind not in _FITTING.get(ending.values, (kind,)):
        right = _FITTING[ending.values][-1 if kind in MANY else 0]
        effect = _EFFECTS.get((kind, right), 'The answers are likely wrong')
        return [f'output {name}: the network ends in {ending.operator}, so its values are '
                f'{_WORDS[ending.values]}, and the model card says kind: {kind}. {effect}. Set '
                f'output: kind: {right} in the model card']
    last = (ending.channels or 0) - 1
    if kind == ending.values == 'labels' and last >= classes:
        return [f'output {name}: the network gives class ids 0 to {last}, and the model card '
                f'names {classes} classes. Pixels of ids from {classes} on become unlabelled. '
                f'Give a name for each id under classes in the model card']
    return []


_FITTING = {'probability': ('probability', 'probabilities'), 'labels': ('labels',),
            'scores': ('sigmoid', 'logits')}
"""Kinds of values, by :attr:`.Ending.values`: of one channel, of many."""
_WORDS = {'probability': 'probabilities', 'labels': 'class ids', 'scores': 'scores of any size'}
_EFFECTS = {
    ('sigmoid', 'probability'): 'A probability above 0 is taken for a sure yes, so every pixel '
                                'becomes class 1',
    ('logits', 'probabilities'): 'The classes are right, and the confidence is too low'}
