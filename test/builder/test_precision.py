# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The precision of a graph: the backbone, the INT8 nodes, and the change of the output."""

import functools

import numpy as np
import onnx
from onnx import numpy_helper, TensorProto
import pytest
import segmentation_networks
from segmentation_networks import FAMILIES, Net

from trt_segmentation.builder.backbone import find_backbone
from trt_segmentation.builder.calibration import measure_ranges
from trt_segmentation.builder.graph import opset_version, run_model, simplify_model
from trt_segmentation.builder.precision import (
    activations_read_by,
    choose_int8_nodes,
    convert_to_fp16,
    convert_to_int8,
    find_main_branches,
    find_small_scales,
    quantisable_nodes,
    quantise_nodes,
    raise_opset,
)
from trt_segmentation.errors import GraphError


@functools.cache
def network(family):
    return simplify_model(FAMILIES[family](), {'image': (1, 3, 64, 96)})


def frames(count=3):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((1, 3, 64, 96)).astype(np.float32) for _ in range(count)]


@functools.cache
def ranges(family):
    return measure_ranges(network(family), frames(), ['minmax'])['minmax']


def error(model, changed):
    """Return the relative RMS error of the logits, on a frame that calibration did not use."""
    feed = {'image': frames(4)[3]}
    before, after = run_model(model, feed)[0], run_model(changed, feed)[0]
    return float(np.sqrt(np.mean((before - after) ** 2) / np.mean(before ** 2)))


ENDS = {'lraspp': '/backbone/last/act', 'deeplabv3': '/backbone/layer3/relu2',
        'unet': '/middle/relu', 'hrnet': '/backbone/3/low/fused'}


@pytest.mark.parametrize('family', FAMILIES)
def test_backbone_and_head_are_separated(family):
    backbone, reason = find_backbone(network(family))
    assert reason == f'backbone ends at {ENDS[family]}'
    scopes = ('/backbone', '/down', '/middle')
    expected = {n.name for n in network(family).graph.node if n.name.startswith(scopes)}
    assert backbone == expected


def test_backbone_has_all_branches_up_to_their_ends():
    net = Net()
    x = net.add('Relu', '/stem/relu', net.conv('/stem', 'image', 8, 3, 2))
    ends = []
    for name, stride in (('a', 1), ('b', 2)):
        y = net.conv(f'/{name}/in', x, 8, 3, stride)
        ends.append(net.add('Add', f'/{name}/add', net.conv(f'/{name}/conv', y, 8, 3), y))
    y = net.add('Concat', '/cat', ends[0], net.upsample('/up', ends[1], 2.0), axis=1, channels=16)
    backbone, reason = find_backbone(net.model(net.conv('/out', y, 5)))
    assert reason == 'backbone ends at /a/add, /b/add'
    assert backbone == {'/stem', '/stem/relu', '/a/in', '/a/conv', '/a/add', '/b/in', '/b/conv',
                        '/b/add'}


@pytest.mark.parametrize('upsampled', [True, False])
def test_backbone_of_a_straight_head_ends_at_the_last_sum(upsampled):
    """An FCN head has no branch after the last residual sum. It may lack the upsampling."""
    net = Net()
    x = net.conv('/backbone/conv', 'image', 8, 3, 2)
    x = net.add('Relu', '/backbone/relu',
                net.add('Add', '/backbone/add', net.conv('/backbone/conv2', x, 8, 3), x))
    y = net.add('Relu', '/head/relu', net.conv('/head/conv', x, 8, 3))
    y = net.conv('/head/out', y, 5)
    model = net.model(net.upsample('/up', y, 2.0) if upsampled else y)
    assert find_backbone(model)[0] == {
        '/backbone/conv', '/backbone/conv2', '/backbone/add', '/backbone/relu'}


def test_network_without_upsampling_or_sum_has_no_backbone():
    net = Net()
    model = net.model(net.conv('/b', net.conv('/a', 'image', 8, 3), 5))
    with pytest.raises(GraphError, match='the end of the backbone cannot be found'):
        choose_int8_nodes(model, 'mixed')
    assert choose_int8_nodes(model, 'int8').int8 == ('/a', '/b')


def test_int8_takes_all_and_mixed_the_backbone():
    model = network('deeplabv3')
    everything = choose_int8_nodes(model, 'int8')
    assert list(everything.int8) == quantisable_nodes(model) and everything.fp16 == ()
    mixed = choose_int8_nodes(model, 'mixed')
    assert sorted(mixed.int8 + mixed.fp16) == sorted(everything.int8)
    assert {name.split('/')[1] for name in mixed.int8} == {'backbone'}
    assert {name.split('/')[1] for name in mixed.fp16} == {'classifier'}


def test_patterns_keep_nodes_out():
    model = network('deeplabv3')
    chosen = choose_int8_nodes(model, 'mixed', ['/backbone/layer1/*', '*conv1'])
    assert '/backbone/layer2/conv2' in chosen.int8
    assert not [n for n in chosen.int8 if 'layer1' in n or n.endswith('conv1')]
    assert chosen.reason.endswith('without /backbone/layer1/*, *conv1')


@pytest.mark.parametrize('pattern,text', [
    ('/backbne/*', r"--keep-fp16 '/backbne/\*' matches no node\. .*/backbone/conv1"),
    ('*', 'nodes that can be INT8, but none of them may become INT8')])
def test_pattern_that_fits_nothing_or_all(pattern, text):
    with pytest.raises(GraphError, match=text):
        choose_int8_nodes(network('deeplabv3'), 'int8', [pattern])


# the largest allowed errors; random weights lose far more than trained weights
BARS = {'fp16': 0.002, 'int8': 0.12, 'mixed': 0.12}


def is_rounding_float16():
    """Return True if this ONNX Runtime rounds float16 to int8. Version 1.23 truncates."""
    nodes = [onnx.helper.make_node('QuantizeLinear', ['x', 'scale', 'zero'], ['y'])]
    graph = onnx.helper.make_graph(
        nodes, 'rounds', [onnx.helper.make_tensor_value_info('x', onnx.TensorProto.FLOAT16, [1])],
        [onnx.helper.make_tensor_value_info('y', onnx.TensorProto.INT8, [1])],
        [numpy_helper.from_array(np.array(1, np.float16), 'scale'),
         numpy_helper.from_array(np.array(0, np.int8), 'zero')])
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid('', 19)], ir_version=9)
    return run_model(model, {'x': np.array([1.75], np.float16)})[0] == 2


@pytest.mark.parametrize('family', FAMILIES)
def test_output_changes_little_and_least_in_fp16(family):
    if not is_rounding_float16():
        pytest.skip('QuantizeLinear of this ONNX Runtime truncates float16 instead of rounding it')
    model = network(family)
    errors = {'fp16': error(model, convert_to_fp16(model))}
    for precision in ('int8', 'mixed'):
        nodes = choose_int8_nodes(model, precision).int8
        errors[precision] = error(model, convert_to_int8(model, ranges(family), nodes))
    assert all(0 < errors[name] < bar for name, bar in BARS.items())
    assert errors['fp16'] < errors['mixed'] / 5


@pytest.mark.parametrize('family', FAMILIES)
def test_quantised_graph_has_the_form_that_tensorrt_needs(family):
    model = network(family)
    nodes = choose_int8_nodes(model, 'int8').int8
    changed = quantise_nodes(model, ranges(family), nodes)
    onnx.checker.check_model(changed, full_check=True)
    assert opset_version(changed) >= 19
    values = {t.name: numpy_helper.to_array(t) for t in changed.graph.initializer}
    pairs = [n for n in changed.graph.node if n.op_type == 'QuantizeLinear']
    # one QuantizeLinear for each weight, and for each activation that an INT8 node reads and that
    # is no main branch of a sum
    weights = [n for n in model.graph.node if n.name in nodes and n.op_type != 'Add']
    read = set(activations_read_by(model, nodes))
    branches = set(find_main_branches(model, nodes).values())
    assert branches <= read
    assert len(pairs) == len(weights) + len(read - branches)
    for node in pairs:
        assert not np.any(values[node.input[2]]), 'symmetric: no zero points'
        assert values[node.input[2]].dtype == np.int8
    per_channel = [n for n in pairs if values[n.input[1]].size > 1]
    assert len(per_channel) == len(weights)
    biases = {n.input[2] for n in weights if len(n.input) > 2}
    assert biases and all(values[name].dtype == np.float32 for name in biases)


def quantised_inputs(changed, name):
    """The tensors that a node of a quantised graph reads, and whether each comes as INT8."""
    made_by = {output: node for node in changed.graph.node for output in node.output}
    (node,) = [node for node in changed.graph.node if node.name == name]
    found = {}
    for tensor in node.input:
        maker = made_by[tensor]
        is_int8 = maker.op_type == 'DequantizeLinear'
        found[made_by[maker.input[0]].input[0] if is_int8 else tensor] = is_int8
    return found


def test_only_the_skip_input_of_a_sum_is_quantised():
    """A Q/DQ pair between a convolution and the sum would stop TensorRT from fusing the two."""
    model = network('deeplabv3')
    nodes = choose_int8_nodes(model, 'int8').int8
    changed = quantise_nodes(model, ranges('deeplabv3'), nodes)
    block = '/backbone/layer1'
    assert quantised_inputs(changed, f'{block}/add') == {
        f'{block}/conv2': False, '/backbone/maxpool': True}
    # both inputs of this sum come from convolutions: the later one in the graph is free
    names = [node.name for node in model.graph.node]
    assert names.index('/backbone/layer2/downsample') < names.index('/backbone/layer2/conv2')
    block = '/backbone/layer2'
    assert quantised_inputs(changed, f'{block}/add') == {
        f'{block}/conv2': False, f'{block}/downsample': True}


def test_a_convolution_with_another_reader_and_other_sums_keep_their_pairs():
    net = Net()
    x = net.add('Relu', '/relu', net.conv('/in', 'image', 8, 3))
    y = net.conv('/shared', x, 8, 3)
    z = net.add('Add', '/first', y, x)
    z = net.add('Add', '/second', net.add('Relu', '/r', y), net.add('Relu', '/s', z))
    model = net.model(net.conv('/out', z, 5))
    nodes = quantisable_nodes(model)
    assert find_main_branches(model, nodes) == {}
    changed = quantise_nodes(model, measure_ranges(model, frames(1), ['minmax'])['minmax'], nodes)
    assert quantised_inputs(changed, '/first') == {'/shared': True, '/relu': True}
    assert quantised_inputs(changed, '/second') == {'/r': True, '/s': True}


def test_fp16_changes_all_tensors_except_inputs_and_outputs():
    model = convert_to_fp16(network('lraspp'))
    kinds = {v.type.tensor_type.elem_type for v in [*model.graph.input, *model.graph.output]}
    assert kinds == {TensorProto.FLOAT}
    weights = {t.data_type for t in model.graph.initializer if len(t.dims) == 4}
    assert weights == {TensorProto.FLOAT16}
    assert [node.op_type for node in model.graph.node].count('Cast') == 2
    # full_check compares the types of all tensors up to the output
    onnx.checker.check_model(model, full_check=True)
    (last,) = [n for n in model.graph.node if 'logits' in n.output]
    assert last.op_type == 'Cast'
    assert run_model(model, {'image': frames()[0]})[0].dtype == np.float32


def test_weight_beyond_fp16_is_refused_by_name():
    model = segmentation_networks.unet()
    weight = next(t for t in model.graph.initializer if t.name == '/out.weight')
    array = numpy_helper.to_array(weight).copy()
    array[0] = 1e5
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    with pytest.raises(GraphError, match=r'/out.weight holds 1e\+05, but the largest FP16 '
                                         r'number is 65504'):
        convert_to_fp16(model)


def test_missing_range_is_named():
    known = dict(ranges('unet'))
    del known['/up2/concat']
    with pytest.raises(GraphError, match=r'has no range for /up2/concat\. Calibrate again'):
        quantise_nodes(network('unet'), known, choose_int8_nodes(network('unet'), 'int8').int8)


def test_range_too_small_for_fp16_is_found():
    model = network('unet')
    tiny = {**ranges('unet'), '/up2/concat': (0.0, 1e-4)}
    nodes = choose_int8_nodes(model, 'int8').int8
    assert find_small_scales(convert_to_int8(model, ranges('unet'), nodes)) == []
    found = find_small_scales(quantise_nodes(model, tiny, nodes))
    assert len(found) == 1 and '/up2/concat' in found[0]


def test_older_opset_is_raised_and_newer_left():
    model = segmentation_networks.lraspp()
    raised = raise_opset(model)
    assert opset_version(model) == 17 and opset_version(raised) == 19
    assert raise_opset(raised) is raised
