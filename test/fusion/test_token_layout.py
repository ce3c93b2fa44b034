# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A Transpose between tokens and an image moves to the image."""

import numpy as np
import pytest
from transformer_networks import run, SHAPES, Transformer

from trt_segmentation.fusion.fixed_shapes import fix_shapes
from trt_segmentation.fusion.graph_edit import attribute, GraphEdit
from trt_segmentation.fusion.token_layout import move_transposes


def move(net, output):
    model = net.model(output, dynamic=False)
    before = run(model)
    fix_shapes(model, SHAPES)
    graph = GraphEdit(model)
    count = move_transposes(graph)
    graph.finish()
    assert np.array_equal(run(model), before)
    return count, [(node.op_type, *attribute(node, 'perm', ())) for node in model.graph.node
                   if node.op_type in ('Transpose', 'Reshape')]


def test_the_image_is_turned_instead_of_the_tokens():
    net = Transformer()
    x = net.norm('norm', net.tokens('tokens', net.conv('patches', 'image', 16, 8, 8)))
    count, nodes = move(net, net.image('grid', x, 9, 13))
    assert count == 2
    assert nodes == [('Transpose', 0, 2, 3, 1), ('Reshape',), ('Reshape',),
                     ('Transpose', 0, 3, 1, 2)]


@pytest.mark.parametrize('shape', [[0, 8, -1], [0, 16, 9, 13, 1]])
def test_another_reshape_stays(shape):
    net = Transformer()
    x = net.add('Relu', 'relu', net.tokens('tokens', net.conv('patches', 'image', 16, 8, 8)))
    y = net.add('Transpose', 'turn', x, perm=[0, 2, 1])
    z = net.add('Reshape', 'other', y, net.constant('shape', shape))
    net.constant('large', [0, 16, 9, 13])
    count, nodes = move(net, net.add('Reshape', 'grid', z, 'large'))
    assert count == 1       # only the way to the tokens
    assert nodes[2:] == [('Transpose', 0, 2, 1), ('Reshape',), ('Reshape',)]
