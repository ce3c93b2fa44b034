# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Opens a network with the options of one candidate (a set of options of ONNX Runtime)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..engines.onnxruntime_cuda import OnnxRuntimeCuda
from ..errors import EngineError
from ..installed.pip_names import advise_install
from ..model.card import ModelCard
from ..model.signature import resolve_signature
from ..model.tensor import Tensor
from ..untrusted.file_view import FileView
from ..untrusted.onnx_graph import OnnxGraph, read_endings
from ..untrusted.regular_file import open_regular, size_of
from .candidates import CANDIDATES, FIRST, FUSED


def choose_first(card: ModelCard) -> tuple[str, ...]:
    """Return the names of the candidates that are measured first for a network.

    Every network gets :data:`.candidates.FIRST`. A network with attention layers gets
    :data:`.candidates.FUSED` too.
    """
    return FIRST + FUSED if _has_attention(card.model) else FIRST


def _has_attention(path: Path) -> bool:
    """Return whether a MatMul reads the result of a Softmax, as in an attention layer."""
    try:
        with open_regular(path) as file:
            graph = OnnxGraph(FileView(file, 0, size_of(file)))
    except (OSError, ValueError):
        return False
    made_by = graph.made_by
    return any(node.operator == 'MatMul' and node.inputs and node.inputs[0] in made_by
               and made_by[node.inputs[0]].operator == 'Softmax' for node in made_by.values())


def open_candidate(card: ModelCard, gpu: int, stream: int, name: str) -> OnnxRuntimeCuda:
    """Open the network of a card on a GPU.

    :param stream: the network runs on this CUDA stream.
    :param name: a key of :data:`.candidates.CANDIDATES`.
    :raises EngineError: if the network cannot be opened, or if the candidate needs fused layers
        but no layer can be fused.
    """
    candidate = CANDIDATES[name]
    network = fuse_network(card) if candidate.fused else b''
    return OnnxRuntimeCuda(card, gpu, stream, candidate.options, network=network)


def fuse_network(card: ModelCard) -> bytes:
    """Return the bytes of an ONNX file with fused layers and a fixed input shape.

    If the ONNX file of the card does not fix the size of the input, the card gives the size.

    :raises EngineError: if the network cannot be read, or if no layer can be fused.
    """
    try:
        import onnx

        from ..builder.graph import load_model
        from ..fusion.fuse import fuse_layers
    except ImportError as error:
        raise EngineError(
            f'the layers of {card.model.name} cannot be fused without the Python package '
            f'{error.name}. To fuse them, {advise_install(error.name or "onnx")}') from error
    model = load_model(card.model, card.output.name if card.output.cut_resize else None)

    def read(values: Sequence[onnx.ValueInfoProto]) -> list[Tensor]:
        return [Tensor(value.name, onnx.helper.tensor_dtype_to_np_dtype(
            value.type.tensor_type.elem_type).name, tuple(
                side.dim_value if side.dim_value > 0 else None
                for side in value.type.tensor_type.shape.dim)) for value in values]
    weights = {tensor.name for tensor in model.graph.initializer}
    image = resolve_signature(
        read([value for value in model.graph.input if value.name not in weights]),
        read(model.graph.output), card.input, card.output, len(card.classes),
        read_endings(card.model)).input
    fused, counts = fuse_layers(model, {image.name: image.shape(image.batch or 1)})
    if not counts:
        raise EngineError(f'{card.model.name} has no layers that can be fused')
    return bytes(fused.SerializeToString())
