# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Replaces attention layers with the operator MultiHeadAttention of ONNX Runtime.

PyTorch exports an attention layer as the nodes MatMul, Softmax and MatMul, with Transpose and
Reshape nodes around them. If the network is FP16, MultiHeadAttention runs as flash attention on
CUDA. Flash attention does not store the scores of all pairs of tokens, and needs no Transpose.

In the shapes below, B is the batch size, S is the number of tokens, N is the number of heads, and
H is the size of a head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from .graph_edit import attribute, CONTRIB, GraphEdit, has_perm


@dataclass(frozen=True)
class _Layer:
    """An attention layer. S may be one number for the query, and another for key and value.

    :param query: name of a tensor with shape (B, N, S, H).
    :param key: name of a tensor with shape (B, N, H, S).
    :param value: name of a tensor with shape (B, N, S, H).
    :param scale: the scores are multiplied by this number.
    :param last: the last node of the layer. Its output has the shape (B, S, N·H).
    """

    query: str
    key: str
    value: str
    scale: float
    last: onnx.NodeProto


def fuse_attention(graph: GraphEdit) -> int:
    """Replace every attention layer without a mask. Return the number of replaced layers."""
    count = 0
    for softmax in graph.nodes('Softmax'):
        layer = _find_layer(graph, softmax)
        if layer is not None and (new := _make_nodes(graph, layer)):
            graph.replace([layer.last], new)
            count += 1
    return count


def _find_layer(graph: GraphEdit, softmax: onnx.NodeProto) -> _Layer | None:
    name, scale = _strip_scale(graph, softmax.input[0])
    scores = graph.find_maker(name, 'MatMul')
    mixed = graph.find_only_user(softmax.output[0], 'MatMul')
    if (scores is None or mixed is None or mixed.input[0] != softmax.output[0]
            or attribute(softmax, 'axis', -1) not in (-1, 3)):
        return None
    query, query_scale = _strip_scale(graph, scores.input[0])
    key, key_scale = _strip_scale(graph, scores.input[1])
    last = _find_last(graph, mixed.output[0])
    shapes = [graph.shape(name) for name in (query, key, mixed.input[1])]
    if last is None or any(len(shape) != 4 or None in shape[1:] for shape in shapes) or len(
            {shape[1] for shape in shapes}) > 1:
        return None
    return _Layer(query, key, mixed.input[1], scale * query_scale * key_scale, last)


def _strip_scale(graph: GraphEdit, name: str) -> tuple[str, float]:
    """Go back over multiplications and divisions of a tensor by constants.

    Return the name of the earlier tensor, and the product of all factors.
    """
    scale = 1.0
    while True:
        node = graph.find_maker(name, 'Mul') or graph.find_maker(name, 'Div')
        if node is None:
            return name, scale
        numbers = [graph.read_constant(other) for other in node.input]
        index = 0 if node.op_type == 'Mul' and numbers[0] is not None else 1
        number = numbers[index]
        if number is None or number.size != 1:
            return name, scale
        factor = float(number.reshape(-1)[0])
        scale *= factor if node.op_type == 'Mul' else 1 / factor
        name = node.input[1 - index]


def _find_last(graph: GraphEdit, name: str) -> onnx.NodeProto | None:
    """Return the Reshape that makes (B, S, N·H) from the tensor (B, N, S, H), or None."""
    same = graph.find_only_user(name, 'Reshape')
    if same is not None and graph.shape(same.output[0]) == graph.shape(name) != ():
        name = same.output[0]
    turned = graph.find_only_user(name, 'Transpose')
    if turned is None or not has_perm(turned, 0, 2, 1, 3):
        return None
    joined = graph.find_only_user(turned.output[0], 'Reshape')
    return joined if joined is not None and _joins_heads(
        graph.shape(turned.output[0]), graph.shape(joined.output[0])) else None


def _joins_heads(split: tuple[int | None, ...], joined: tuple[int | None, ...]) -> bool:
    """Return whether the shapes are (B, S, N, H) and (B, S, N·H)."""
    return (len(split) == 4 and len(joined) == 3 and None not in split
            and joined == (*split[:2], (split[2] or 0) * (split[3] or 0)))


def _make_nodes(graph: GraphEdit, layer: _Layer) -> list[onnx.NodeProto]:
    """Make the node MultiHeadAttention and the nodes before it.

    The list is empty if the order of the key's axes is unknown.
    """
    new: list[onnx.NodeProto] = []
    turned = graph.find_maker(layer.key, 'Transpose')
    if has_perm(turned, 0, 2, 3, 1):
        key = turned.input[0]
    elif has_perm(turned, 0, 1, 3, 2):
        key = _put_tokens_first(graph, new, turned.input[0])
    else:
        return []
    inputs, biases, sizes = [], [], []
    shapes = [graph.shape(name) for name in (layer.query, layer.query, layer.value)]
    for name, shape in zip((_put_tokens_first(graph, new, layer.query), key,
                            _put_tokens_first(graph, new, layer.value)), shapes):
        sizes.append((shape[1] or 0) * (shape[3] or 0))
        before, bias = graph.split_bias(_join_heads(graph, new, name, sizes[-1]))
        inputs.append(before)
        biases.append(bias)
    given = [graph.read_constant(bias) for bias in biases]
    dtype = next((bias.dtype for bias in given if bias is not None), None)
    if dtype is not None:
        inputs.append(graph.add_constant(np.concatenate([
            np.zeros(size, dtype) if bias is None else bias for bias, size in zip(given, sizes)])))
    new.append(graph.make_node('MultiHeadAttention', inputs, layer.last.output[0], CONTRIB,
                               num_heads=shapes[0][1], scale=layer.scale))
    return new


def _put_tokens_first(graph: GraphEdit, new: list[onnx.NodeProto], name: str) -> str:
    """Return the name of a tensor (B, S, N, H) with the values of a tensor (B, N, S, H)."""
    node = graph.find_maker(name, 'Transpose')
    if node is not None and has_perm(node, 0, 2, 1, 3):
        return str(node.input[0])
    new.append(graph.make_node('Transpose', [name], perm=[0, 2, 1, 3]))
    return str(new[-1].output[0])


def _join_heads(graph: GraphEdit, new: list[onnx.NodeProto], name: str, size: int) -> str:
    """Return the name of a tensor (B, S, N·H) with the values of a tensor (B, S, N, H)."""
    node = graph.find_maker(name, 'Reshape')
    if node is not None and _joins_heads(graph.shape(name), graph.shape(node.input[0])):
        return str(node.input[0])
    shape = graph.add_constant(np.array([0, 0, size], np.int64))
    new.append(graph.make_node('Reshape', [name, shape]))
    return str(new[-1].output[0])
