# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compare the number of class names in a model card with the number of classes of the network."""

from __future__ import annotations

from ..engines.onnxruntime_cpu import open_session, read_tensors
from ..errors import EngineError, ModelCardError
from ..model.card import load_card, ModelCard
from ..model.signature import resolve_signature
from ..untrusted.onnx_graph import read_endings


def load_checked_card(text: str) -> ModelCard:
    """Read a model card by :func:`.load_card`, and check the number of its class names.

    :raises ModelCardError: if the card has a wrong value, or not one name for each class.
    """
    card = load_card(text)
    check_class_count(card)
    return card


def check_class_count(card: ModelCard) -> None:
    """Refuse a card whose number of class names differs from the number of classes.

    If a class name is missing, later steps give misleading messages. So a command calls this
    function before long work and before it reads label maps. A card is accepted if the number of
    classes is unknown.

    :raises ModelCardError: if the two numbers differ.
    """
    try:
        inputs, outputs = read_tensors(open_session(card.model))
        if len(outputs) > 1 and not card.output.name:
            return      # the number of class names helps to choose the output
        found = resolve_signature(inputs, outputs, card.input, card.output, None,
                                  read_endings(card.model)).output
    except EngineError:
        return
    names = len(card.classes)
    if found.kind.has_class_channels and found.channels != names:
        raise ModelCardError(
            f'{card.source or card.name} has {names} names under `classes`, but the network has '
            f'{found.channels} classes. Give one name for each class, in the order of the '
            'channels')
