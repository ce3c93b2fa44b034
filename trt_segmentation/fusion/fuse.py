# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Rewrites a transformer network for ONNX Runtime on CUDA."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from .attention import fuse_attention
from .graph_edit import GraphEdit
from .late_resize import convolve_before_resize
from .skip_norm import fuse_skip_norm
from .token_layout import move_transposes


def fuse_layers(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Replace layers of a network by faster layers that compute the same values.

    :param model: the network. This function changes it.
    :param shapes: maps each input to a shape without dynamic dimensions. The new network accepts
        only these shapes.
    :returns: the number of attention layers, sums with normalisation, Transposes and 1×1
        convolutions that were replaced or moved. If there is no attention layer, the result is
        empty, and the network must not be used.
    """
    if any(part.HasField('g') or part.graphs for node in model.graph.node
           for part in node.attribute):
        return {}       # GraphEdit does not see which tensors an inner graph reads
    graph = GraphEdit(model, shapes)
    attention = fuse_attention(graph)
    if not attention:
        return {}
    counts = {'attention': attention, 'skip norm': fuse_skip_norm(graph),
              'transpose': move_transposes(graph), 'convolution': convolve_before_resize(graph)}
    graph.finish()
    return counts
