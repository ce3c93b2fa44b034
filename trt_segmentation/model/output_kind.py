# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The kind of a network output: scores, probabilities or class ids."""

from __future__ import annotations

from ..errors import EngineError
from ..untrusted.onnx_graph import Ending
from .card import OutputCard
from .tensor import Tensor

FLOATS = ('float32', 'float16', 'float64')
INTEGERS = ('uint8', 'int8', 'uint16', 'int16', 'int32', 'int64', 'uint32', 'uint64', 'bool')
PER_CLASS_KINDS = ('logits', 'probabilities')
"""Kinds with one channel for each class."""
ONE_CHANNEL_KINDS = ('sigmoid', 'probability')
"""Kinds with one channel of floats, for two classes."""


def find_kind(tensor: Tensor, card: OutputCard, classes: int | None,
              ending: Ending) -> tuple[str, str]:
    """Find the kind of an output.

    :param tensor: the output.
    :param card: the part of the model card that describes the output.
    :param classes: number of classes in the card; None to infer the number.
    :param ending: how the graph computes the output.
    :returns: the kind and the reason. The reason is empty if the card gives the kind.
    :raises EngineError: if the output has one channel of floats, and the card does not have two
        classes.
    """
    if card.kind in ONE_CHANNEL_KINDS and classes not in (2, None):
        raise EngineError(
            f'output: kind: {card.kind} tells 2 classes apart, and the model card names '
            f'{classes}. Name two classes, or set another kind')
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
            f'model card names {classes}. If the output holds class ids, set output: kind: '
            f'labels; otherwise name two classes')
    return ('probability', by_graph) if probable else (
        'sigmoid', 'one channel of floats tells two classes apart')


def find_contradictions(name: str, kind: str, card: OutputCard, classes: int,
                        ending: Ending) -> list[str]:
    """Find contradictions between the graph of a network and its card.

    :param name: name of the output.
    :param kind: the kind that was decided for the output.
    :param classes: number of classes in the card.
    :param card: the part of the model card that describes the output.
    :param ending: how the graph computes the output.
    :returns: one message for the log for each contradiction.
    """
    if card.kind != 'auto' and kind not in _FITTING.get(ending.values, (kind,)):
        right = _FITTING[ending.values][-1 if kind in PER_CLASS_KINDS else 0]
        effect = _EFFECTS.get((kind, right), 'The labels are likely wrong')
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
"""The kinds that fit each :attr:`.Ending.values`.

The first kind is for one channel. The last kind is for a channel for each class.
"""
_WORDS = {'probability': 'probabilities', 'labels': 'class ids', 'scores': 'scores of any size'}
_EFFECTS = {
    ('sigmoid', 'probability'): 'Every probability is read as a positive score, so every '
                                'pixel becomes class 1',
    ('logits', 'probabilities'): 'The classes are right, and the confidence is too low'}
