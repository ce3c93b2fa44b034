# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Small versions of the networks in the README: real structure, random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto

CLASSES = 5


class Net:
    """A network under construction. Nodes are named by scope, like exporters name them.

    :param seed: seed of the random weights.
    """

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.channels = {'image': 3}

    def add(self, op: str, name: str, *inputs: str, channels: int = 0, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        self.channels[name] = channels or self.channels[inputs[0]]
        return name

    def constant(self, name: str, value: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def conv(self, name: str, x: str, channels: int, kernel: int = 1, stride: int = 1,
             dilation: int = 1, depthwise: bool = False) -> str:
        into = 1 if depthwise else self.channels[x]
        scale = (2 / (into * kernel ** 2)) ** 0.5
        weight = self.rng.normal(0, scale, (channels, into, kernel, kernel)).astype(np.float32)
        bias = self.rng.normal(0, 0.1, channels).astype(np.float32)
        pad = dilation * (kernel // 2)
        return self.add('Conv', name, x, self.constant(f'{name}.weight', weight),
                        self.constant(f'{name}.bias', bias), channels=channels,
                        kernel_shape=[kernel, kernel], strides=[stride, stride],
                        pads=[pad] * 4, dilations=[dilation, dilation],
                        group=channels if depthwise else 1)

    def upsample(self, name: str, x: str, times: float) -> str:
        scales = self.constant(f'{name}.scales', np.array([1, 1, times, times], np.float32))
        return self.add('Resize', name, x, '', scales, mode='linear',
                        coordinate_transformation_mode='half_pixel')

    def resize_like(self, name: str, x: str, like: str) -> str:
        """Resize to the size of another tensor, like torch exports interpolate(size=…)."""
        shape = self.add('Shape', f'{name}.like', like)
        sides = self.add('Slice', f'{name}.sides', shape, self.constant(f'{name}.2', [2]),
                         self.constant(f'{name}.4', [4]))
        own = self.add('Shape', f'{name}.own', x)
        front = self.add('Slice', f'{name}.front', own, self.constant(f'{name}.0', [0]),
                         self.constant(f'{name}.2b', [2]))
        sizes = self.add('Concat', f'{name}.sizes', front, sides, axis=0)
        return self.add('Resize', name, x, '', '', sizes, mode='linear',
                        channels=self.channels[x], coordinate_transformation_mode='half_pixel')

    def model(self, output: str, dynamic: bool = True, size: tuple[int, int] = (64, 96),
              opset: int = 17) -> onnx.ModelProto:
        sides = ['height', 'width'] if dynamic else list(size)
        batch = 'batch' if dynamic else 1
        self.add('Identity', 'logits', output)
        graph = helper.make_graph(
            self.nodes, 'net',
            [helper.make_tensor_value_info('image', TensorProto.FLOAT, [batch, 3, *sides])],
            [helper.make_tensor_value_info('logits', TensorProto.FLOAT,
                                           [batch, self.channels[output], *sides])],
            self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)],
                                  ir_version=9 if opset < 21 else 10)
        if opset != 18:     # ONNX calls GroupNormalization of opset 18 deprecated
            onnx.checker.check_model(model)
        return model


def _inverted_residual(net: Net, name: str, x: str, channels: int, stride: int) -> str:
    """Add a block of MobileNetV3: expand, depthwise, squeeze and excite, project."""
    wide = 2 * net.channels[x]
    y = net.add('HardSwish', f'{name}/act0', net.conv(f'{name}/expand', x, wide))
    y = net.conv(f'{name}/depthwise', y, wide, 3, stride, depthwise=True)
    y = net.add('HardSwish', f'{name}/act1', y)
    gate = net.add('GlobalAveragePool', f'{name}/se/pool', y)
    gate = net.add('Relu', f'{name}/se/relu', net.conv(f'{name}/se/fc1', gate, 8))
    gate = net.add('HardSigmoid', f'{name}/se/gate', net.conv(f'{name}/se/fc2', gate, wide))
    y = net.conv(f'{name}/project', net.add('Mul', f'{name}/se/mul', y, gate), channels)
    same = stride == 1 and net.channels[x] == channels
    return net.add('Add', f'{name}/add', y, x) if same else y


def lraspp(dynamic: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Build LR-ASPP on MobileNetV3."""
    net = Net(seed)
    x = net.add('HardSwish', '/backbone/stem/act', net.conv('/backbone/stem', 'image', 8, 3, 2))
    low = _inverted_residual(net, '/backbone/1', x, 16, 2)
    low = _inverted_residual(net, '/backbone/2', low, 16, 1)
    x = _inverted_residual(net, '/backbone/3', low, 24, 2)
    x = _inverted_residual(net, '/backbone/4', x, 24, 1)
    x = net.add('HardSwish', '/backbone/last/act', net.conv('/backbone/last', x, 48))
    y = net.add('Relu', '/classifier/cbr/relu', net.conv('/classifier/cbr', x, 16))
    gate = net.add('GlobalAveragePool', '/classifier/scale/pool', x)
    gate = net.add('Sigmoid', '/classifier/scale/gate', net.conv('/classifier/scale', gate, 16))
    y = net.add('Mul', '/classifier/mul', y, gate)
    y = net.resize_like('/classifier/up', y, low)
    y = net.add('Add', '/classifier/add', net.conv('/classifier/high', y, CLASSES),
                net.conv('/classifier/low', low, CLASSES))
    return net.model(net.resize_like('/up', y, 'image'), dynamic)


def _basic_block(net: Net, name: str, x: str, channels: int, stride: int = 1,
                 dilation: int = 1) -> str:
    y = net.add('Relu', f'{name}/relu1', net.conv(f'{name}/conv1', x, channels, 3, stride,
                                                   dilation))
    y = net.conv(f'{name}/conv2', y, channels, 3, 1, dilation)
    if stride > 1 or net.channels[x] != channels:
        x = net.conv(f'{name}/downsample', x, channels, 1, stride)
    return net.add('Relu', f'{name}/relu2', net.add('Add', f'{name}/add', y, x))


def deeplabv3(dynamic: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Build DeepLabV3 on a ResNet: ASPP with dilated branches and image pooling."""
    net = Net(seed)
    x = net.add('Relu', '/backbone/relu', net.conv('/backbone/conv1', 'image', 16, 7, 2))
    x = net.add('MaxPool', '/backbone/maxpool', x, kernel_shape=[3, 3], strides=[2, 2],
                pads=[1, 1, 1, 1])
    x = _basic_block(net, '/backbone/layer1', x, 16)
    x = _basic_block(net, '/backbone/layer2', x, 32, 2)
    x = _basic_block(net, '/backbone/layer3', x, 32, 1, 2)
    branches = [net.add('Relu', f'/classifier/aspp{d}/relu',
                        net.conv(f'/classifier/aspp{d}', x, 16, 3, 1, d)) for d in (2, 4)]
    pooled = net.add('GlobalAveragePool', '/classifier/pool', x)
    pooled = net.add('Relu', '/classifier/pool/relu', net.conv('/classifier/pool/conv', pooled,
                                                               16))
    branches.append(net.resize_like('/classifier/pool/up', pooled, x))
    y = net.add('Concat', '/classifier/concat', *branches, axis=1, channels=48)
    y = net.add('Relu', '/classifier/project/relu', net.conv('/classifier/project', y, 16))
    y = net.conv('/classifier/out', y, CLASSES)
    return net.model(net.resize_like('/up', y, 'image'), dynamic)


def unet(dynamic: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Build a UNet: no residuals, skip connections at every level."""
    net, skips, x = Net(seed), [], 'image'
    for level, channels in enumerate((8, 16, 32)):
        for part in (1, 2):
            name = f'/down{level}/conv{part}'
            x = net.add('Relu', f'{name}/relu', net.conv(name, x, channels, 3))
        skips.append(x)
        x = net.add('MaxPool', f'/down{level}/pool', x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add('Relu', '/middle/relu', net.conv('/middle/conv', x, 64, 3))
    for level in (2, 1, 0):
        x = net.upsample(f'/up{level}/resize', x, 2.0)
        total = net.channels[x] + net.channels[skips[level]]
        x = net.add('Concat', f'/up{level}/concat', skips[level], x, axis=1, channels=total)
        x = net.add('Relu', f'/up{level}/relu', net.conv(f'/up{level}/conv', x, 8 << level, 3))
    return net.model(net.conv('/out', x, CLASSES), dynamic)


def hrnet(dynamic: bool = True, seed: int = 0) -> onnx.ModelProto:
    """Build an HRNet: two branches exchange features at every stage, so resizing starts early."""
    net = Net(seed)
    high = net.add('Relu', '/backbone/stem/relu', net.conv('/backbone/stem', 'image', 8, 3, 2))
    low = net.add('Relu', '/backbone/1/relu', net.conv('/backbone/1', high, 16, 3, 2))
    for stage in (2, 3):
        name = f'/backbone/{stage}'
        high = _basic_block(net, f'{name}/high', high, 8)
        low = _basic_block(net, f'{name}/low', low, 16)
        down = net.conv(f'{name}/to_low', high, 16, 3, 2)
        # The enlarged features of the last stage are never reduced again, so they belong to the
        # head.
        above = name if stage == 2 else '/head'
        up = net.upsample(f'{above}/up', net.conv(f'{above}/to_high', low, 8), 2.0)
        high = net.add('Relu', f'{above}/high/fused', net.add('Add', f'{above}/sum', high, up))
        low = net.add('Relu', f'{name}/low/fused', net.add('Add', f'{name}/low/sum', low, down))
    y = net.add('Concat', '/head/concat', high, net.upsample('/head/enlarge', low, 2.0), axis=1,
                channels=24)
    y = net.add('Relu', '/head/relu', net.conv('/head/conv', y, 16))
    return net.model(net.resize_like('/up', net.conv('/head/out', y, CLASSES), 'image'), dynamic)


def _normalise(net: Net, name: str, x: str, kind: str, opset: int) -> str:
    """Add a GroupNormalization, or a LayerNormalization over the channels."""
    channels, groups = net.channels[x], 4
    count = groups if kind == 'GroupNormalization' and opset < 21 else channels
    given = [net.constant(f'{name}.{part}', np.full(count, value, np.float32))
             for part, value in (('scale', 1.1), ('bias', 0.1))]
    if kind == 'GroupNormalization':
        return net.add(kind, name, x, *given, num_groups=groups)
    last = net.add('Transpose', f'{name}/to', x, perm=[0, 2, 3, 1])
    return net.add('Transpose', f'{name}/from', net.add(kind, name, last, *given, axis=-1),
                   perm=[0, 3, 1, 2])


def normalised(kind: str, opset: int) -> onnx.ModelProto:
    """Build a residual network with GroupNormalization or LayerNormalization."""
    net = Net()
    x = net.add('Relu', '/backbone/relu', _normalise(
        net, '/backbone/norm1', net.conv('/backbone/conv1', 'image', 8, 3, 2), kind, opset))
    y = _normalise(net, '/backbone/norm2', net.conv('/backbone/conv2', x, 8, 3), kind, opset)
    x = net.add('Relu', '/backbone/out', net.add('Add', '/backbone/add', y, x))
    y = net.add('Relu', '/head/relu', _normalise(
        net, '/head/norm', net.conv('/head/conv', x, 8, 3), kind, opset))
    return net.model(net.upsample('/up', net.conv('/head/out', y, CLASSES), 2.0), opset=opset)


def overflowing(factor: float = 60000.0) -> onnx.ModelProto:
    """Build a network that multiplies its features by a factor, and later divides them again.

    FP32 holds the products. FP16 holds the factor 60000, but not the products.
    """
    net = Net()
    x = net.add('Relu', '/backbone/relu', net.conv('/backbone/in', 'image', 8, 3, 2))
    x = net.add('Add', '/backbone/add', net.conv('/backbone/conv', x, 8, 3), x)
    large = net.add('Mul', '/head/times', x, net.constant('factor', np.float32(factor)))
    small = net.add('Mul', '/head/part', large, net.constant('part', np.float32(1 / factor)))
    return net.model(net.upsample('/up', net.conv('/head/out', small, CLASSES), 2.0))


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write a model to a file; return the path."""
    onnx.save(model, path)
    return path


FAMILIES: dict[str, Callable[..., onnx.ModelProto]] = {
    'lraspp': lraspp, 'deeplabv3': deeplabv3, 'unet': unet, 'hrnet': hrnet}
