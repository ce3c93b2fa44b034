# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Moves a 1×1 convolution before the Resize nodes that make its input.

The decoder of SegFormer enlarges several feature maps to one size, joins their channels, and
applies a 1×1 convolution. The convolution computes weighted sums of channels, and Resize computes
weighted sums of pixels. So the result stays the same if the convolution comes first. The
convolution then reads the small feature maps, and the large joined feature map is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from .fixed_shapes import Array
from .graph_edit import attribute, GraphEdit, has_perm


@dataclass(frozen=True)
class _Part:
    """The part of a 1×1 convolution that reads one feature map.

    :param weight: (output channels, input channels).
    :param bias: (output channels,).
    """

    weight: Array
    bias: Array


def convolve_before_resize(graph: GraphEdit) -> int:
    """If a 1×1 Conv reads resized and joined feature maps, move the Conv before the Resize nodes.

    Each feature map gets its own Conv, and a Sum node adds the resized results. If a linear layer
    makes a feature map, this layer and the Conv become one layer.

    :returns: the number of moved convolutions.
    """
    count = 0
    for conv in graph.nodes('Conv'):
        joined = graph.find_maker(conv.input[0], 'Concat')
        weight, *biases = (graph.read_constant(name) for name in conv.input[1:])
        if joined is None or weight is None or any(bias is None for bias in biases) or (
                not _can_be_moved(graph, conv, joined, weight)):
            continue
        new: list[onnx.NodeProto] = []
        images: list[str] = []
        bias = biases[0] if biases else None
        first = 0
        for name in joined.input:
            end = first + (graph.shape(name)[1] or 0)
            images.append(_convolve(graph, new, name, _Part(
                weight[:, first:end, 0, 0], np.zeros(len(weight), weight.dtype)
                if bias is None or images else bias)))
            first = end
        graph.replace([conv], [*new, graph.make_node('Sum', images, conv.output[0])])
        count += 1
    return count


def _can_be_moved(graph: GraphEdit, conv: onnx.NodeProto, joined: onnx.NodeProto,
                  weight: Array) -> bool:
    shapes = [graph.shape(name) for name in joined.input]
    makers = [graph.find_maker(name, 'Resize') for name in joined.input]
    resizes = [node for node in makers if node is not None]
    return (weight.shape[2:] == (1, 1) and attribute(conv, 'group', 1) == 1
            and not any(attribute(conv, 'pads', ()))
            and set(attribute(conv, 'strides', [1])) == {1}
            and attribute(joined, 'axis', 0) in (1, -3) and graph.is_read_once(conv.input[0])
            and all(len(shape) == 4 and None not in shape and len(weight) <= (shape[1] or 0)
                    for shape in shapes)
            # If most feature maps have no Resize, the network is faster without the move.
            and 2 * len(resizes) >= len(makers) > 1
            and all(_sums_pixels(graph, node) for node in resizes))


def _sums_pixels(graph: GraphEdit, node: onnx.NodeProto) -> bool:
    """Return whether a Resize computes weighted sums of pixels, with weights that sum to 1."""
    return (graph.shape(node.input[0])[:2] == graph.shape(node.output[0])[:2]
            and attribute(node, 'mode', b'nearest') in (b'nearest', b'linear')
            and attribute(node, 'coordinate_transformation_mode', b'') != b'tf_crop_and_resize'
            and attribute(node, 'axes', None) is None and len(node.input) in (3, 4))


def _convolve(graph: GraphEdit, new: list[onnx.NodeProto], name: str, part: _Part) -> str:
    """Add the nodes for one input of the Concat, and return the name of their output."""
    resize = graph.find_maker(name, 'Resize')
    if resize is None:
        return _convolve_image(graph, new, name, part)
    image = _convolve_image(graph, new, resize.input[0], part)
    moved = onnx.NodeProto()
    moved.CopyFrom(resize)
    moved.name, moved.input[0], moved.output[0] = f'fused/{name}', image, graph.new_name('Resize')
    if len(resize.input) == 4 and resize.input[3]:
        shape = graph.shape(name)
        if shape == graph.shape(resize.input[0]):
            return image
        moved.input[3] = graph.add_constant(np.array(
            [shape[0], len(part.weight), *shape[2:]], np.int64))
    new.append(moved)
    return str(moved.output[0])


def _convolve_image(graph: GraphEdit, new: list[onnx.NodeProto], name: str, part: _Part) -> str:
    new.extend(_merge(graph, name, part) or [graph.make_node('Conv', [
        name, graph.add_constant(part.weight[:, :, None, None]),
        graph.add_constant(part.bias)], kernel_shape=[1, 1])])
    return str(new[-1].output[0])


def _merge(graph: GraphEdit, name: str, part: _Part) -> list[onnx.NodeProto]:
    """Merge a convolution into the linear layer that makes its input. Return the new nodes.

    The result is empty if no linear layer makes the input. To find such layers, call
    :func:`.token_layout.move_transposes` first.
    """
    turned = graph.find_maker(name, 'Transpose')
    image = graph.find_maker(turned.input[0], 'Reshape') if turned is not None else None
    if turned is None or image is None or not has_perm(turned, 0, 3, 1, 2):
        return []
    source, bias = graph.split_bias(image.input[0])
    product = graph.find_maker(source, 'MatMul')
    old_weight = graph.read_constant(product.input[1]) if product is not None else None
    old_bias = graph.read_constant(bias)
    if product is None or old_weight is None or old_bias is None or not all(
            map(graph.is_read_once, (source, turned.input[0], name))):
        return []
    wide = part.weight.astype(np.float64).T
    weight, added = old_weight.astype(np.float64) @ wide, old_bias.astype(np.float64) @ wide
    sides = graph.shape(name)[2:]
    nodes = [graph.make_node('MatMul', [product.input[0], graph.add_constant(
        weight.astype(part.weight.dtype))])]
    for operator, constant in (
            ('Add', (added + part.bias).astype(part.bias.dtype)),
            ('Reshape', np.array([0, *sides, len(part.weight)], np.int64))):
        nodes.append(graph.make_node(
            operator, [nodes[-1].output[0], graph.add_constant(constant)]))
    return [*nodes, graph.make_node('Transpose', [nodes[-1].output[0]], perm=[0, 3, 1, 2])]
