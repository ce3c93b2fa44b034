# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Replaces exported attention layers by MultiHeadAttention.

An attention layer is exported as MatMul, Softmax and MatMul, with Transpose and Reshape around
them. On CUDA, MultiHeadAttention runs flash attention if the network is FP16. Flash attention does
not store the scores of all pairs of tokens, and needs no Transpose.

In the names below, B is the batch, S the number of tokens, N the number of heads, and H the size
of a head.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx

from .graph_edit import Array, attribute, CONTRIB, GraphEdit, has_perm


@dataclass
class _Layer:
    """One attention layer.

    :param output: name of the output, with shape (B, S, N·H).
    :param last: the node that makes the output.
    :param sources: names of query, key and value with shape (B, S, N·H), and for each of them its
        bias or None.
    """

    output: str
    last: onnx.NodeProto
    heads: int
    scale: float
    sources: list[tuple[str, Array | None]] = field(default_factory=list)
    extra: list[onnx.NodeProto] = field(default_factory=list)


def fuse_attention(graph: GraphEdit) -> int:
    """Replace every attention layer without a mask.

    :returns: the number of replaced layers.
    """
    count = 0
    for softmax in graph.nodes('Softmax'):
        layer = _find_layer(graph, softmax)
        if layer is not None:
            graph.replace([layer.last], [*layer.extra, _make_attention(graph, layer)])
            count += 1
    return count


def _find_layer(graph: GraphEdit, softmax: onnx.NodeProto) -> _Layer | None:
    if attribute(softmax, 'axis', -1) not in (-1, 3):
        return None
    scores, scale = _strip_scale(graph, softmax.input[0])
    first = graph.find_maker(scores, 'MatMul')
    second = graph.find_only_user(softmax.output[0], 'MatMul')
    if first is None or second is None or second.input[0] != softmax.output[0]:
        return None
    query, query_scale = _strip_scale(graph, first.input[0])
    turned, key_scale = _strip_scale(graph, first.input[1])
    last = _find_joined_heads(graph, second.output[0])
    shapes = [graph.shape(name) for name in (query, second.input[1])]
    if last is None or any(len(shape) != 4 or None in shape[1::2] for shape in shapes):
        return None
    heads, width = shapes[0][1] or 0, shapes[0][3] or 0
    layer = _Layer(last.output[0], last, heads, scale * query_scale * key_scale)
    key = graph.find_maker(turned, 'Transpose')
    if key is None or shapes[1][1] != heads:
        return None
    if has_perm(key, 0, 2, 3, 1):
        names = [_tokens_first(graph, layer, query), key.input[0]]
    elif has_perm(key, 0, 1, 3, 2):
        names = [_tokens_first(graph, layer, query), _tokens_first(graph, layer, key.input[0])]
    else:
        return None
    names.append(_tokens_first(graph, layer, second.input[1]))
    for name, size in zip(names, (width, width, shapes[1][3] or 0)):
        layer.sources.append(_split_bias(graph, _join_heads(graph, layer, name, heads * size)))
    return layer


def _strip_scale(graph: GraphEdit, name: str) -> tuple[str, float]:
    """Return the tensor before the multiplication with a number, and the number."""
    scale = 1.0
    while True:
        if node := graph.find_maker(name, 'Mul'):
            factors = [graph.read_constant(other) for other in node.input]
            index = 1 if factors[1] is not None else 0
            number = factors[index]
        elif node := graph.find_maker(name, 'Div'):
            index, number = 1, graph.read_constant(node.input[1])
        else:
            return name, scale
        if number is None or number.size != 1:
            return name, scale
        scale *= float(number.flat[0]) ** (1 if node.op_type == 'Mul' else -1)
        name = node.input[1 - index]


def _find_joined_heads(graph: GraphEdit, name: str) -> onnx.NodeProto | None:
    """Follow the output (B, N, S, H) to the Reshape that makes (B, S, N·H)."""
    same = graph.find_only_user(name, 'Reshape')
    if same is not None and graph.shape(same.output[0]) == graph.shape(name) != ():
        name = same.output[0]
    turned = graph.find_only_user(name, 'Transpose')
    if turned is None or not has_perm(turned, 0, 2, 1, 3):
        return None
    joined = graph.find_only_user(turned.output[0], 'Reshape')
    before = graph.shape(turned.output[0])
    after = graph.shape(joined.output[0]) if joined is not None else ()
    width = (before[2] or 0) * (before[3] or 0) if len(before) == 4 else 0
    return joined if len(after) == 3 and width and after[2] == width else None


def _tokens_first(graph: GraphEdit, layer: _Layer, name: str) -> str:
    """Return the tensor (B, S, N, H) from which the network made (B, N, S, H)."""
    node = graph.find_maker(name, 'Transpose')
    if node is not None and has_perm(node, 0, 2, 1, 3):
        return str(node.input[0])
    layer.extra.append(graph.make_node('Transpose', [name], perm=[0, 2, 1, 3]))
    return str(layer.extra[-1].output[0])


def _join_heads(graph: GraphEdit, layer: _Layer, name: str, width: int) -> str:
    """Return the tensor (B, S, N·H) from which the network made (B, S, N, H)."""
    node = graph.find_maker(name, 'Reshape')
    before = graph.shape(node.input[0]) if node is not None else ()
    if node is not None and len(before) == 3 and before[2] == width:
        return str(node.input[0])
    shape = graph.add_constant(np.array([0, 0, width], np.int64))
    layer.extra.append(graph.make_node('Reshape', [name, shape]))
    return str(layer.extra[-1].output[0])


def _split_bias(graph: GraphEdit, name: str) -> tuple[str, Array | None]:
    """Return the tensor before a bias was added, and the bias, if only attention reads the sum."""
    node = graph.find_maker(name, 'Add')
    if node is None or not graph.is_read_once(name):
        return name, None
    for index in (0, 1):
        bias = graph.read_constant(node.input[index])
        if bias is not None and bias.ndim == 1 and graph.shape(name)[-1:] == bias.shape:
            return str(node.input[1 - index]), bias
    return name, None


def _make_attention(graph: GraphEdit, layer: _Layer) -> onnx.NodeProto:
    inputs = [name for name, _ in layer.sources]
    given = [bias for _, bias in layer.sources if bias is not None]
    if given:
        sizes = [(graph.shape(name) or (None,))[-1] for name in inputs]
        parts = [np.zeros(size or 0, given[0].dtype) if bias is None else bias
                 for size, (_, bias) in zip(sizes, layer.sources)]
        inputs.append(graph.add_constant(np.concatenate(parts)))
    return graph.make_node('MultiHeadAttention', inputs, layer.output, CONTRIB,
                           num_heads=layer.heads, scale=layer.scale)
