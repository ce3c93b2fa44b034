# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Add and LayerNormalization become SkipLayerNormalization."""

import numpy as np
import onnx
import pytest
from transformer_networks import count_nodes, run, SHAPES, Transformer

from trt_segmentation.fusion.fixed_shapes import fix_shapes
from trt_segmentation.fusion.graph_edit import GraphEdit
from trt_segmentation.fusion.skip_norm import fuse_skip_norm


def network(biased: int | None = None, again: bool = False,
            constant: bool = False) -> onnx.ModelProto:
    """Make a network with one sum and one normalisation.

    :param biased: the index of the summand to which a bias is added; None for no bias.
    :param again: whether another node reads the sum too.
    :param constant: whether the second summand is a constant of another shape.
    """
    net = Transformer()
    x = net.tokens('tokens', net.conv('patches', 'image', 16, 8, 8))
    parts = [net.linear(f'linear{index}', x, 16, bias=index == biased) for index in (0, 1)]
    if constant:
        parts[1] = net.constant('constant', net.rng.normal(0, 1, (1, 1, 16)).astype(np.float32))
    total = net.add('Add', 'sum', *parts)
    y = net.norm('norm', total)
    return net.model(net.image('grid', net.add('Mul', 'product', y, total) if again else y, 9, 13),
                     dynamic=False)


def fuse(model):
    fix_shapes(model, SHAPES)
    graph = GraphEdit(model)
    count = fuse_skip_norm(graph)
    graph.finish()
    return count


@pytest.mark.parametrize('again', [False, True])
@pytest.mark.parametrize('biased', [None, 0, 1])
def test_the_pair_is_replaced(biased, again):
    model = network(biased, again)
    before = run(model)
    assert fuse(model) == 1
    (node,) = [node for node in model.graph.node if node.op_type == 'SkipLayerNormalization']
    assert len(node.input) == (4 if biased is None else 5)
    found = count_nodes(model)
    assert (found['Add'], found['LayerNormalization']) == (0, 0)
    assert np.abs(run(model) - before).max() < 1e-5


def _with_another_axis():
    model = network()
    (node,) = [node for node in model.graph.node if node.op_type == 'LayerNormalization']
    node.attribute[0].i = 1
    for name in node.input[1:]:
        (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.ones((117, 16), np.float32), name))
    return model


def _without_bias():
    model = network()
    (node,) = [node for node in model.graph.node if node.op_type == 'LayerNormalization']
    node.input.pop()
    return model


@pytest.mark.parametrize('make', [
    lambda: network(constant=True), _with_another_axis, _without_bias])
def test_another_pair_is_not_replaced(make):
    model = make()
    before = run(model)
    assert fuse(model) == 0
    assert count_nodes(model)['LayerNormalization'] == 1
    assert np.array_equal(run(model), before)
