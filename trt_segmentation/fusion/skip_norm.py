# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Replaces an Add and the LayerNormalization after it by SkipLayerNormalization.

ONNX Runtime does so too, but only if no other node reads the sum. In a transformer, the next layer
reads the sum.
"""

from __future__ import annotations

import onnx
from onnx import helper

from .graph_edit import Array, attribute, CONTRIB, GraphEdit


def fuse_skip_norm(graph: GraphEdit) -> int:
    """Replace every pair of Add and LayerNormalization over three-dimensional tensors.

    :returns: the number of replaced pairs.
    """
    count = 0
    for node in graph.nodes('Add'):
        norms = graph.find_users(node.output[0], 'LayerNormalization')
        if norms and _can_be_fused(graph, node, norms[0]):
            graph.replace([node, norms[0]], [_make_node(graph, node, norms[0])])
            count += 1
    return count


def _can_be_fused(graph: GraphEdit, node: onnx.NodeProto, norm: onnx.NodeProto) -> bool:
    shapes = [graph.shape(name) for name in (*node.input, node.output[0])]
    weights = [_read_vector(graph, name, shapes[2]) for name in norm.input[1:]]
    return (norm.input[0] == node.output[0] and len(shapes[0]) == 3
            and shapes[0] == shapes[1] == shapes[2] and attribute(norm, 'axis', -1) in (-1, 2)
            and len(weights) == 2 and all(weight is not None for weight in weights)
            and len(list(filter(None, norm.output))) == 1)


def _read_vector(graph: GraphEdit, name: str, shape: tuple[int | None, ...]) -> Array | None:
    """Return a constant with one number for each channel; None if the tensor is something else."""
    value = graph.read_constant(name)
    return value if value is not None and value.shape == shape[-1:] else None


def _make_node(graph: GraphEdit, node: onnx.NodeProto, norm: onnx.NodeProto) -> onnx.NodeProto:
    first, second, bias = *node.input, ''
    for index in (0, 1):
        added = graph.find_maker(node.input[index], 'Add')
        if added is None or not graph.is_read_once(node.input[index]):
            continue
        for side in (0, 1):
            if _read_vector(graph, added.input[side], graph.shape(node.input[index])) is not None:
                first, second, bias = added.input[1 - side], node.input[1 - index], added.input[side]
    inputs = [first, second, *norm.input[1:3], *([bias] if bias else [])]
    return helper.make_node(
        'SkipLayerNormalization', inputs, [norm.output[0], '', '', node.output[0]],
        f'fused/{norm.output[0]}', domain=CONTRIB, epsilon=attribute(norm, 'epsilon', 1e-5))
