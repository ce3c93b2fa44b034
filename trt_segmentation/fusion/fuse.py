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
    """Replace layers of a network by faster layers that compute the same values.

    :param model: the network. It stays as it is.
    :param shapes: maps the name of each input to its shape. The new network accepts only inputs
        with these shapes.
    :returns: the new network, and the numbers of its changes. Their keys are ``attention``,
        ``skip norm``, ``transpose`` and ``convolution``. If the network has no attention layer
        that can be replaced, the result is ``model`` itself and no numbers.
    """
    if any(part.HasField('g') or part.graphs for node in model.graph.node
           for part in node.attribute):
        return model, {}    # GraphEdit does not see which tensors an inner graph reads
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
