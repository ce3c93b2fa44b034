# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files are read within limits, and bad files are refused."""

from hypothesis import given, settings
from hypothesis import strategies as st
from networks import color_classifier, cube_colors
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest

from trt_segmentation.errors import EngineError
from trt_segmentation.untrusted.onnx_file import summarise

COLORS = cube_colors(5)


def saved(path, operators, tensors):
    nodes = [helper.make_node(op, ['x'], [f'y{i}']) for i, op in enumerate(operators)]
    graph = helper.make_graph(nodes, 'g', [], [], [
        numpy_helper.from_array(tensor, f't{i}') for i, tensor in enumerate(tensors)])
    model = helper.make_model(graph, producer_name='me', producer_version='7', ir_version=9,
                              opset_imports=[helper.make_opsetid('com.other', 3),
                                             helper.make_opsetid('', 19)])
    onnx.save(model, path)
    return summarise(path)


def test_facts(tmp_path):
    summary = saved(tmp_path / 'm.onnx', ['Conv', 'Relu', 'Conv'],
                    [np.zeros((2, 3, 4), np.float32), np.zeros(7, np.float16),
                     np.zeros(5, np.int64)])
    assert (summary.opset, summary.ir_version, summary.producer) == (19, 9, 'me 7')
    assert summary.operators == {'Conv': 2, 'Relu': 1}
    assert summary.parameters == {TensorProto.FLOAT: 24, TensorProto.FLOAT16: 7,
                                  TensorProto.INT64: 5}
    assert summary.weight_bytes == 24 * 4 + 7 * 2 + 5 * 8


def test_agrees_with_the_onnx_package(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, stride=2, layout='nhwc')
    model, summary = onnx.load(path), summarise(path)
    assert summary.parameters.total() == sum(
        numpy_helper.to_array(t).size for t in model.graph.initializer)
    assert summary.weight_bytes == sum(
        numpy_helper.to_array(t).nbytes for t in model.graph.initializer)
    assert sorted(summary.operators.elements()) == sorted(n.op_type for n in model.graph.node)


def test_weights_in_constant_nodes_count(tmp_path):
    constant = helper.make_node('Constant', [], ['c'], value=numpy_helper.from_array(
        np.zeros((10, 10), np.float32)))
    onnx.save(helper.make_model(helper.make_graph([constant], 'g', [], [])), tmp_path / 'm.onnx')
    assert summarise(tmp_path / 'm.onnx').parameters == {TensorProto.FLOAT: 100}


@pytest.mark.parametrize('operators, weights, precision', [
    (['Conv'], [np.float32], 'fp32'), (['Conv'], [np.float16], 'fp16'), ([], [], 'fp32'),
    (['QuantizeLinear', 'DequantizeLinear', 'Conv'], [np.float32], 'int8'),
    (['QLinearConv'], [np.int8], 'int8'),
    (['DequantizeLinear', 'Conv'], [np.int8, np.float16], 'mixed')])
def test_precision(tmp_path, operators, weights, precision):
    tensors = [np.zeros(9, dtype) for dtype in weights]
    assert saved(tmp_path / 'm.onnx', operators, tensors).precision == precision


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 10 ** 6))
def test_damage_is_an_error_or_a_summary(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp('damage') / 'm.onnx'
    data = bytearray(color_classifier(path, COLORS).read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, len(data), 4):
        data[place] = rng.integers(0, 256)
    path.write_bytes(data[:rng.integers(0, len(data) + 1)])
    try:
        assert summarise(path).precision
    except EngineError as error:
        assert 'm.onnx is not an ONNX file' in str(error) or 'm.onnx is refused' in str(error)
