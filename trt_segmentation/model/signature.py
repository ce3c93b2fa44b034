# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The signature of a network: how to fill its input, and how to read its output.

The module ``network_input`` finds the tensor of the camera image, and ``network_output`` finds the
tensor of the segmentation. Several outputs may be the segmentation. For each of these outputs,
``output_kind`` finds the kind of its values, such as logits or class ids, and ``output_layout``
finds the channel axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..untrusted.onnx_graph import Ending
from .card import InputCard, OutputCard
from .network_input import find_image, ImageInput
from .network_output import find_network_output, NetworkOutput
from .output_kind import find_contradictions
from .tensor import Tensor

__all__ = ['ImageInput', 'NetworkOutput', 'Signature', 'Tensor', 'resolve_signature']


@dataclass(frozen=True)
class Signature:
    """How to fill the input of a network and how to read its output.

    :param reasons: one line for every setting that is missing in the card. The line says how the
        setting was chosen.
    :param classes: number of classes of the network; None if unknown.
    :param alternatives: names of other outputs that could be the segmentation.
    :param warnings: one text for each contradiction between the graph of the network and the card.
    """

    input: ImageInput
    output: NetworkOutput
    reasons: tuple[str, ...]
    classes: int | None = None
    alternatives: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def resolve_signature(inputs: Sequence[Tensor], outputs: Sequence[Tensor], input: InputCard,
                      output: OutputCard, classes: int | None,
                      endings: Mapping[str, Ending] | None = None) -> Signature:
    """Find the tensor of the camera image and the tensor of the segmentation.

    :param classes: number of classes in the card; None to find the number in the network.
    :param endings: maps the name of an output to an Ending, which says how the graph computes this
        output; None if unknown.
    :raises EngineError: if no input or no output fits. The message names the refused tensors.
    """
    reasons: list[str] = []
    endings = endings or {}
    image = find_image(inputs, input, reasons)
    found, others = find_network_output(outputs, output, classes, image, reasons, endings)
    ending = endings.get(found.name, Ending())
    warnings = [] if classes is None else find_contradictions(
        found.name, found.kind, output, classes, ending)
    network_classes = (found.channels if found.kind.has_class_channels else
                       2 if found.kind.is_binary else ending.channels)
    return Signature(image, found, tuple(reasons), network_classes, others, tuple(warnings))
