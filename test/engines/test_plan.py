# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Layers and memory are read from TensorRT's description of an engine."""

import json

import pytest

from trt_segmentation.engines.nvidia_driver import driver_version
from trt_segmentation.engines.plan import (
    count_precisions,
    from_json,
    Layer,
    layers_from_inspector,
    layers_from_log,
    memory_from_log,
    to_json,
)

LOG = """Layers:
Name: shapes_myl0_0, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], TacticName: , \
StreamId: 0, Metadata: -
Name: /c1_myl0_1, LayerType: correlation, Inputs: [ { Name: q, Dimensions: [-1,3], \
Datatype: Int8, Format: (NHWC) }], Constants: [ { Name: w, Dimensions: [16], Datatype: Float }], \
Outputs: [ { Name: y, Dimensions: [-1,16], Datatype: Half, Format: (NHWC) }], TacticName: sm80, \
StreamId: 0, Metadata: [ONNX Layer: /c1][ONNX Layer: /r1][ONNX Layer: /c1]
Name: up_myl0_2, LayerType: kgen, Inputs: [ { Name: y, Datatype: Half }, { Name: z, Datatype: \
Float }], Constants: [], Outputs: [ { Name: logits, Datatype: Float }], TacticName: t, \
StreamId: 0, Metadata: [ONNX Layer: /up]

I/O Tensors:
 Name: image, IOMode: Input, DataType: Float, Dimensions: [-1,3,-1,-1], Location: Device
"""
LAYERS = [Layer('shapes_myl0_0', 'shape_call', (), ()),
          Layer('/c1_myl0_1', 'correlation', ('int8',), ('fp16',), ('/c1', '/r1')),
          Layer('up_myl0_2', 'kgen', ('fp16', 'fp32'), ('fp32',), ('/up',))]


def test_layers_of_a_build_log():
    assert layers_from_log(LOG) == LAYERS
    assert layers_from_log('') == []


def test_precision_is_the_narrowest_input():
    assert [layer.precision for layer in LAYERS] == ['', 'int8', 'fp16']
    assert count_precisions([*LAYERS, LAYERS[1]]) == {'int8': 2, 'fp16': 1}


@pytest.mark.parametrize('key,word', [
    ('Datatype', 'Half'), ('Format/Datatype', 'Channel major FP16 format where C % 4 == 0'),
    ('Format/Datatype', 'Half')])
def test_layers_of_the_inspector_of_every_version(key, word):
    text = json.dumps({'Layers': [
        {'Name': '/c1', 'LayerType': 'CaskConvolution', 'Inputs': [{'Name': 'x', key: word}],
         'Outputs': [{'Name': 'y', key: word}], 'Metadata': '[ONNX Layer: /c1]'}]})
    assert layers_from_inspector(text) == [
        Layer('/c1', 'CaskConvolution', ('fp16',), ('fp16',), ('/c1',))]


def test_inspector_without_details_gives_names():
    assert layers_from_inspector('{"Layers": ["/c1", "/c2"]}') == [
        Layer('/c1', '', (), ()), Layer('/c2', '', (), ())]


def test_layers_survive_the_sidecar():
    assert from_json(json.loads(json.dumps(to_json(LAYERS)))) == LAYERS


def test_memory_of_a_build_log():
    lines = ['Total Weights Memory: 58432 bytes', 'Max Scratch Memory: 22872064 bytes',
             'Total Activation Memory: 10 bytes', 'Total Host Persistent Memory: 80 bytes',
             'Compiler backend is used']
    assert memory_from_log(lines) == {'weights': 58432, 'scratch': 22872064, 'activations': 10}


@pytest.mark.parametrize('text,version', [
    ('NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 2026\nGCC 13.2.0',
     '580.65.06'),
    ('NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build',
     '540.4.0'),
    ('something else', '')])
def test_driver_version(tmp_path, text, version):
    path = tmp_path / 'version'
    path.write_text(text)
    assert driver_version(path) == version
    assert driver_version(tmp_path / 'missing') == ''
