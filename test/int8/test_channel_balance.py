# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Balanced channels change no FP32 output, and INT8 loses less."""

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

from trt_segmentation.builder.graph import run_model
from trt_segmentation.builder.precision import activations_read_by, quantise_nodes
from trt_segmentation.errors import GraphError
from trt_segmentation.int8.channel_balance import balance_channels, ChannelMaxima, find_depthwise
from trt_segmentation.int8.histograms import collect_histograms

SPREAD = np.array([16, 8, 4, 1, 1, 1, 1, 1], np.float32)
"""Factor of each channel that the depthwise convolution reads."""


def mobile_block(activation='HardSwish', bias=True):
    """Return a network: a 1x1 convolution, an activation, a depthwise and a 1x1 convolution."""
    rng = np.random.default_rng(0)

    def weight(name, *shape, gain=1.0):
        return numpy_helper.from_array(
            (rng.standard_normal(shape) * gain).astype(np.float32), name)
    weights = [weight('w0', 8, 3, 1, 1, gain=SPREAD[:, None, None, None]),
               weight('w1', 8, 1, 3, 3, gain=1 / SPREAD[:, None, None, None]),
               weight('w2', 4, 8, 1, 1), weight('b0', 8, gain=SPREAD)]
    nodes = [helper.make_node('Conv', ['image', 'w0', *['b0'] * bias], ['x0'], 'expand'),
             helper.make_node(activation, ['x0'], ['x1'], 'act'),
             helper.make_node('Conv', ['x1', 'w1'], ['x2'], 'depthwise', group=8,
                              pads=[1, 1, 1, 1]),
             helper.make_node('Conv', ['x2', 'w2'], ['logits'], 'project')]
    graph = helper.make_graph(
        nodes, 'block', [helper.make_tensor_value_info('image', TensorProto.FLOAT,
                                                       [1, 3, 16, 16])],
        [helper.make_tensor_value_info('logits', TensorProto.FLOAT, [1, 4, 16, 16])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 19)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def images(count=4):
    rng = np.random.default_rng(1)
    return [rng.standard_normal((1, 3, 16, 16)).astype(np.float32) for _ in range(count)]


def measure_exponents(model):
    maxima = ChannelMaxima(model)
    for image in images():
        maxima.measure(image)
    return maxima.exponents()


@pytest.mark.parametrize('activation,bias,added', [
    ('HardSwish', True, 1), ('Relu', True, 0), ('Relu', False, 0)])
def test_fp32_output_stays_the_same_to_the_last_bit(activation, bias, added):
    model = mobile_block(activation, bias)
    before = model.SerializeToString()
    exponents = measure_exponents(model)
    assert list(exponents) == ['depthwise']
    balanced = balance_channels(model, exponents)
    onnx.checker.check_model(balanced)
    assert model.SerializeToString() == before
    assert [node.op_type for node in balanced.graph.node].count('Mul') == added
    for image in images():
        (expected,), (found,) = (run_model(m, {'image': image}) for m in (model, balanced))
        assert np.array_equal(expected, found)


def test_exponents_even_the_channels_out():
    model = mobile_block()
    powers = measure_exponents(model)['depthwise']
    assert int(np.median(powers)) == 0 and powers[0] == min(powers) < 0 < max(powers)
    (name,) = (f'{n}.balanced input' for n in find_depthwise(model))
    balanced = balance_channels(model, {'depthwise': powers})
    balanced.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    largest = np.max([np.abs(run_model(balanced, {'image': x})[1]) for x in images()],
                     (0, 1, 3, 4))
    assert largest.shape == (8,) and largest.max() / largest.min() <= 2


def test_a_silent_channel_gets_the_largest_factor_and_no_larger_one():
    model = mobile_block(bias=False)
    (tensor,) = (t for t in model.graph.initializer if t.name == 'w0')
    weight = numpy_helper.to_array(tensor).copy()
    weight[3] = 0
    tensor.CopyFrom(numpy_helper.from_array(weight, 'w0'))
    powers = measure_exponents(model)['depthwise']
    assert powers[3] == max(powers) == min(powers) + 6


@pytest.mark.parametrize('activation', ['HardSwish', 'Relu'])
def test_int8_loses_less_after_the_balance(activation):
    def loss(model):
        names = ['depthwise']
        histograms = collect_histograms(model, activations_read_by(model, names), images())
        ranges = {name: h.range('minmax') for name, h in histograms.items()}
        changed = quantise_nodes(model, ranges, names)
        return np.mean([np.square(run_model(model, {'image': x})[0]
                                  - run_model(changed, {'image': x})[0]) for x in images()])
    model = mobile_block(activation)
    assert loss(balance_channels(model, measure_exponents(model))) < loss(model) / 5


def test_networks_without_anything_to_balance_stay_as_they_are():
    model = mobile_block()
    del model.graph.node[1:]
    model.graph.node[0].output[0] = 'logits'
    assert measure_exponents(model) == {}
    assert balance_channels(model, {}) is model


def test_a_relu_with_a_second_reader_is_not_changed():
    model = mobile_block('Relu')
    model.graph.node.append(helper.make_node('Identity', ['x1'], ['features'], 'second'))
    model.graph.output.append(helper.make_tensor_value_info('features', TensorProto.FLOAT, None))
    balanced = balance_channels(model, measure_exponents(model))
    assert [node.name for node in balanced.graph.node] == [
        'expand', 'act', 'depthwise.balance', 'depthwise', 'project', 'second']
    for expected, found in zip(*(run_model(m, {'image': images()[0]}) for m in (model, balanced))):
        assert np.array_equal(expected, found)


def test_values_above_fp16_are_not_balanced():
    model = mobile_block()
    for name in ('w0', 'b0'):
        (tensor,) = (t for t in model.graph.initializer if t.name == name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * 1e4, name))
    assert measure_exponents(model) == {}


@pytest.mark.parametrize('exponents,text', [
    ({'gone': [0] * 8}, 'no depthwise convolution of this name'),
    ({'expand': [0] * 8}, 'no depthwise convolution of this name'),
    ({'depthwise': [1, 2]}, 'has 2 factors for depthwise, but depthwise has 8 channels')])
def test_exponents_of_another_network_are_refused(exponents, text):
    with pytest.raises(GraphError, match=text):
        balance_channels(mobile_block(), exponents)
