# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Start a training from the weights of an exported network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper
import torch
from torch import nn


def load_onnx(net: nn.Module, path: Path, sample: torch.Tensor) -> None:
    """Copy the weights of an ONNX file into a network of the same architecture.

    The export joined each batch normalisation with its convolution. So each batch normalisation
    gets the statistics of ``sample`` and undoes them, and the network computes what the file does.
    The network may have more convolutions than the file. The last ones keep their weights.

    :param sample: (N, 3, H, W) normalised images, as in the training.
    :raises ValueError: if the convolutions of the file do not fit the network.
    """
    graph = onnx.load(str(path)).graph
    values = {v.name: torch.from_numpy(numpy_helper.to_array(v).copy()) for v in graph.initializer}
    nodes = [node for node in graph.node if node.op_type == 'Conv']
    layers: list[nn.Module] = []
    net.eval()
    hooks = [layer.register_forward_pre_hook(lambda layer, _: layers.append(layer))
             for layer in net.modules() if isinstance(layer, (nn.Conv2d, nn.BatchNorm2d))]
    with torch.no_grad():
        net(sample[:1])
        for hook in hooks:
            hook.remove()
        _copy(nodes, layers, values)
        hooks = [layer.register_forward_pre_hook(_undo) for layer in net.modules()
                 if isinstance(layer, nn.BatchNorm2d)]
        net(sample)
    for hook in hooks:
        hook.remove()
    net.train()


def _undo(layer: nn.BatchNorm2d, inputs: tuple[torch.Tensor, ...]) -> None:
    """Let a batch normalisation undo its own statistics, apart from ``layer.shift``."""
    x = inputs[0].float()
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    layer.running_mean.copy_(mean)
    layer.running_var.copy_(var)
    layer.weight.copy_((var + layer.eps).sqrt())
    layer.bias.copy_(mean + getattr(layer, 'shift', torch.zeros_like(mean)))


def _copy(nodes: list[Any], layers: list[nn.Module], values: dict[str, torch.Tensor]) -> None:
    """Copy the weights of the nodes into the convolutions, which ran in the same order."""
    convolutions = [index for index, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
    if len(convolutions) < len(nodes):
        raise ValueError(f'the file has {len(nodes)} convolutions; the network has only '
                         f'{len(convolutions)}')
    for node, index in zip(nodes, convolutions):
        layer, weight = layers[index], values[node.input[1]]
        if weight.shape != layer.weight.shape:
            raise ValueError(f'{node.name} has the shape {tuple(weight.shape)}; the network '
                             f'needs {tuple(layer.weight.shape)}')
        layer.weight.copy_(weight)
        if len(node.input) > 2:
            bias = values[node.input[2]].to(layer.weight.device)
            if layer.bias is not None:
                layer.bias.copy_(bias)
            else:
                layers[index + 1].shift = bias
