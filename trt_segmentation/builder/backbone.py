# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Where a segmentation network's backbone ends and its head begins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import onnx
from onnx import helper

from ..errors import GraphError

WEIGHTED = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')
"""Operators whose arithmetic INT8 makes faster."""

ENLARGING = ('Resize', 'Upsample', 'ConvTranspose', 'DepthToSpace')
REDUCING = ('Conv', 'MaxPool', 'AveragePool')
"""Where they take strides."""

Readers = Mapping[str, Sequence[onnx.NodeProto]]


def find_backbone(model: onnx.ModelProto) -> tuple[set[str], str]:
    """Find where a segmentation network's backbone ends; its nodes, and how it was told.

    The decoder is all that comes after something was enlarged for good, if anything is: what is
    reduced again later, as between the branches of HRNet, is no decoder. Of the rest the
    backbone is what the residual sums depend on (of a network without them, the last node
    before an enlargement), with the chain behind the last ones up to where the head branches
    off. What that does not reach, such as the projection of low-level features, is the head's.

    :raises GraphError: where nothing tells the two apart.
    """
    nodes = [node for node in model.graph.node if node.op_type != 'Shape']
    constants = {tensor.name for tensor in model.graph.initializer}
    made_by = {name: node for node in nodes for name in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    reached = _from_image(model, nodes, constants)
    enlarged = _enlarged(nodes, made_by, readers)
    before = [node for node in nodes if node.name in reached and node.name not in enlarged]
    sums = [node for node in before if node.op_type == 'Add'
            and all(i in made_by and made_by[i].name in reached for i in node.input)]
    weighted = [node for node in before if node.op_type in WEIGHTED]
    if not weighted or not (enlarged or sums):
        raise GraphError('no backbone can be told from a head: the network has no residual sums '
                         'and enlarges nothing. Build int8 and name the head with --keep-fp16')
    backbone: set[str] = set()
    ends = []
    for last in reversed(sums or weighted[-1:]):
        if last.name not in backbone:       # the last of a branch: no later sum depends on it
            end = _end_of_chain(last, readers, enlarged)
            ends.append(end.name)
            backbone |= _needed(end, made_by)
    return backbone, f'backbone ends at {", ".join(reversed(ends))}'


def _from_image(model: onnx.ModelProto, nodes: Iterable[onnx.NodeProto],
                constants: Collection[str]) -> set[str]:
    """Names of the nodes that pixels flow through, other than as a shape."""
    live = {value.name for value in model.graph.input if value.name not in constants}
    reached = set()
    for node in nodes:
        if live.intersection(node.input):
            live.update(node.output)
            reached.add(node.name)
    return reached


def _enlarged(nodes: Sequence[onnx.NodeProto], made_by: Mapping[str, onnx.NodeProto],
              readers: Readers) -> set[str]:
    """Names of the nodes behind an enlargement that nothing behind it reduces again."""
    reduced: set[str] = set()
    for node in reversed(nodes):        # in topological order, as ONNX demands
        behind = [reader for name in node.output for reader in readers.get(name, [])]
        if any(_reduces(reader) or reader.name in reduced for reader in behind):
            reduced.add(node.name)
    enlarged: set[str] = set()
    for node in nodes:
        if (node.op_type in ENLARGING and node.name not in reduced) or any(
                made_by[i].name in enlarged for i in node.input if i in made_by):
            enlarged.add(node.name)
    return enlarged


def _reduces(node: onnx.NodeProto) -> bool:
    strides = next((helper.get_attribute_value(a) for a in node.attribute
                    if a.name == 'strides'), [1])
    return node.op_type in REDUCING and max(strides) > 1


def _needed(end: onnx.NodeProto, made_by: Mapping[str, onnx.NodeProto]) -> set[str]:
    """Names of a node and of all it depends on."""
    found: set[str] = set()
    waiting = [end]
    while waiting:
        node = waiting.pop()
        if node.name not in found:
            found.add(node.name)
            waiting += [made_by[i] for i in node.input if i in made_by]
    return found


def _end_of_chain(node: onnx.NodeProto, readers: Readers,
                  enlarged: Collection[str]) -> onnx.NodeProto:
    """Follow the only reader up to a branch; without one, only over what has no weights."""
    end, chain = node, node
    while True:
        following = readers.get(chain.output[0], [])
        if len(following) != 1:
            return chain if following else end
        if following[0].name in enlarged:
            return end
        chain = following[0]
        if chain.op_type not in WEIGHTED and end.output[0] in chain.input:
            end = chain
