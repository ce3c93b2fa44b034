# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Small networks with attention layers, as PyTorch exports them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
from segmentation_networks import CLASSES, Net

SIZE = (64, 96)
SHAPES = {'image': (1, 3, *SIZE)}
"""The input shape of the networks, as the package passes it."""


class Transformer(Net):
    """Builds a network with tokens. A tensor of tokens has the shape (batch, tokens, channels)."""

    def linear(self, name: str, x: str, channels: int, bias: bool = True) -> str:
        into = self.channels[x]
        weight = self.rng.normal(0, into ** -0.5, (into, channels)).astype(np.float32)
        y = self.add('MatMul', f'{name}/MatMul', x, self.constant(f'{name}.weight', weight),
                     channels=channels)
        if not bias:
            return y
        added = self.rng.normal(0, 1, channels).astype(np.float32)
        return self.add('Add', f'{name}/Add', self.constant(f'{name}.bias', added), y,
                        channels=channels)

    def norm(self, name: str, x: str) -> str:
        count = self.channels[x]
        scale, bias = (self.rng.normal(mean, 0.2, count).astype(np.float32) for mean in (1, 0))
        return self.add('LayerNormalization', name, x, self.constant(f'{name}.weight', scale),
                        self.constant(f'{name}.bias', bias), axis=-1)

    def tokens(self, name: str, x: str) -> str:
        """Turn an image into tokens."""
        shape = self.constant(f'{name}.flat', [0, self.channels[x], -1])
        return self.add('Transpose', name, self.add('Reshape', f'{name}/flat', x, shape),
                        perm=[0, 2, 1])

    def image(self, name: str, x: str, height: int, width: int) -> str:
        """Turn tokens into an image."""
        shape = self.constant(f'{name}.shape', [0, self.channels[x], height, width])
        return self.add('Reshape', name, self.add('Transpose', f'{name}/turn', x, perm=[0, 2, 1]),
                        shape)

    def heads(self, name: str, x: str, count: int, perm: tuple[int, ...]) -> str:
        shape = self.constant(f'{name}.split', [0, -1, count, self.channels[x] // count])
        return self.add('Transpose', name, self.add('Reshape', f'{name}/split', x, shape),
                        perm=perm)

    def attention(self, name: str, x: str, context: str, heads: int, *, bias: bool = True,
                  turned: bool = False, scaled: str = 'both', masked: bool = False) -> str:
        """Add an attention layer without its last linear layer.

        :param context: the tokens from which key and value are computed.
        :param turned: whether the key is turned twice.
        :param scaled: ``both`` scales query and key, ``scores`` divides the scores.
        """
        size = self.channels[x]
        query, key, value = (
            self.linear(f'{name}/{part}', source, size, bias)
            for part, source in (('query', x), ('key', context), ('value', context)))
        query, value = (self.heads(f'{tensor}/heads', tensor, heads, (0, 2, 1, 3))
                        for tensor in (query, value))
        if turned:
            key = self.add('Transpose', f'{name}/again',
                           self.heads(f'{name}/keys', key, heads, (0, 2, 1, 3)), perm=[0, 1, 3, 2])
        else:
            key = self.heads(f'{name}/keys', key, heads, (0, 2, 3, 1))
        root = self.constant(f'{name}.root', np.float32((size / heads) ** 0.25))
        if scaled == 'both':
            query, key = (self.add('Div', f'{tensor}/scaled', tensor, root)
                          for tensor in (query, key))
        scores = self.add('MatMul', f'{name}/scores', query, key)
        if scaled == 'scores':
            scores = self.add('Div', f'{name}/scaled', scores,
                              self.constant(f'{name}.size', np.float32((size / heads) ** 0.5)))
        if masked:
            scores = self.add('Add', f'{name}/masked', scores,
                              self.constant(f'{name}.mask', np.linspace(-3, 3, 117, dtype='f')))
        weights = self.add('Softmax', f'{name}/softmax', scores, axis=-1)
        mixed = self.add('MatMul', f'{name}/mixed', weights, value, channels=size)
        turned_back = self.add('Transpose', f'{name}/turned', mixed, perm=[0, 2, 1, 3])
        return self.add('Reshape', f'{name}/joined', turned_back,
                        self.constant(f'{name}.join', [0, -1, size]))


def vision_transformer(**attention: Any) -> onnx.ModelProto:
    """Make a network with one attention layer; see Transformer.attention for the arguments."""
    net = Transformer()
    x = net.norm('norm0', net.tokens('tokens', net.conv('patches', 'image', 16, 8, 8)))
    y = net.linear('output', net.attention('attention', x, x, 4, **attention), 16)
    x = net.norm('norm1', net.add('Add', 'sum', x, y))
    return net.model(net.conv('head', net.image('grid', x, 9, 13), CLASSES), dynamic=False)


def segformer(dynamic: bool = False) -> onnx.ModelProto:
    """Make a SegFormer with two stages of one block."""
    net = Transformer()
    stages = []
    image = 'image'
    for stage, (stride, channels, height, width) in enumerate([(8, 8, 9, 13), (2, 16, 5, 7)]):
        kernel = 2 * stride if stride > 2 else 3
        image = net.conv(f's{stage}/patches', image, channels, kernel, stride)
        x = net.norm(f's{stage}/norm0', net.tokens(f's{stage}/tokens', image))
        small = net.conv(f's{stage}/reduce', net.image(f's{stage}/grid', x, height, width),
                         channels, 3, 2)
        context = net.norm(f's{stage}/norm1', net.tokens(f's{stage}/context', small))
        y = net.attention(f's{stage}/attention', x, context, 2)
        x = net.add('Add', f's{stage}/sum0', net.linear(f's{stage}/output', y, channels), x)
        y = net.linear(f's{stage}/fc1', net.norm(f's{stage}/norm2', x), 2 * channels)
        y = net.conv(f's{stage}/depthwise', net.image(f's{stage}/wide', y, height, width),
                     2 * channels, 3, depthwise=True)
        y = net.linear(f's{stage}/fc2', net.tokens(f's{stage}/back', y), channels)
        x = net.norm(f's{stage}/norm3', net.add('Add', f's{stage}/sum1', y, x))
        image = net.image(f's{stage}/image', x, height, width)
        stages.append(image)
    return net.model(_decode(net, stages), dynamic=False)


def _decode(net: Transformer, stages: list[str]) -> str:
    large = []
    for stage, (image, height, width) in enumerate(zip(stages, (9, 5), (13, 7))):
        x = net.linear(f'd{stage}/linear', net.tokens(f'd{stage}/tokens', image), 12)
        x = net.image(f'd{stage}/image', x, height, width)
        large.append(net.resize_like(f'd{stage}/resize', x, stages[0]))
    joined = net.add('Concat', 'joined', *reversed(large), channels=24, axis=1)
    return net.conv('classifier', net.add('Relu', 'relu', net.conv('fuse', joined, 12)), CLASSES)


def count_nodes(model: onnx.ModelProto) -> Counter[str]:
    """Count the nodes of each operator."""
    return Counter(node.op_type for node in model.graph.node)


def run(model: onnx.ModelProto) -> np.ndarray[Any, Any]:
    """Run a network on the CPU with random pixels, and return its only output."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=['CPUExecutionProvider'])
    pixels = np.random.default_rng(1).normal(0, 1, SHAPES['image']).astype(np.float32)
    output: np.ndarray[Any, Any] = session.run(None, {'image': pixels})[0]
    return output
