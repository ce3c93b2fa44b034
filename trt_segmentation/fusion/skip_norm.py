# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Replaces an Add and the LayerNormalization after it with one node, SkipLayerNormalization.

ONNX Runtime replaces such a pair only if no other node reads the sum. In a transformer, most sums
have a second reader. SkipLayerNormalization can return the sum as a second output.
"""

from __future__ import annotations

import onnx
from onnx import helper

from .graph_edit import attribute, CONTRIB, GraphEdit


def fuse_skip_norm(graph: GraphEdit) -> int:
    """Replace each pair of an Add and a LayerNormalization on tensors (batch, token, channel).

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
    shape = graph.shape(node.output[0])
    weights = [graph.read_constant(name) for name in norm.input[1:]]
    return (len(shape) == 3 and None not in shape and len(weights) == 2
            and all(graph.shape(name) == shape for name in node.input)
            and all(weight is not None and weight.shape == shape[-1:] for weight in weights)
            and attribute(norm, 'axis', -1) in (-1, 2) and not any(norm.output[1:]))


def _make_node(graph: GraphEdit, node: onnx.NodeProto, norm: onnx.NodeProto) -> onnx.NodeProto:
    other, (source, bias) = node.input[0], graph.split_bias(node.input[1])
    if not bias:
        other, (source, bias) = node.input[1], graph.split_bias(node.input[0])
    inputs = [source, other, *norm.input[1:], *([bias] if bias else [])]
    return helper.make_node(
        'SkipLayerNormalization', inputs, [norm.output[0], '', '', node.output[0]],
        f'fused/{norm.output[0]}', domain=CONTRIB, epsilon=attribute(norm, 'epsilon', 1e-5))
