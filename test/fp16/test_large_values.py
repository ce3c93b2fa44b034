# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Find the values and the weights that FP16 cannot hold, and the nodes that touch them."""

import numpy as np
from onnx import TensorProto
import pytest
import segmentation_networks
from segmentation_networks import Net

from trt_segmentation.builder.graph import run_model
from trt_segmentation.builder.precision import convert_to_fp16
from trt_segmentation.fp16.large_values import (
    find_large_weights,
    find_nodes_of,
    FP16_MAX,
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
    assert all(a is b for a, b in zip(values.watch(given), given, strict=True))
    largest = max(float(np.abs(frame).max()) for frame in given) * 1e6
    assert values.above_fp16() == {'/minus': pytest.approx(largest, rel=1e-6),
                                   '/times': pytest.approx(largest, rel=1e-6)}


def test_the_limit_itself_is_within_fp16():
    net = Net()
    x = net.add('Relu', '/relu', 'image')
    values = LargestValues(net.model(net.add('Identity', '/same', x)))
    list(values.watch([np.full((1, 3, 4, 4), FP16_MAX, np.float32)]))
    assert values.above_fp16() == {}
    list(values.watch([np.full((1, 3, 4, 4), FP16_MAX + 32, np.float32)]))
    assert values.above_fp16() == dict.fromkeys(('/relu', '/same', 'logits'), FP16_MAX + 32)


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
    list(values.watch([frame]))
    kept = find_nodes_of(model, values.above_fp16())
    assert kept == (('/times',) if last else ('/times', '/part'))
    before, after = (run_model(m, {'image': frame})[0]
                     for m in (model, convert_to_fp16(model, kept)))
    assert after.dtype == np.float32 and np.isfinite(after).all()
    np.testing.assert_allclose(after, before, rtol=0, atol=2e-3 * np.abs(before).max())
    converted = convert_to_fp16(model, kept)
    kinds = {t.name: t.data_type for t in converted.graph.initializer}
    assert kinds['factor'] == TensorProto.FLOAT and kinds['/conv.weight'] == TensorProto.FLOAT16
