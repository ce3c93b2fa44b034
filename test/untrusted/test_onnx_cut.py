# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The last Resize of a network is cut off."""

from networks import color_classifier, cube_colors, enlarge_at_end
import onnx
import pytest

from trt_segmentation.errors import EngineError
from trt_segmentation.untrusted.onnx_cut import cut_last_resize, find_last_resize, read_last_resize

COLORS = cube_colors(5)


def network(path, **more):
    return enlarge_at_end(color_classifier(path / 'm.onnx', COLORS, stride=4, batch=1), **more)


@pytest.mark.parametrize('cast,tensors', [(False, ('logits',)), (True, ('large', 'logits'))])
def test_only_the_resize_goes(tmp_path, cast, tensors):
    path = network(tmp_path, cast=cast)
    whole = onnx.load(path)
    found = read_last_resize(path, 'logits')
    assert found is not None
    assert (found.source, found.tensors, found.refused) == ('small', tensors, '')
    cut = onnx.ModelProto.FromString(cut_last_resize(memoryview(path.read_bytes()), ''))
    onnx.checker.check_model(cut)
    assert len(cut.graph.node) == len(whole.graph.node)
    changed = [(before.op_type, after.op_type, list(after.input), list(after.output))
               for before, after in zip(whole.graph.node, cut.graph.node) if before != after]
    assert changed == [('Resize', 'Identity', ['small'], [tensors[0]])]
    assert cut.graph.initializer == whole.graph.initializer
    (output,) = onnx.shape_inference.infer_shapes(cut).graph.output
    sides = [dim.dim_value for dim in output.type.tensor_type.shape.dim]
    assert (output.name, sides) == ('logits', [1, 5, 6, 8])
    assert output.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


@pytest.mark.parametrize('more,message', [
    ({'where': 'align_corners'}, 'its coordinate_transformation_mode is align_corners, but .* '
                                 'Export the network with align_corners=False'),
    ({'where': 'asymmetric'}, 'its coordinate_transformation_mode is asymmetric'),
    ({'mode': 'nearest'}, 'its mode is nearest'), ({'mode': 'cubic'}, 'its mode is cubic')])
def test_another_resize_stays(tmp_path, more, message):
    data = memoryview(network(tmp_path, **more).read_bytes())
    with pytest.raises(EngineError, match=f'Resize before output logits cannot be left out: .*'
                                          f'{message}'):
        cut_last_resize(data, 'logits')
    found = find_last_resize(data, 'logits')
    assert found is not None and found.refused


def test_a_network_without_a_last_resize_is_refused(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    assert read_last_resize(path, 'logits') is None
    assert read_last_resize(path, 'unknown') is None
    with pytest.raises(EngineError, match='output logits does not end in a Resize'):
        cut_last_resize(memoryview(path.read_bytes()), '')


def test_several_outputs_need_a_name(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, names=('a', 'b'))
    with pytest.raises(EngineError, match=r'one of the 2 outputs. Set `output: name` .*: a, b'):
        cut_last_resize(memoryview(path.read_bytes()), '')


def test_bytes_that_are_no_onnx_file_raise_value_errors(tmp_path):
    data = network(tmp_path).read_bytes()
    for cut_off in range(0, len(data), 7):
        with pytest.raises((ValueError, EngineError)):
            cut_last_resize(memoryview(data[:cut_off]), 'logits')
