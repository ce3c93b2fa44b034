# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Moves the Transposes between images and tokens, so that ONNX Runtime can delete them.

A vision transformer has convolutions, which read images (B, C, H, W), and attention layers, which
read tokens (B, H·W, C). PyTorch exports a Transpose between (B, C, H·W) and (B, H·W, C). This
module replaces this Transpose with a Transpose between (B, C, H, W) and (B, H, W, C). If ONNX
Runtime runs the convolutions with the channels last, it deletes the new Transpose.
"""

from __future__ import annotations

import numpy as np
import onnx

from .graph_edit import GraphEdit, has_perm


def move_transposes(graph: GraphEdit) -> int:
    """Move every Transpose between tokens and images. Return the number of moved Transposes."""
    count = 0
    for node in graph.nodes('Transpose'):
        if has_perm(node, 0, 2, 1):
            count += _move_behind(graph, node) + _move_before(graph, node)
    return count


def _move_behind(graph: GraphEdit, node: onnx.NodeProto) -> int:
    """On the way from tokens to an image, put the Reshape first and the Transpose last."""
    count = 0
    for reshape in graph.find_users(node.output[0], 'Reshape'):
        flat, shape = graph.shape(node.output[0]), graph.shape(reshape.output[0])
        if len(shape) == 4 and None not in shape and flat[:2] == shape[:2]:
            sides = graph.add_constant(np.array([0, *shape[2:], shape[1]], np.int64))
            image = graph.make_node('Reshape', [node.input[0], sides])
            graph.replace([reshape], [image, graph.make_node(
                'Transpose', [image.output[0]], reshape.output[0], perm=[0, 3, 1, 2])])
            count += 1
    return count


def _move_before(graph: GraphEdit, node: onnx.NodeProto) -> int:
    """On the way from an image to tokens, put the Transpose first and the Reshape last."""
    reshape = graph.find_maker(node.input[0], 'Reshape')
    if reshape is None:
        return 0
    shape, flat = graph.shape(reshape.input[0]), graph.shape(node.input[0])
    if len(shape) != 4 or len(flat) != 3 or None in shape or flat[:2] != shape[:2]:
        return 0
    image = graph.make_node('Transpose', [reshape.input[0]], perm=[0, 2, 3, 1])
    sides = graph.add_constant(np.array([0, -1, flat[1]], np.int64))
    graph.replace([node], [image, graph.make_node(
        'Reshape', [image.output[0], sides], node.output[0])])
    return 1
