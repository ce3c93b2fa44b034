# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Show on a CPU what FP16 does to a network: overflow, rounding, and nothing else."""

import functools

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest
import segmentation_networks
from segmentation_networks import Net

from trt_segmentation.builder.calibration import measure_ranges
from trt_segmentation.builder.graph import run_model, simplify_model
from trt_segmentation.builder.precision import choose_int8_nodes, convert_to_fp16, convert_to_int8
from trt_segmentation.fp16.rounding import round_like_fp16


@functools.cache
def network(family):
    return simplify_model(segmentation_networks.FAMILIES[family](), {'image': (1, 3, 64, 96)})


def frame(seed=0):
    return np.random.default_rng(seed).standard_normal((1, 3, 64, 96)).astype(np.float32)


def test_overflow_is_infinite_as_on_a_gpu():
    """Without the rounding, ONNX Runtime computes finite labels on this CPU."""
    model = convert_to_fp16(segmentation_networks.overflowing())
    (shown,) = run_model(round_like_fp16(model), {'image': frame()})
    assert not np.isfinite(shown).all()


def test_every_fp16_value_is_rounded_once():
    net = Net()
    y = net.add('Mul', '/third', 'image', net.constant('third', np.float32(1 / 3)))
    y = net.add('Exp', '/exp', y)
    model = convert_to_fp16(net.model(net.add('Relu', '/relu', y)))
    half = frame().astype(np.float16)
    third = (half.astype(np.float32) * np.float32(np.float16(1 / 3))).astype(np.float16)
    expected = np.exp(third.astype(np.float32)).astype(np.float16).astype(np.float32)
    (shown,) = run_model(round_like_fp16(model), {'image': frame()})
    assert np.count_nonzero(shown != expected) <= 2     # exp() differs in its last bit, rarely


@pytest.mark.parametrize('family', segmentation_networks.FAMILIES)
@pytest.mark.parametrize('precision', ['fp16', 'mixed'])
def test_networks_stay_close(family, precision):
    model = network(family)
    changed = (convert_to_fp16(model) if precision == 'fp16' else convert_to_int8(
        model, measure_ranges(model, [frame(1), frame(2)], ['minmax'])['minmax'],
        choose_int8_nodes(model, precision).int8))
    shown = round_like_fp16(changed)
    onnx.checker.check_model(shown, full_check=True)
    casts = [node for node in shown.graph.node if node.op_type == 'Cast']
    assert len(casts) > len([n for n in changed.graph.node if n.op_type == 'Conv'])
    before, given, after = (run_model(m, {'image': frame()})[0] for m in (model, changed, shown))
    size = float(np.sqrt(np.mean(before ** 2)))
    assert float(np.sqrt(np.mean((after - given) ** 2))) < (0.003 if precision == 'fp16'
                                                            else 0.05) * size


def test_networks_without_fp16_and_fp16_networks_are_left_alone():
    model = network('unet')
    assert round_like_fp16(model) is model
    graph = helper.make_graph(
        [helper.make_node('Add', ['x', 'one'], ['y'])], 'g',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT16, [1])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT16, [1])],
        [numpy_helper.from_array(np.float16(1), 'one')])
    half = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 19)], ir_version=9)
    assert round_like_fp16(half) is half
