# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A network with fused layers gives the same output as before."""

import numpy as np
import onnx
from onnx import helper, TensorProto
import pytest
from segmentation_networks import lraspp
from transformer_networks import count_nodes, run, segformer, SHAPES, vision_transformer

from trt_segmentation.fusion.fuse import fuse_layers


@pytest.mark.parametrize('network,counts', [
    (segformer, {'attention': 2, 'skip norm': 4, 'transpose': 16, 'convolution': 1}),
    (vision_transformer, {'attention': 1, 'skip norm': 1, 'transpose': 2, 'convolution': 0})])
def test_the_output_stays_the_same(network, counts):
    model = network()
    before = run(model)
    fused, found = fuse_layers(model, SHAPES)
    assert found == counts
    assert count_nodes(model)['Softmax'] == counts['attention']
    found = count_nodes(fused)
    assert (found['MultiHeadAttention'], found['SkipLayerNormalization'], found['Softmax']) == (
        counts['attention'], counts['skip norm'], 0)
    onnx.checker.check_model(fused)
    assert np.abs(run(fused) - before).max() < 1e-5 < before.std()


def test_a_network_with_a_dynamic_shape_gets_a_fixed_shape():
    model = segformer()
    before = run(model)
    for side, name in zip(model.graph.input[0].type.tensor_type.shape.dim, 'bchw'):
        side.dim_param = name
    for side in model.graph.output[0].type.tensor_type.shape.dim:
        side.dim_param = 'o'
    fused, counts = fuse_layers(model, SHAPES)
    assert counts['attention'] == 2
    assert [side.dim_value for side in fused.graph.input[0].type.tensor_type.shape.dim] == [
        1, 3, 64, 96]
    assert np.abs(run(fused) - before).max() < 1e-5


def _with_inner_graph() -> onnx.ModelProto:
    model = vision_transformer()
    inner = helper.make_graph([helper.make_node('Identity', ['head'], ['inner'])], 'inner', [],
                              [helper.make_tensor_value_info('inner', TensorProto.FLOAT, None)])
    always = helper.make_node('Constant', [], ['always'], value=helper.make_tensor(
        'true', TensorProto.BOOL, [], [True]))
    model.graph.node.pop()
    model.graph.node.extend([always, helper.make_node(
        'If', ['always'], ['logits'], then_branch=inner, else_branch=inner)])
    return model


@pytest.mark.parametrize('network', [
    lraspp, lambda: vision_transformer(masked=True), _with_inner_graph])
def test_another_network_stays_as_it_is(network):
    model = network()
    before = model.SerializeToString()
    fused, counts = fuse_layers(model, SHAPES)
    assert fused is model and counts == {}
    assert model.SerializeToString() == before
