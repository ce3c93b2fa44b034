# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Builds real engines with TensorRT-RTX. A build needs no GPU."""

import functools
import os
import signal
import weakref

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest
import segmentation_networks

pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx-cu13 is not installed')

from trt_segmentation.builder.build import build_plan, OperatorSupport
from trt_segmentation.builder.calibration import calibrate, measure_ranges
from trt_segmentation.builder.check import check_model
from trt_segmentation.builder.graph import input_shapes, run_model, simplify_model
from trt_segmentation.builder.open_engine import build_graph
from trt_segmentation.builder.precision import choose_int8_nodes, convert_to_fp16, convert_to_int8
from trt_segmentation.builder.prepare import apply_precision, PreparedGraph, read_graph
from trt_segmentation.builder.settings import BuildOptions, Recipe
from trt_segmentation.builder.shapes import make_profile
from trt_segmentation.engines.plan import count_precisions, from_json
from trt_segmentation.engines.tensorrt import BuildLog, trt
from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import InputCard, load_card, ModelCard, spread_palette

FAMILIES = segmentation_networks.FAMILIES
SIZES, BATCH = '64x96/128x192/256x384', '1/2/4'


@functools.cache
def network(family):
    return simplify_model(FAMILIES[family](), {'image': (1, 3, 64, 96)})


def in_precision(model, precision, sides=(64, 96)):
    if precision == 'fp32':
        return model
    if precision == 'fp16':
        return convert_to_fp16(model)
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((1, 3, *sides)).astype(np.float32) for _ in range(2)]
    ranges = measure_ranges(model, frames, ['minmax'])['minmax']
    return convert_to_int8(model, ranges, choose_int8_nodes(model, precision).int8)


@functools.cache
def built(family, precision):
    model = in_precision(network(family), precision)
    return build_plan(model, [make_profile(input_shapes(model), InputCard(), SIZES, BATCH)])[0]


def convolutions(plan):
    """Return a mapping from the name of each convolution node to the precision of its kernel."""
    return {name: layer.precision for layer in from_json(plan.about['layers'])
            if layer.kind in ('correlation', 'gemm') for name in layer.onnx}


@pytest.mark.parametrize('family', FAMILIES)
@pytest.mark.parametrize('precision', ['fp32', 'fp16', 'int8', 'mixed'])
def test_family_builds_with_dynamic_sizes_and_batches(family, precision):
    plan = built(family, precision)
    assert len(plan.data) > 100_000
    assert plan.about['inputs'] == [
        {'name': 'image', 'type': 'fp32', 'shape': [-1, 3, -1, -1]}]
    (output,) = plan.about['outputs']
    assert (output['name'], output['type'], output['shape'][1]) == ('logits', 'fp32', 5)
    assert plan.about['profiles'] == [
        {'image': [[1, 3, 64, 96], [2, 3, 128, 192], [4, 3, 256, 384]]}]
    assert plan.about['layers_are'] == 'built'
    assert plan.about['memory']['weights'] > 0 and plan.about['memory']['activations'] > 0


@pytest.mark.parametrize('family', FAMILIES)
def test_layers_get_the_precision_of_the_graph(family):
    assert set(count_precisions(from_json(built(family, 'fp32').about['layers']))) == {'fp32'}
    half = convolutions(built(family, 'fp16'))
    assert half and set(half.values()) == {'fp16'}


@pytest.mark.parametrize('family', FAMILIES)
def test_mixed_is_int8_in_the_backbone_and_fp16_in_the_head(family):
    chosen = choose_int8_nodes(network(family), 'mixed')
    kernels = convolutions(built(family, 'mixed'))
    weighted = {node.name for node in network(family).graph.node if node.op_type == 'Conv'}
    of_backbone = {kernels[name] for name in chosen.int8 if name in kernels and name in weighted}
    of_head = {kernels[name] for name in chosen.fp16 if name in kernels and name in weighted}
    assert of_backbone == {'int8'}
    assert of_head == {'fp16'}


def test_weights_shrink_with_the_precision():
    sizes = [built('deeplabv3', p).about['memory']['weights'] for p in ('fp32', 'fp16', 'int8')]
    assert sizes[0] > 1.8 * sizes[1] and sizes[1] > 1.5 * sizes[2]


def test_fixed_sizes_need_no_profile():
    model = FAMILIES['unet'](dynamic=False)
    plan, timing = build_plan(model, [])
    assert plan.about['inputs'][0]['shape'] == [1, 3, 64, 96]
    assert timing == b''


@pytest.mark.parametrize('precision,kinds', [
    ('fp32', {'fp32'}), ('fp16', {'fp16'}), ('int8', {'int8'}), ('mixed', {'int8', 'fp16'})])
def test_street_model_builds(precision, kinds):
    card = load_card('street')
    recipe = Recipe(precision, batch='1/2/4')
    graph = read_graph(card, recipe, OperatorSupport())
    (sizes,) = graph.profile.values()
    model = in_precision(graph.model, precision, sizes.usual[2:])
    plan, _ = build_graph(PreparedGraph(model, graph.profile), recipe, BuildOptions())
    assert plan.about['outputs'][0]['shape'][1] == len(card.classes)
    assert plan.about['precision'] == precision
    assert set(convolutions(plan).values()) == kinds


@pytest.mark.parametrize('opset', [18, 21, 23])
@pytest.mark.parametrize('kind', ['GroupNormalization', 'LayerNormalization'])
def test_normalised_networks_are_calibrated_and_built_in_every_precision(tmp_path, kind, opset):
    """The inference of ONNX stops at GroupNormalization, and refuses that of opset 18."""
    path = segmentation_networks.save(segmentation_networks.normalised(kind, opset),
                                      tmp_path / 'net.onnx')
    card = ModelCard('net', path, tuple('abcde'), spread_palette(5),
                     InputCard(height=64, width=96))
    graph = read_graph(card, Recipe('fp16'), OperatorSupport())
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((1, 3, 64, 96)).astype(np.float32) for _ in range(2)]
    calibration = calibrate(graph.model, lambda: iter(frames), 'minmax')
    assert calibration.above_fp16 == {}
    (before,) = run_model(graph.model, {'image': frames[0]})
    found = {}
    for precision in ('fp16', 'mixed', 'int8'):
        recipe = Recipe(precision)
        given = apply_precision(graph, recipe, calibration)
        (after,) = run_model(given.model, {'image': frames[0]})
        found[precision] = float(np.sqrt(np.mean((after - before) ** 2) / np.mean(before ** 2)))
        plan, _ = build_graph(given, recipe, BuildOptions(level=0))
        assert plan.about['outputs'][0]['type'] == 'fp32'
        kernels = convolutions(plan)
        assert {'/backbone/conv1', '/head/conv'} <= kernels.keys()
        assert kernels['/backbone/conv1'] == ('fp16' if precision == 'fp16' else 'int8')
        assert kernels['/head/conv'] == ('int8' if precision == 'int8' else 'fp16')
    assert found['fp16'] < 0.005 and max(found.values()) < 0.15


def test_dynamic_sizes_without_a_profile_fail_with_tensorrts_words():
    with pytest.raises(EngineError, match='no optimization profile has been defined'):
        build_plan(network('unet'), [])


def test_profile_for_another_input_fails_with_tensorrts_words():
    sizes = make_profile({'photo': ('n', 3, 'h', 'w')}, InputCard(), SIZES, BATCH)
    with pytest.raises(EngineError, match='image is missing dimensions in profile 0'):
        build_plan(network('unet'), [sizes])


def test_too_little_workspace_says_what_to_try():
    sizes = make_profile(input_shapes(network('unet')), InputCard(), SIZES, BATCH)
    with pytest.raises(EngineError, match=r'workspace.*\nA workspace of 1M was not enough\. Try '
                                          r'--workspace 256M on the command line, or set the '
                                          r'parameter workspace_mib of the node to 256$'):
        build_plan(network('unet'), [sizes], BuildOptions(workspace=1 << 20))


def odd(op, **attributes):
    scales = numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), 'scales')
    graph = helper.make_graph(
        [helper.make_node(op, ['x', '', 'scales'], ['y'], name='/odd/node', **attributes)], 'g',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)], [scales])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid('', 19)], ir_version=9)


@pytest.mark.parametrize('model,text', [
    (odd('Fancy'), r'ONNX parser refuses node /odd/node \(Fancy\): .*Plugin not found.* '
                   r'\[INVALID_NODE in \w+\]'),
    (odd('Resize', antialias=1), r'node /odd/node \(Resize\): .*Antialiasing is not supported'
                                 r'.* \[UNSUPPORTED_NODE_ATTR in \w+\]')])
def test_a_parser_error_names_the_node(model, text):
    with pytest.raises(EngineError, match=text):
        build_plan(model, [])


def test_supported_operators_are_those_of_the_parser():
    supports_operator = OperatorSupport()
    assert supports_operator('Conv') and not supports_operator('Fancy')
    assert [f.where for f in check_model(odd('Fancy'), supports_operator)] == ['/odd/node']


def test_a_check_and_a_build_load_the_kernels_once(monkeypatch):
    """TensorRT loads its kernels for seconds if a builder is made while none is alive."""
    made, alone, builder = [], [], trt.Builder

    def count(log):
        alone.append(not any(known() for known in made))
        new = builder(log)
        made.append(weakref.ref(new))
        return new
    monkeypatch.setattr(trt, 'Builder', count)
    supports_operator = OperatorSupport()
    assert made == []
    model = FAMILIES['unet'](dynamic=False)
    assert len(model.graph.node) > 20 and check_model(model, supports_operator) == []
    assert alone == [True]
    build_plan(model, [])
    assert alone == [True, False]
    del supports_operator
    assert not any(known() for known in made)


def test_tensorrt_refuses_a_quantised_bias_and_a_zero_point():
    """For this reason, precision.quantise_nodes makes neither of them."""
    model = in_precision(network('unet'), 'int8')
    zero_points = {node.input[2] for node in model.graph.node
                   if node.op_type == 'QuantizeLinear' and len(node.input) > 2}
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer:
        if tensor.name in zero_points:
            array = numpy_helper.to_array(tensor) + 1
            tensor.CopyFrom(numpy_helper.from_array(array.astype(np.int8), tensor.name))
    with pytest.raises(EngineError, match='ONNX parser refuses'):
        build_plan(changed, [])


def test_progress_is_reported_and_can_end_a_build():
    model = FAMILIES['unet'](dynamic=False)
    told = []
    build_plan(model, [], progress=lambda *step: told.append(step))
    phases = [phase for phase, _, _ in told]
    assert phases[0] == phases[-1] == 'Building engine'
    assert all(0 <= done <= total for _, done, total in told)

    def stop(phase, done, total):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        build_plan(model, [], progress=stop)


@pytest.mark.parametrize('step', [1, 3])
def test_ctrl_c_ends_a_build(step):
    """TensorRT swallows the exception of a log callback, so Ctrl-C was lost before."""
    model = FAMILIES['unet'](dynamic=False)
    steps = []

    def press(phase, done, total):
        steps.append(phase)
        if len(steps) == step:
            os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match='interrupted, and its plan was not written'):
        build_plan(model, [], progress=press)
    stopped = len(steps)
    build_plan(model, [], progress=press)
    assert stopped < len(steps) - stopped      # the second build did all its steps


def test_ctrl_c_while_tensorrt_writes_its_log_is_not_lost(monkeypatch):
    """The signal arrives inside a log callback, as most do: there are ten times more of these."""
    log, pressed = BuildLog.log, []

    def press(self, severity, msg):
        if not pressed:
            pressed.append(msg)
            os.kill(os.getpid(), signal.SIGINT)
        log(self, severity, msg)
    monkeypatch.setattr(BuildLog, 'log', press)
    with pytest.raises(KeyboardInterrupt, match='interrupted'):
        build_plan(FAMILIES['unet'](dynamic=False), [])
    assert len(pressed) == 1


def test_build_for_one_architecture():
    model = FAMILIES['unet'](dynamic=False)
    assert build_plan(model, [], BuildOptions(arch='sm_89'))[0].data
    with pytest.raises(EngineError, match=r'cannot build for sm_90\. .* can build for .*SM89'):
        build_plan(model, [], BuildOptions(arch='sm_90'))


def test_every_option_is_in_the_key():
    assert [name for name, _ in BuildOptions().key] == ['arch', 'level', 'tf32', 'workspace']
