# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A 1×1 convolution moves in front of the Resizes."""

import numpy as np
import pytest
from transformer_networks import count_nodes, run, SHAPES, Transformer

from trt_segmentation.fusion.fixed_shapes import fix_shapes
from trt_segmentation.fusion.graph_edit import GraphEdit
from trt_segmentation.fusion.late_resize import convolve_before_resize
from trt_segmentation.fusion.token_layout import move_transposes


def decoder(resized=2, kept=1, channels=8, kernel=1, linear=False, scales=False):
    """Make a decoder that joins ``resized`` enlarged images and ``kept`` images."""
    net = Transformer()
    large = net.conv('large', 'image', 16, 8, 8)
    parts = [net.conv(f'kept{index}', large, 16) for index in range(kept)]
    for index in range(resized):
        small = net.conv(f'small{index}', large, 16, 3, 2)
        if linear:
            small = net.image(f'grid{index}', net.linear(f'linear{index}', net.tokens(
                f'tokens{index}', small), 16), 5, 7)
        parts.append(net.upsample(f'resize{index}', small, 1.9) if scales
                     else net.resize_like(f'resize{index}', small, large))
    joined = net.add('Concat', 'joined', *parts, channels=16 * len(parts), axis=1)
    return net.model(net.add('Relu', 'relu', net.conv('fuse', joined, channels, kernel)),
                     dynamic=False)


def move(model):
    fix_shapes(model, SHAPES)
    graph = GraphEdit(model)
    move_transposes(graph)
    count = convolve_before_resize(graph)
    graph.finish()
    return count


@pytest.mark.parametrize('linear', [False, True])
def test_the_convolution_reads_the_small_images(linear):
    model = decoder(linear=linear)
    before = run(model)
    found = count_nodes(model)
    assert move(model) == 1
    after = count_nodes(model)
    assert (after['Concat'], after['Resize'], after['Sum']) == (0, 2, 1)
    # The linear layers take the weights of the convolution. The kept image has no linear layer.
    assert after['Conv'] - found['Conv'] == (0 if linear else 2)
    assert after['MatMul'] == found['MatMul'] == (2 if linear else 0)
    assert np.abs(run(model) - before).max() < 1e-5 < before.std()


def test_the_scales_of_a_resize_stay():
    model = decoder(resized=2, kept=0, scales=True)
    before = run(model)
    assert move(model) == 1
    assert before.shape == (1, 8, 9, 13)
    assert np.abs(run(model) - before).max() < 1e-5


def test_a_resize_to_the_same_size_is_left_out():
    net = Transformer()
    large = net.conv('large', 'image', 16, 8, 8)
    parts = [net.resize_like(f'resize{index}', large, large) for index in range(2)]
    joined = net.add('Concat', 'joined', *parts, channels=32, axis=1)
    model = net.model(net.conv('fuse', joined, 8), dynamic=False)
    before = run(model)
    assert move(model) == 1 and count_nodes(model)['Resize'] == 0
    assert np.abs(run(model) - before).max() < 1e-5


@pytest.mark.parametrize('changes', [
    {'kernel': 3}, {'channels': 17}, {'resized': 1, 'kept': 2}, {'resized': 1, 'kept': 0}])
def test_another_convolution_stays(changes):
    model = decoder(**changes)
    before = run(model)
    found = count_nodes(model)
    assert move(model) == 0
    assert count_nodes(model)['Resize'] == found['Resize'] == changes.get('resized', 2)
    assert np.array_equal(run(model), before)
