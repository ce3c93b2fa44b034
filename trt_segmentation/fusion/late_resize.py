# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Moves a 1×1 convolution in front of the Resizes whose outputs it reads.

Some decoders enlarge several images to one size, join their channels, and apply a 1×1 convolution.
Such a convolution computes a weighted sum of channels, and so does Resize with pixels. Their order
does not change the result. Before the Resize, the images are smaller, and the large joined image
is not needed. If the image comes from a linear layer, the layer and the convolution become one
layer.
"""

from __future__ import annotations

import numpy as np
import onnx

from .graph_edit import Array, attribute, GraphEdit, has_perm


def convolve_before_resize(graph: GraphEdit) -> int:
    """Change Resize, Concat and a 1×1 Conv into a Conv for each image, Resize and Sum.

    :returns: the number of moved convolutions.
    """
    count = 0
    for conv in graph.nodes('Conv'):
        joined = graph.find_maker(conv.input[0], 'Concat')
        weight = graph.read_constant(conv.input[1])
        if joined is None or weight is None or not _can_be_moved(graph, conv, joined, weight):
            continue
        bias = graph.read_constant(conv.input[2]) if len(conv.input) > 2 else None
        new, parts, first = [], [], 0
        for name in joined.input:
            channels = graph.shape(name)[1] or 0
            part = weight[:, first:first + channels, 0, 0]
            first += channels
            parts.append(_convolve(graph, new, name, part, bias if not parts else None))
        graph.replace([conv], [*new, graph.make_node('Sum', parts, conv.output[0])])
        count += 1
    return count


def _can_be_moved(graph: GraphEdit, conv: onnx.NodeProto, joined: onnx.NodeProto,
                  weight: Array) -> bool:
    shapes = [graph.shape(name) for name in joined.input]
    resizes = [graph.find_maker(name, 'Resize') for name in joined.input]
    # The bias must be a constant, too.
    return (weight.shape[2:] == (1, 1) and attribute(conv, 'group', 1) == 1
            and not any(attribute(conv, 'pads', ())) and set(attribute(conv, 'strides', [1])) == {1}
            and attribute(joined, 'axis', 0) in (1, -3) and graph.is_read_once(conv.input[0])
            and all(len(shape) == 4 and None not in shape for shape in shapes)
            and 2 * sum(map(bool, resizes)) >= len(resizes) > 1
            and all(_sums_pixels(graph, node) for node in resizes if node is not None)
            and all(graph.read_constant(name) is not None for name in conv.input[1:]))


def _sums_pixels(graph: GraphEdit, node: onnx.NodeProto) -> bool:
    """Return whether a Resize computes weighted sums of pixels, and the weights add up to 1."""
    before, after = graph.shape(node.input[0]), graph.shape(node.output[0])
    return (before[:2] == after[:2] and graph.is_read_once(node.output[0])
            and attribute(node, 'mode', b'nearest') in (b'nearest', b'linear')
            and attribute(node, 'coordinate_transformation_mode', b'') != b'tf_crop_and_resize')


def _convolve(graph: GraphEdit, new: list[onnx.NodeProto], name: str, weight: Array,
              bias: Array | None) -> str:
    """Add the nodes that convolve one image, and return the name of the result."""
    resize = graph.find_maker(name, 'Resize')
    if resize is None:
        return _convolve_small(graph, new, name, weight, bias)
    small = _convolve_small(graph, new, resize.input[0], weight, bias)
    before, after = graph.shape(resize.input[0]), graph.shape(name)
    if before == after:
        return small
    sizes = graph.add_constant(np.array([after[0], len(weight), *after[2:]], np.int64))
    moved = onnx.NodeProto()
    moved.CopyFrom(resize)
    moved.name, moved.output[0] = '', graph.new_name('Resize')
    moved.input[:] = [small, *resize.input[1:2], *([''] * (3 - len(resize.input[:2]))), sizes]
    new.append(moved)
    return moved.output[0]


def _convolve_small(graph: GraphEdit, new: list[onnx.NodeProto], name: str, weight: Array,
                    bias: Array | None) -> str:
    merged = _merge(graph, new, name, weight, bias)
    if merged:
        return merged
    inputs = [name, graph.add_constant(weight[:, :, None, None])]
    if bias is not None:
        inputs.append(graph.add_constant(bias))
    new.append(graph.make_node('Conv', inputs, kernel_shape=[1, 1]))
    return str(new[-1].output[0])


def _merge(graph: GraphEdit, new: list[onnx.NodeProto], name: str, weight: Array,
           bias: Array | None) -> str:
    """Merge the convolution into a linear layer whose output is the image.

    :returns: the name of the result; empty if there is no such layer.
    """
    turned = graph.find_maker(name, 'Transpose')
    image = graph.find_maker(turned.input[0], 'Reshape') if turned is not None else None
    added = graph.find_maker(image.input[0], 'Add') if image is not None else None
    if turned is None or image is None or added is None or not has_perm(turned, 0, 3, 1, 2):
        return ''
    names = [image.input[0], turned.input[0], name]
    sides = [graph.read_constant(side) for side in added.input]
    index = 0 if sides[0] is not None else 1
    old_bias, product = sides[index], graph.find_maker(added.input[1 - index], 'MatMul')
    old = graph.read_constant(product.input[1]) if product is not None else None
    if product is None or old is None or old_bias is None or not all(
            map(graph.is_read_once, [product.output[0], *names])):
        return ''
    dtype, wide = weight.dtype, weight.astype(np.float64).T
    matrix = old.astype(np.float64) @ wide
    vector = old_bias.astype(np.float64) @ wide + (0 if bias is None else bias)
    height, width = graph.shape(name)[2:]
    shape = np.array([0, height, width, len(weight)], np.int64)
    made = [graph.make_node('MatMul', [product.input[0], graph.add_constant(matrix.astype(dtype))])]
    made.append(graph.make_node('Add', [made[-1].output[0],
                                        graph.add_constant(vector.astype(dtype))]))
    made.append(graph.make_node('Reshape', [made[-1].output[0], graph.add_constant(shape)]))
    made.append(graph.make_node('Transpose', [made[-1].output[0]], perm=[0, 3, 1, 2]))
    new.extend(made)
    return str(made[-1].output[0])
