# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What a network's tensors mean: which is the image, which the answer, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..untrusted.onnx_graph import Ending
from .card import InputCard, OutputCard
from .network_input import find_image, ImageInput
from .network_output import find_network_output, NetworkOutput
from .output_kind import contradictions, MANY
from .tensor import Tensor

__all__ = ['ImageInput', 'NetworkOutput', 'Signature', 'Tensor', 'resolve']


@dataclass(frozen=True)
class Signature:
    """How to feed a network and read it.

    :param reasons: one line for every decision the card did not take.
    :param classes: how many classes the network tells apart; None if unknown.
    :param alternatives: other outputs that could be the answer.
    :param warnings: what the network's graph says against the card.
    """

    input: ImageInput
    output: NetworkOutput
    reasons: tuple[str, ...]
    classes: int | None = None
    alternatives: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def resolve(inputs: Sequence[Tensor], outputs: Sequence[Tensor], input: InputCard,
            output: OutputCard, classes: int | None,
            endings: Mapping[str, Ending] | None = None) -> Signature:
    """Decide what a network's tensors mean.

    :param classes: number of classes of the card; None to infer it from the network.
    :param endings: how the network's graph makes each output, by its name; None if unknown.
    :raises EngineError: naming the tensor, what it is, what was expected and what to do.
    """
    reasons: list[str] = []
    endings = endings or {}
    image = find_image(inputs, input, reasons)
    answer, others = find_network_output(outputs, output, classes, image, reasons, endings)
    ending = endings.get(answer.name, Ending())
    warnings = [] if classes is None else contradictions(
        answer.name, answer.kind, output, classes, ending)
    told_apart = (answer.channels if answer.kind in MANY else
                  ending.channels if answer.kind == 'labels' else 2)
    return Signature(image, answer, tuple(reasons), told_apart, others, tuple(warnings))
