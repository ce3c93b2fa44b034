# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Rewrites a transformer network for ONNX Runtime on CUDA."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import onnx

from .attention import fuse_attention
from .fixed_shapes import fix_shapes
from .graph_edit import GraphEdit
from .late_resize import convolve_before_resize
from .skip_norm import fuse_skip_norm
from .token_layout import move_transposes


def fuse_layers(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, ...]]
                ) -> tuple[onnx.ModelProto, dict[str, int]]:
    """Replace layers of a network with faster layers that compute the same values.

    :param model: the network. This function does not change the object.
    :param shapes: maps the name of each input to its shape. The new network accepts only inputs
        with these shapes.
    :returns: the new network, and a mapping from each kind of change to the number of changes.
        If no attention layer can be replaced, or if a node contains a graph, the result is
        ``model`` itself and an empty mapping.
    """
    if any(part.HasField('g') or part.graphs for node in model.graph.node
           for part in node.attribute):
        return model, {}    # GraphEdit does not see what a graph inside a node reads
    fused = deepcopy(model)
    fix_shapes(fused, shapes)
    graph = GraphEdit(fused)
    attention = fuse_attention(graph)
    if not attention:
        return model, {}
    counts = {'attention': attention, 'skip norm': fuse_skip_norm(graph),
              'transpose': move_transposes(graph), 'convolution': convolve_before_resize(graph)}
    graph.finish()
    return fused, counts
