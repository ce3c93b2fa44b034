# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The engine of ONNX Runtime on the CPU."""

import os
import subprocess
import sys

from networks import color_card, color_classifier, cube_colors
import numpy as np
import onnx
import pytest

from trt_segmentation.engines.onnxruntime_cpu import (
    cpu_name,
    OnnxRuntimeEngine,
    open_session,
    useful_line,
)
from trt_segmentation.errors import EngineError

COLORS = cube_colors(5)


def broken(path, change):
    """Change a good network, write it to the path, and return the path."""
    model = onnx.load(color_classifier(path, COLORS))
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def as_fp16(model):
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), tensor.name))
    for node in model.graph.node:
        if node.op_type == 'Cast':
            node.attribute[0].i = onnx.TensorProto.FLOAT16
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


def cycle(model):
    model.graph.node[3].input[0] = model.graph.node[8].output[0]


def no_such_operator(model):
    model.graph.node[2].op_type = 'FancyOp'


def opset_99(model):
    model.opset_import[0].version = 99


def ir_99(model):
    model.ir_version = 99


@pytest.mark.parametrize('change, words', [
    (cycle, 'acyclic'),
    (no_such_operator, 'FancyOp'), (opset_99, 'opset'), (ir_99, 'IR version: 99')])
def test_files_that_do_not_load(tmp_path, change, words):
    path = broken(tmp_path / 'bad.onnx', change)
    with pytest.raises(EngineError, match=words) as caught:
        open_session(path)
    text = str(caught.value)
    assert str(path) in text and 'trt_seg inspect' in text and 'Export the file again' in text
    assert '\n' not in text and '[ONNXRuntimeError]' not in text and '.cc:' not in text


@pytest.mark.parametrize('raw, useful', [
    ('[ONNXRuntimeError] : 10 : INVALID_GRAPH : Load model from a b/m.onnx failed:This is an '
     'invalid model. Error: the graph is not acyclic.',
     'This is an invalid model. Error: the graph is not acyclic'),
    ('[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Exception during initialization: /onnx/core/'
     'session_state.cc:90 virtual void onnxruntime::S::f(const Path&) [ONNXRuntimeError] : 1 : '
     'FAIL : tensorprotoutils.cc:901 GetExtData External initializer: k is out of bounds',
     'External initializer: k is out of bounds'),
    ('/onnx/core/graph.cc:12 void onnxruntime::Graph::f(int, bool) Node has no\n input.',
     'Node has no input'),
    ('x' * 999, 'x' * 600 + '…')])
def test_the_useful_line_of_an_error(raw, useful):
    assert useful_line(RuntimeError(raw)) == useful


@pytest.mark.parametrize('data', [b'', b'ONNX? no.\n' * 40, 'half'])
def test_damaged_files(tmp_path, data):
    path = tmp_path / 'bad.onnx'
    if data == 'half':
        whole = color_classifier(path, COLORS).read_bytes()
        data = whole[:len(whole) // 2]
    path.write_bytes(data)
    with pytest.raises(EngineError, match=r'bad\.onnx is not an ONNX file: .* export it again'):
        open_session(path)


def test_no_file(tmp_path):
    card = color_card(tmp_path / 'absent.onnx', COLORS)
    with pytest.raises(EngineError, match=r'no ONNX file .*absent.onnx. Export .* `model` in'):
        OnnxRuntimeEngine(card)


def test_a_card_of_another_model_names_both(tmp_path):
    path = color_classifier(tmp_path / 'm.onnx', COLORS)
    with pytest.raises(EngineError, match=r'm\.onnx does not fit its model card m: .* 5 classes, '
                                          'but the model card names 3.*trt_seg inspect'):
        OnnxRuntimeEngine(color_card(path, COLORS[:3]))


def test_a_failed_run_names_the_shape_of_its_input(tmp_path):
    engine = OnnxRuntimeEngine(color_card(color_classifier(tmp_path / 'm.onnx', COLORS), COLORS))
    with pytest.raises(EngineError, match=r'm\.onnx failed on input 1×3×5×7: .*Expected: 24'):
        engine.run(np.zeros((1, 3, 5, 7), np.float32))
    assert engine.run(np.zeros((2, 3, 24, 32), np.float32)).shape == (2, 5, 24, 32)


def test_closed(tmp_path):
    engine = OnnxRuntimeEngine(color_card(color_classifier(tmp_path / 'm.onnx', COLORS), COLORS))
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match='closed'):
        engine.run(np.zeros((1, 3, 24, 32), np.float32))


@pytest.mark.parametrize('batch, count', [(3, 1), (3, 3), (3, 7), (1, 2), (None, 4)])
def test_batches(tmp_path, batch, count):
    path = color_classifier(tmp_path / 'm.onnx', COLORS, batch=batch)
    engine = OnnxRuntimeEngine(color_card(path, COLORS))
    images = np.random.default_rng(0).normal(size=(count, 3, 24, 32)).astype(np.float32)
    one = OnnxRuntimeEngine(color_card(color_classifier(tmp_path / 'o.onnx', COLORS), COLORS))
    outputs = engine.run(images)
    assert outputs.shape == (count, 5, 24, 32)
    for image, output in zip(images, outputs):
        assert np.allclose(one.run(image[None])[0], output, atol=1e-4)


@pytest.mark.parametrize('change, precision', [(None, 'fp32'), (as_fp16, 'fp16')])
def test_identity(tmp_path, change, precision):
    path = broken(tmp_path / 'm.onnx', change or (lambda model: None))
    identity = OnnxRuntimeEngine(color_card(path, COLORS), 'asked for').identity
    assert identity.precision == precision
    assert (identity.model, identity.engine, identity.reason) == (
        'm', 'onnxruntime-cpu', 'asked for')
    assert identity.version[0].isdigit() and identity.device == cpu_name() != ''


def test_onnxruntime_writes_no_telemetry(tmp_path):
    """With telemetry, ONNX Runtime keeps an id of the machine in the user's cache folder."""
    path = color_classifier(tmp_path / 'net.onnx', COLORS)
    code = ('from pathlib import Path; from trt_segmentation.engines.onnxruntime_cpu import '
            f'open_session; open_session(Path({str(path)!r}), 1)')
    environment = {name: value for name, value in os.environ.items()
                   if name not in ('ORT_DISABLE_TELEMETRY', 'XDG_CACHE_HOME')}
    (tmp_path / 'home').mkdir()
    subprocess.run([sys.executable, '-c', code], check=True,
                   env={**environment, 'HOME': str(tmp_path / 'home')})
    assert not [file for file in (tmp_path / 'home').rglob('*') if file.is_file()]
