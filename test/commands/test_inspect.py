# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""`trt_seg inspect` describes a network and prints a model card for it."""

from networks import color_classifier, cube_colors, enlarge_at_end, painted
import numpy as np
import onnx
import pytest

from trt_segmentation.commands.inspect import inspect_model
from trt_segmentation.errors import EngineError, NotASegmentation
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card


def printed_card(text, path):
    card = path.with_suffix('.yaml')
    card.write_text(text, encoding='utf-8')  # as the shell does in `trt_seg inspect > card.yaml`
    return load_card(card)


def test_an_odd_file_name_is_escaped_in_the_card(tmp_path):
    """A line break in the name would turn the rest of the name into a line of the card."""
    path = color_classifier(tmp_path / 'net.onnx', cube_colors(5))
    odd = path.rename(tmp_path / 'a\nmodel: x\n\x1b[31m\x9b.onnx')
    text = inspect_model(odd)
    assert text.replace('\n', '').isprintable()
    assert [line for line in text.splitlines() if line.startswith('model: ')] == [
        r'model: "a\nmodel: x\n\u001b[31m\x9b.onnx"']


@pytest.mark.parametrize('given, classes', [
    ({}, 5), ({'layout': 'nhwc', 'output_layout': 'nhwc'}, 5), ({'dtype': 'uint8'}, 5),
    ({'height': None, 'width': None}, 5), ({'dtype': 'float16', 'batch': 1, 'stride': 2}, 5),
    ({'names': ('aux', 'out')}, 5), ({'kind': 'sigmoid'}, 2), ({'input_name': 'in:"put\''}, 3),
    ({'kind': 'labels', 'rank': 3}, 2), ({}, 19), ({}, 21), ({}, 150), ({}, 300)])
def test_the_printed_card_opens_the_model(tmp_path, given, classes):
    colors = cube_colors(classes)
    path = color_classifier(tmp_path / 'net.onnx', colors, **given)
    card = printed_card(inspect_model(path), path)
    assert (card.name, card.model) == ('net', path)
    assert len(card.classes) == classes
    pipeline = HostPipeline(card)
    # a pipeline without these settings finds the same values
    assert str(pipeline.signature.output.kind) == given.get('kind', 'logits')
    assert pipeline.signature.input.layout == given.get('layout', 'nchw')
    frame = painted(np.zeros((8, 8), int), colors)
    pipeline.submit([frame])
    assert pipeline.collect()[0].labels.shape == (8, 8)


@pytest.mark.parametrize('classes, known', [(19, 'cityscapes'), (21, 'voc'), (150, 'ade20k')])
def test_known_class_lists(tmp_path, classes, known):
    path = color_classifier(tmp_path / 'net.onnx', cube_colors(classes))
    known_card = load_card(known, (path,))
    assert printed_card(inspect_model(path), path).classes == known_card.classes


def test_the_text_names_input_outputs_and_choices(tmp_path):
    path = color_classifier(tmp_path / 'net.onnx', cube_colors(5), height=None, width=None,
                            names=('out', 'aux'))
    text = inspect_model(path)
    for line in ('opset 19, IR 9, made by networks.py', '28 parameters, 0.1 kB, fp32',
                 'input   image (float32 ?×3×?×?)', 'output  out (float32 ?×5×?×?)',
                 'output  aux (float32 ?×5×?×?)', 'of 2 outputs, torchvision gives this name',
                 'input layout nchw: axis 1 is 3', 'input height 512: from the card',
                 '1024x512 (width x height), batch open', 'out: logits nchw, float32, 5 classes'):
        assert line in text


@pytest.mark.parametrize('more,words', [
    ({}, ['`cut_resize: true` under `output` leaves the Resize out']),
    ({'where': 'align_corners'}, ['The Resize cannot be left out', 'align_corners=False'])])
def test_a_last_resize_is_told(tmp_path, more, words):
    path = enlarge_at_end(color_classifier(tmp_path / 'net.onnx', cube_colors(5), stride=4,
                                           batch=1), **more)
    text = inspect_model(path)
    assert 'The network ends in a Resize' in text
    assert all(word in text for word in words)
    assert 'Resize' not in inspect_model(color_classifier(tmp_path / 'b.onnx', cube_colors(5)))


def test_gray(tmp_path):
    from onnx import helper, TensorProto
    node = helper.make_node('Concat', ['x', 'x'], ['y'], axis=1)
    graph = helper.make_graph(
        [node], 'g', [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 2, 8, 8])])
    path = tmp_path / 'gray.onnx'
    onnx.save(helper.make_model(
        graph, opset_imports=[helper.make_opsetid('', 19)], ir_version=9), path)
    card = printed_card(inspect_model(path), path)
    assert card.input.color == 'gray'
    HostPipeline(card).close()


def test_a_network_that_is_no_segmentation(tmp_path):
    path = color_classifier(tmp_path / 'net.onnx', cube_colors(5))
    model = onnx.load(path)
    model.graph.output[0].type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto())
    for side in (1, 10):
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = side
    model.graph.node.append(onnx.helper.make_node(
        'Reshape', ['logits', 'shape'], ['flat']))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, -1]), 'shape'))
    model.graph.output[0].name = 'flat'
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5 * 24 * 32
    path.write_bytes(model.SerializeToString())
    with pytest.raises(NotASegmentation, match='is no segmentation network') as caught:
        inspect_model(path)
    text = caught.value.described
    assert 'output  flat (float32 1×3840)' in text
    assert 'This is no segmentation network: output flat (float32 1×3840)' in text


def test_what_does_not_load_is_still_described(tmp_path):
    path = color_classifier(tmp_path / 'net.onnx', cube_colors(5))
    model = onnx.load(path)
    model.opset_import[0].version = 99
    path.write_bytes(model.SerializeToString())
    with pytest.raises(EngineError, match=r'opset 99, IR 9, made by networks\.py'):
        inspect_model(path)


def test_no_file(tmp_path):
    with pytest.raises(EngineError, match='there is no ONNX file'):
        inspect_model(tmp_path / 'absent.onnx')
