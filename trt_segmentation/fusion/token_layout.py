# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Lets images with the channels last become tokens, and tokens become such images, without a copy.

A vision transformer turns an image (B, C, H, W) into tokens (B, H·W, C) for its attention layers,
and back for its convolutions. Exported networks move the channels with a Transpose between (B, C,
H·W) and (B, H·W, C). Here, the Transpose is between (B, C, H, W) and (B, H, W, C). If ONNX Runtime
runs the convolutions with the channels last, it deletes these Transposes.
"""

from __future__ import annotations

import numpy as np

from .graph_edit import GraphEdit, has_perm


def move_transposes(graph: GraphEdit) -> int:
    """Move every Transpose between tokens and images to the side of the image.

    :returns: the number of moved Transposes.
    """
    count = 0
    for node in graph.nodes('Transpose'):
        if has_perm(node, 0, 2, 1):
            count += _to_image(graph, node) + _to_tokens(graph, node)
    return count


def _to_image(graph: GraphEdit, node) -> int:
    """Change (B, H·W, C) → Transpose → Reshape → (B, C, H, W)."""
    count = 0
    for reshape in graph.find_users(node.output[0], 'Reshape'):
        before, after = graph.shape(node.output[0]), graph.shape(reshape.output[0])
        if len(after) != 4 or len(before) != 3 or None in after[1:] or before[1] != after[1]:
            continue
        shape = graph.add_constant(np.array([0, after[2], after[3], after[1]], np.int64))
        image = graph.make_node('Reshape', [node.input[0], shape])
        graph.replace([reshape], [image, graph.make_node(
            'Transpose', [image.output[0]], reshape.output[0], perm=[0, 3, 1, 2])])
        count += 1
    return count


def _to_tokens(graph: GraphEdit, node) -> int:
    """Change (B, C, H, W) → Reshape → Transpose → (B, H·W, C)."""
    reshape = graph.find_maker(node.input[0], 'Reshape')
    before = graph.shape(reshape.input[0]) if reshape is not None else ()
    after = graph.shape(node.input[0])
    if reshape is None or len(before) != 4 or len(after) != 3 or None in (before[1], after[1]):
        return 0
    if before[1] != after[1]:
        return 0
    image = graph.make_node('Transpose', [reshape.input[0]], perm=[0, 2, 3, 1])
    shape = graph.add_constant(np.array([0, -1, after[1]], np.int64))
    graph.replace([node], [image, graph.make_node(
        'Reshape', [image.output[0], shape], node.output[0])])
    return 1
