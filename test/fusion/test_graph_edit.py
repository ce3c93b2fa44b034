# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes of a graph are found and replaced."""

import numpy as np
import pytest
from transformer_networks import run, SHAPES, Transformer

from trt_segmentation.fusion.fixed_shapes import fix_shapes
from trt_segmentation.fusion.graph_edit import GraphEdit


@pytest.fixture
def model():
    net = Transformer()
    x = net.add('Relu', 'relu', net.conv('conv', 'image', 8, 8, 8))
    y = net.add('Add', 'sum', x, net.add('Sigmoid', 'sigmoid', x))
    model = net.model(y, dynamic=False)
    fix_shapes(model, SHAPES)
    return model


@pytest.fixture
def graph(model):
    return GraphEdit(model)


def test_nodes_are_found(graph):
    assert graph.find_maker('relu', 'Relu').name == 'relu'
    assert graph.find_maker('relu', 'Conv') is None and graph.find_maker('image', 'Relu') is None
    assert [node.name for node in graph.find_users('relu', 'Add')] == ['sum']
    assert graph.find_only_user('conv', 'Relu').name == 'relu'
    assert graph.find_only_user('relu', 'Add') is None      # Sigmoid reads it too
    assert graph.find_only_user('conv', 'Add') is None
    assert graph.is_read_once('conv') and not graph.is_read_once('relu')
    assert not graph.is_read_once('logits')
    assert graph.shape('relu') == (1, 8, 9, 13) and graph.shape('missing') == ()


def test_a_replaced_node_and_unused_nodes_and_weights_are_deleted(graph, model):
    (node,) = graph.nodes('Add')
    zero = graph.add_constant(np.zeros((1, 8, 9, 13), np.float32))
    graph.add_constant(np.ones(3, np.float32))
    graph.replace([node], [graph.make_node('Sum', [zero], 'sum')])
    graph.finish()
    assert [node.op_type for node in model.graph.node] == ['Sum', 'Identity']
    assert [tensor.name for tensor in model.graph.initializer] == [zero]
    assert not run(model).any()


def test_new_names_differ_from_all_names(graph):
    names = {graph.new_name('Relu') for _ in range(3)}
    assert len(names) == 3 and all(graph.find_maker(name, 'Relu') is None for name in names)


def test_a_bias_is_split_off_only_if_nobody_else_reads_the_sum():
    net = Transformer()
    x = net.linear('linear', net.tokens('tokens', net.conv('conv', 'image', 8, 8, 8)), 8)
    net.add('Relu', 'relu', x)
    model = net.model('relu', dynamic=False)
    fix_shapes(model, SHAPES)
    graph = GraphEdit(model)
    assert graph.split_bias(x) == ('linear/MatMul', 'linear.bias')
    assert graph.split_bias('tokens') == ('tokens', '')
    model.graph.output.add().name = x
    assert GraphEdit(model).split_bias(x) == (x, '')
