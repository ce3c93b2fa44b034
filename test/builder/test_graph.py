# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Before a build, ONNX files are checked and simplified."""

from pathlib import Path

import numpy as np
import onnx
from onnx import external_data_helper, helper, numpy_helper, TensorProto
import pytest
import segmentation_networks

from trt_segmentation.builder.check import check_model, refuse_errors
from trt_segmentation.builder.graph import (
    input_shapes,
    load_model,
    make_random_inputs,
    model_digest,
    opset_version,
    run_model,
    simplify_model,
)
from trt_segmentation.errors import GraphError


def one_node(op, *constants, shape=(1, 3, 8, 8), domain='', opset_version=19, inputs=None,
             name='/odd/node', **attributes):
    weights = [numpy_helper.from_array(np.asarray(c), f'k{i}') for i, c in enumerate(constants)]
    names = inputs or ['x', *(w.name for w in weights)]
    node = helper.make_node(op, names, ['y'], name=name, domain=domain, **attributes)
    graph = helper.make_graph(
        [node], 'g', [helper.make_tensor_value_info('x', TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, None)], weights)
    domains = [helper.make_opsetid('', opset_version)]
    if domain:
        domains.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=domains, ir_version=9)


BAD = {
    'custom': (one_node('Fancy', domain='my.ops'),
               '/odd/node: my.ops.Fancy is not a standard operator. Export without this operator, '
               'or first load a TensorRT plugin'),
    'of ONNX Runtime': (one_node('FusedConv', domain='com.microsoft'),
                        'com.microsoft.FusedConv is not a standard operator. Save the model '
                        'before ONNX Runtime optimises it'),
    'unknown': (one_node('Fancy'),
                '/odd/node: TensorRT does not support Fancy. Replace this operator'),
    'random': (one_node('RandomNormalLike'),
               '/odd/node: RandomNormalLike makes the network output random'),
    'antialias': (one_node('Resize', np.array([1, 1, 2, 2], np.float32),
                           inputs=['x', '', 'k0'], antialias=1, mode='linear'),
                  '/odd/node: TensorRT does not support Resize with antialias=1'),
    'training': (one_node('BatchNormalization', *[np.ones(3, np.float32)] * 4, training_mode=1),
                 '/odd/node: BatchNormalization is in training mode. Call model.eval()'),
    'weights': (one_node('Mul', np.array([1, np.nan, np.inf], np.float32)[:, None, None]),
                'k0: 2 weights are NaN or infinite'),
    'axes': (one_node('Relu', shape=(3, 8, 8)), 'x: shape 3×8×8 has 3 axes; expected 4'),
    'channels': (one_node('Relu', shape=('n', 'c', 'h', 'w')),
                 'x: shape n×c×h×w has neither 1 nor 3 channels'),
}


def known(operator):
    return onnx.defs.has(operator)


@pytest.mark.parametrize('name', BAD)
def test_bad_model_is_refused_with_the_node_and_a_remedy(name):
    model, text = BAD[name]
    with pytest.raises(GraphError) as caught:
        refuse_errors(check_model(model, known))
    assert text in str(caught.value)


def test_model_with_two_inputs_names_them():
    model = one_node('Add', inputs=['x', 'z'])
    model.graph.input.append(helper.make_tensor_value_info('z', TensorProto.FLOAT, [1, 3, 8, 8]))
    with pytest.raises(GraphError, match=r'2 inputs \(x, z\).*Export the other inputs as '
                                         r'constants'):
        refuse_errors(check_model(model))


WARNED = {
    'opset': (one_node('Relu', opset_version=11), 'warning: opset 11 splits operators'),
    'data': (one_node('NonZero'), '/odd/node: the size of the output of NonZero depends'),
    'double': (one_node('Mul', np.ones(1)), 'k0: the tensor holds 64-bit floats'),
}


@pytest.mark.parametrize('name', WARNED)
def test_unusual_model_gets_a_warning(name):
    model, text = WARNED[name]
    findings = check_model(model, known)
    refuse_errors(findings)
    assert [text in str(finding) for finding in findings] == [True]


@pytest.mark.parametrize('family', segmentation_networks.FAMILIES)
def test_sound_model_has_no_findings(family):
    assert check_model(segmentation_networks.FAMILIES[family](), known) == []


@pytest.mark.parametrize('content,text', [
    (b'\xff\xff\xff\xff', 'model.onnx is not an ONNX file'),
    (None, 'no ONNX file .*model.onnx'),
    (one_node('Relu', inputs=['nowhere']).SerializeToString(), 'is not valid ONNX')])
def test_file_that_is_not_a_model(tmp_path, content, text):
    path = tmp_path / 'model.onnx'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GraphError, match=text):
        load_model(path)


def external(tmp_path):
    path = tmp_path / 'model.onnx'
    model = segmentation_networks.unet()
    external_data_helper.convert_model_to_external_data(model, location='weights.bin')
    onnx.save(model, path)
    return path


def test_missing_external_data_is_an_error(tmp_path):
    path = external(tmp_path)
    load_model(path)
    (tmp_path / 'weights.bin').unlink()
    with pytest.raises(GraphError, match='weights'):
        load_model(path)


def test_digest_covers_the_file_and_its_external_data(tmp_path):
    path = external(tmp_path)
    first = model_digest(path)
    assert model_digest(path) == first
    weights = bytearray((tmp_path / 'weights.bin').read_bytes())
    weights[5] ^= 1
    (tmp_path / 'weights.bin').write_bytes(weights)
    second = model_digest(path)
    path.write_bytes(path.read_bytes() + b'\x0a\x00')
    assert len({first, second, model_digest(path)}) == 3


def test_nodes_without_a_unique_name_get_one(tmp_path):
    model = segmentation_networks.unet()
    for node in model.graph.node[:3]:
        node.name = ''
    model.graph.node[4].name = model.graph.node[3].name
    path = segmentation_networks.save(model, tmp_path / 'model.onnx')
    names = [node.name for node in load_model(path).graph.node]
    assert len(set(names)) == len(names) and '' not in names
    assert names[:3] == ['Conv_0', 'Relu_1', 'Conv_2']


@pytest.mark.parametrize('family', segmentation_networks.FAMILIES)
def test_simplified_model_is_smaller_and_has_the_same_output(family):
    model = segmentation_networks.FAMILIES[family](dynamic=False)
    slim = simplify_model(model, {'image': (1, 3, 64, 96)})
    assert len(slim.graph.node) < len(model.graph.node)
    assert 'Shape' not in {node.op_type for node in slim.graph.node}
    feeds = make_random_inputs(model, {'image': (1, 3, 64, 96)})
    np.testing.assert_allclose(run_model(slim, feeds)[0], run_model(model, feeds)[0], atol=1e-4)


def test_dynamic_sides_stay_dynamic():
    model = segmentation_networks.lraspp()
    slim = simplify_model(model, {'image': (1, 3, 64, 96)})
    assert input_shapes(slim) == {'image': ('batch', 3, 'height', 'width')}
    (output,) = run_model(slim, make_random_inputs(slim, {'image': (2, 3, 96, 64)}))
    assert output.shape == (2, 5, 96, 64)


def test_simplification_that_changes_the_output_is_an_error(monkeypatch):
    import onnxslim
    monkeypatch.setattr(onnxslim, 'slim', lambda model: segmentation_networks.lraspp(seed=1))
    with pytest.raises(GraphError, match=r'onnxslim changed output logits by .* --no-simplify'):
        simplify_model(segmentation_networks.lraspp(), {'image': (1, 3, 64, 96)})


def test_opset_is_read_whatever_the_domain_is_called():
    model = one_node('Relu', opset_version=17)
    model.opset_import[0].domain = 'ai.onnx'
    assert opset_version(model) == 17


def test_a_folder_is_no_onnx_file(tmp_path):
    with pytest.raises(GraphError, match='there is no ONNX file'):
        model_digest(Path(tmp_path))
