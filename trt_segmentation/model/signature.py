# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The signature of a network: the input tensor, the output tensor, and the reasons.

:func:`resolve_signature` finds the tensor of the camera image with the module ``network_input``,
and the tensor of the segmentation with the module ``network_output``. For each output that may be
the segmentation, ``output_kind`` finds the kind, and ``output_layout`` finds the layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..untrusted.onnx_graph import Ending
from .card import InputCard, OutputCard
from .network_input import find_image, ImageInput
from .network_output import find_network_output, NetworkOutput
from .output_kind import find_contradictions, PER_CLASS_KINDS
from .tensor import Tensor

__all__ = ['ImageInput', 'NetworkOutput', 'Signature', 'Tensor', 'resolve_signature']


@dataclass(frozen=True)
class Signature:
    """How to fill the input of a network and how to read its output.

    :param input: the input tensor for the camera image.
    :param output: the output tensor that is the segmentation.
    :param reasons: one line for every decision that the card did not make.
    :param classes: number of classes of the network; None if unknown.
    :param alternatives: names of other outputs that could be the segmentation.
    :param warnings: contradictions between the graph of the network and the card.
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

    :param inputs: all input tensors of the network.
    :param outputs: all output tensors of the network.
    :param input: the part of the model card that describes the input.
    :param output: the part of the model card that describes the output.
    :param classes: number of classes in the card; None to infer the number from the network.
    :param endings: how the graph computes each output, by the name of the output; None if
        unknown.
    :raises EngineError: if no tensor fits. The message names the tensor, its properties, the
        expected properties and what to do.
    """
    reasons: list[str] = []
    endings = endings or {}
    image = find_image(inputs, input, reasons)
    found, others = find_network_output(outputs, output, classes, image, reasons, endings)
    ending = endings.get(found.name, Ending())
    warnings = [] if classes is None else find_contradictions(
        found.name, found.kind, output, classes, ending)
    network_classes = (found.channels if found.kind in PER_CLASS_KINDS else
                       ending.channels if found.kind == 'labels' else 2)
    return Signature(image, found, tuple(reasons), network_classes, others, tuple(warnings))
