# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find where the backbone of a segmentation network ends and where the network's head begins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import onnx
from onnx import helper

from ..errors import GraphError

WEIGHTED = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')
"""Operators with weights. INT8 arithmetic makes these operators faster."""

UPSAMPLING = ('Resize', 'Upsample', 'ConvTranspose', 'DepthToSpace')
DOWNSAMPLING = ('Conv', 'MaxPool', 'AveragePool')
"""Operators that downsample if their strides are above 1."""

Readers = Mapping[str, Sequence[onnx.NodeProto]]
"""Maps the name of a tensor to the nodes that read this tensor."""


def find_backbone(model: onnx.ModelProto) -> tuple[set[str], str]:
    """Find the nodes of a segmentation network's backbone.

    The decoder is the part of the network that enlarges the feature maps again. An upsampling node
    begins the decoder if no later node downsamples. For example, the upsampling nodes between the
    parallel paths of HRNet do not begin the decoder. A network without upsampling has no decoder.
    A residual sum is an Add node that lies before the decoder and adds two tensors computed from
    the image. The backbone ends at each residual sum on which no later residual sum depends.
    Without residual sums, the backbone ends at the last node with weights before the decoder.
    :func:`_find_end_of_chain` may move an end to a later node. The backbone consists of its ends
    and of every node that an end depends on. All other nodes belong to the head.

    :returns: names of the backbone's nodes, and a phrase that names the ends of the backbone.
    :raises GraphError: if no node before the decoder has weights, or if the network has neither
        residual sums nor upsampling.
    """
    nodes = [node for node in model.graph.node if node.op_type != 'Shape']
    constants = {tensor.name for tensor in model.graph.initializer}
    made_by = {name: node for node in nodes for name in node.output}
    readers = _find_readers(nodes)
    reached = _find_nodes_behind_image(model, nodes, constants)
    decoder = _find_decoder(nodes, made_by, readers)
    before = [node for node in nodes if node.name in reached and node.name not in decoder]
    sums = [node for node in before if node.op_type == 'Add'
            and all(i in made_by and made_by[i].name in reached for i in node.input)]
    weighted = [node for node in before if node.op_type in WEIGHTED]
    if not weighted or not (decoder or sums):
        raise GraphError('the end of the backbone cannot be found. The network needs a node with '
                         'weights before the decoder. The network also needs a residual sum '
                         '(Add) or an upsampling node. Build int8 instead of mixed, and name the '
                         'nodes of the head with --keep-fp16')
    backbone: set[str] = set()
    ends = []
    for last in reversed(sums or weighted[-1:]):
        if last.name not in backbone:       # no later sum depends on this sum
            end = _find_end_of_chain(last, readers, decoder)
            ends.append(end.name)
            backbone |= _find_dependencies(end, made_by)
    return backbone, f'backbone ends at {", ".join(reversed(ends))}'


def _find_readers(nodes: Iterable[onnx.NodeProto]) -> Readers:
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def _find_nodes_behind_image(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto],
                             constants: Collection[str]) -> set[str]:
    """Names of the nodes that use the pixels of the image, and not only the image's shape."""
    live = {value.name for value in model.graph.input if value.name not in constants}
    reached = set()
    for node in nodes:
        if live.intersection(node.input):
            live.update(node.output)
            reached.add(node.name)
    return reached


def _find_decoder(nodes: Sequence[onnx.NodeProto], made_by: Mapping[str, onnx.NodeProto],
                  readers: Readers) -> set[str]:
    """Names of the upsampling nodes without later downsampling, and of all nodes after them."""
    downsampled: set[str] = set()
    for node in reversed(nodes):        # ONNX requires topological order
        behind = [reader for name in node.output for reader in readers.get(name, [])]
        if any(_is_downsampling(reader) or reader.name in downsampled for reader in behind):
            downsampled.add(node.name)
    decoder: set[str] = set()
    for node in nodes:
        if (node.op_type in UPSAMPLING and node.name not in downsampled) or any(
                made_by[i].name in decoder for i in node.input if i in made_by):
            decoder.add(node.name)
    return decoder


def _is_downsampling(node: onnx.NodeProto) -> bool:
    strides = next((helper.get_attribute_value(a) for a in node.attribute
                    if a.name == 'strides'), [1])
    return node.op_type in DOWNSAMPLING and max(strides) > 1


def _find_dependencies(end: onnx.NodeProto, made_by: Mapping[str, onnx.NodeProto]) -> set[str]:
    """Names of the end node and of every node on which the end node depends."""
    found: set[str] = set()
    waiting = [end]
    while waiting:
        node = waiting.pop()
        if node.name not in found:
            found.add(node.name)
            waiting += [made_by[i] for i in node.input if i in made_by]
    return found


def _find_end_of_chain(node: onnx.NodeProto, readers: Readers,
                       decoder: Collection[str]) -> onnx.NodeProto:
    """Follow the chain of nodes after a node, and return the last node of the backbone.

    Each node of the chain is the only reader of the previous node's output. If an output has
    several readers, the backbone ends at the node that computes this output. If the chain leads to
    the decoder or to an output of the network, the backbone ends before the chain's first node
    with weights.
    """
    end, chain = node, node
    while True:
        following = readers.get(chain.output[0], [])
        if len(following) != 1:
            return chain if following else end
        if following[0].name in decoder:
            return end
        chain = following[0]
        if chain.op_type not in WEIGHTED and end.output[0] in chain.input:
            end = chain
