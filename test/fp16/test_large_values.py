# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the values and the weights that FP16 cannot hold, and the nodes that touch them."""

import numpy as np
from onnx import helper, TensorProto
import pytest
import segmentation_networks
from segmentation_networks import Net

from trt_segmentation.builder.graph import run_model
from trt_segmentation.builder.precision import convert_to_fp16
from trt_segmentation.fp16.large_values import (
    find_large_weights,
    find_nodes_of,
    FP16_MAX,
    FP32_MAX,
    LargestValues,
)


def frames(count, scale=1.0):
    rng = np.random.default_rng(0)
    return [(scale * rng.standard_normal((1, 3, 64, 96))).astype(np.float32)
            for _ in range(count)]


def test_largest_value_is_that_of_all_frames_and_both_signs():
    net = Net()
    y = net.add('Neg', '/minus', net.add('Mul', '/times', 'image',
                                         net.constant('k', np.float32(1e6))))
    values = LargestValues(net.model(net.add('Mul', '/back', y, net.constant(
        'l', np.float32(1e-6)))))
    given = frames(3)
    for frame in given:
        values.measure(frame)
    largest = max(float(np.abs(frame).max()) for frame in given) * 1e6
    assert values.above_fp16() == {'/minus': pytest.approx(largest, rel=1e-6),
                                   '/times': pytest.approx(largest, rel=1e-6)}


def test_the_limit_itself_is_within_fp16():
    net = Net()
    x = net.add('Relu', '/relu', 'image')
    values = LargestValues(net.model(net.add('Identity', '/same', x)))
    values.measure(np.full((1, 3, 4, 4), FP16_MAX, np.float32))
    assert values.above_fp16() == {}
    values.measure(np.full((1, 3, 4, 4), FP16_MAX + 32, np.float32))
    assert values.above_fp16() == dict.fromkeys(('/relu', '/same', 'logits'), FP16_MAX + 32)


def test_infinity_and_nan_count_as_large():
    net = Net()
    y = net.add('Log', '/log', net.add('Relu', '/relu', 'image'))        # log(0) is minus infinity
    values = LargestValues(net.model(net.add('Mul', '/nan', y, '/relu')))     # times 0 is NaN
    values.measure(np.zeros((1, 3, 4, 4), np.float32))
    assert values.above_fp16() == dict.fromkeys(('/log', '/nan', 'logits'), FP32_MAX)


def test_a_network_in_fp16_has_nothing_to_measure():
    graph = helper.make_graph(
        [helper.make_node('Relu', ['x'], ['y'])], 'g',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT16, [1])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT16, [1])])
    values = LargestValues(helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 19)], ir_version=9))
    values.measure(np.ones(1, np.float16))
    assert values.above_fp16() == {}


def test_nodes_that_read_or_write_a_tensor():
    model = segmentation_networks.overflowing()
    assert find_nodes_of(model, ['/head/times']) == ('/head/times', '/head/part')
    assert find_nodes_of(model, ['factor']) == ('/head/times',)
    assert find_large_weights(model) == {}
    assert find_large_weights(segmentation_networks.overflowing(7e4)) == {'factor': 7e4}


@pytest.mark.parametrize('last', [False, True])
def test_nodes_that_stay_fp32_give_the_output_and_its_type(last):
    """A node that stays FP32 may be the last node. Its output keeps its type then too."""
    net = Net()
    y = net.conv('/conv', 'image', 5, 3)
    y = net.add('Mul', '/times', y, net.constant('factor', np.float32(60000)))
    y = y if last else net.add('Mul', '/part', y, net.constant('part', np.float32(1 / 60000)))
    model = net.model(y)
    if last:    # without the Identity, so that the product is the output of the network
        del model.graph.node[-1]
        model.graph.node[-1].output[0] = 'logits'
    (frame,) = frames(1)
    values = LargestValues(model)
    values.measure(frame)
    kept = find_nodes_of(model, values.above_fp16())
    assert kept == (('/times',) if last else ('/times', '/part'))
    before, after = (run_model(m, {'image': frame})[0]
                     for m in (model, convert_to_fp16(model, kept)))
    assert after.dtype == np.float32 and np.isfinite(after).all()
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-3 * np.abs(before).max())
    converted = convert_to_fp16(model, kept)
    kinds = {t.name: t.data_type for t in converted.graph.initializer}
    assert kinds['factor'] == TensorProto.FLOAT and kinds['/conv.weight'] == TensorProto.FLOAT16
