# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Attention layers of several exporters become MultiHeadAttention."""

import numpy as np
from onnx import numpy_helper
import pytest
from transformer_networks import count_nodes, run, SHAPES, vision_transformer

from trt_segmentation.fusion.attention import fuse_attention
from trt_segmentation.fusion.fixed_shapes import fix_shapes
from trt_segmentation.fusion.graph_edit import attribute, GraphEdit


def fuse(model):
    fix_shapes(model, SHAPES)
    graph = GraphEdit(model)
    count = fuse_attention(graph)
    graph.finish()
    return count


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('turned', [True, False])
@pytest.mark.parametrize('scaled', ['both', 'scores', 'not'])
def test_the_layer_is_replaced(bias, turned, scaled):
    model = vision_transformer(bias=bias, turned=turned, scaled=scaled)
    before = run(model)
    assert fuse(model) == 1
    (layer,) = [node for node in model.graph.node if node.op_type == 'MultiHeadAttention']
    assert (layer.domain, attribute(layer, 'num_heads', 0)) == ('com.microsoft', 4)
    assert attribute(layer, 'scale', 0) == pytest.approx(1 if scaled == 'not' else 0.5)
    assert len(layer.input) == 3 + bias
    found = count_nodes(model)
    assert (found['Softmax'], found['Div'], found['Transpose'], found['Reshape']) == (0, 0, 2, 2)
    assert found['Add'] == 2        # the last linear layer, and the sum after it
    assert np.abs(run(model) - before).max() < 1e-5


def test_the_biases_of_query_key_and_value_are_joined():
    model = vision_transformer()
    biases = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert fuse(model) == 1
    (layer,) = [node for node in model.graph.node if node.op_type == 'MultiHeadAttention']
    (joined,) = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer
                 if tensor.name == layer.input[3]]
    assert np.array_equal(joined, np.concatenate([
        biases[f'attention/{part}.bias'] for part in ('query', 'key', 'value')]))


def _read_softmax_twice(model):
    model.graph.node.insert(-1, model.graph.node[-1])
    del model.graph.node[-1]
    (softmax,) = [node for node in model.graph.node if node.op_type == 'Softmax']
    model.graph.output.add().name = softmax.output[0]


def _change(operator, **values):
    def change(model):
        (node,) = [node for node in model.graph.node if node.name == operator]
        for part in node.attribute:
            if part.name in values:
                value = values[part.name]
                if isinstance(value, int):
                    part.i = value
                else:
                    part.ints[:] = value
    return change


@pytest.mark.parametrize('change', [
    _read_softmax_twice, _change('attention/softmax', axis=-2),
    _change('attention/turned', perm=[0, 3, 1, 2])])
def test_something_else_is_not_replaced(change):
    model = vision_transformer(scaled='not')
    change(model)
    before = count_nodes(model)
    assert fuse(model) == 0
    assert count_nodes(model)['Softmax'] == before['Softmax'] == 1
