# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read layers and memory from TensorRT's descriptions of an engine."""

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


RTX_1_7 = (
    'Name: __myl_CastMulMinMaxRounCastConc_myl0_0, LayerType: kgen, Inputs: [ { Name: image, '
    'Dimensions: [1,3,64,96], Strides: [18432,6144,96,1], StrideOrder: [3,2,1,0], Datatype: '
    'Float, Format: (Linear) Row major linear format }], Constants: [ { Name: __mye1576_myl0, '
    'Dimensions: [1,1,64,96], Strides: [6144,1,96,1], StrideOrder: [3,0,2,1], Datatype: Int8, '
    'Format: (NHWC) Channel major format }, { Name: __mye1693_const-lit-in_myl0, Dimensions: [1], '
    'Strides: [1], StrideOrder: [0], Datatype: Half, Format: (Linear) Row major linear format }], '
    'Outputs: [ { Name: __mye949/down0/conv1_before_bias.1_2_myl0, Dimensions: [1,4,64,96], '
    'Strides: [24576,1,384,4], StrideOrder: [3,0,2,1], Datatype: Int8, Format: (NHWC) Channel '
    'major format }], TacticName: __myl_CastMulMinMaxRounCastConc_0x3be0744209fd8b8e, StreamId: '
    '0, Metadata: [ONNX Layer: graph_input_cast0][ONNX Layer: image_QuantizeLinear]')
"""A line that TensorRT-RTX 1.7.1 wrote on the machine of a developer."""
TENSORRT_10 = {
    'reformat, which has no tactic': (
        'Name: Reformatting CopyNode for Input Tensor 0 to /f/Conv + /f/Relu, LayerType: '
        'Reformat, Inputs: [ { Name: input, Location: Device, Dimensions: [1,3,8,8], '
        'Format/Datatype: Row major linear FP32 }], Outputs: [ { Name: Reformatted Input Tensor '
        '0 to /f/Conv + /f/Relu, Location: Device, Dimensions: [1,3,8,8], Format/Datatype: Row '
        'major Int8 format }], ParameterType: Reformat, Origin: REFORMAT, TacticValue: '
        '0x00000000000003e8, StreamId: 0, Metadata: ',
        Layer('Reformatting CopyNode for Input Tensor 0 to /f/Conv + /f/Relu', 'Reformat',
              ('fp32',), ('int8',))),
    'convolution, with brackets in a name': (
        'Name: /f/Conv + /f/Relu, LayerType: CaskConvolution, Inputs: [ { Name: (Unnamed Layer* '
        '3) [Shuffle]_output, Location: Device, Dimensions: [1,32,8,8], Format/Datatype: '
        'Thirty-two wide channel vectorized row major Int8 format }, { Name: skip, Location: '
        'Device, Dimensions: [1,32,8,8], Format/Datatype: Channel major FP16 format where channel '
        '% 8 == 0 }], Outputs: [ { Name: y, Location: Device, Dimensions: [1,32,8,8], '
        'Format/Datatype: Thirty-two wide channel vectorized row major Int8 format }], '
        'ParameterType: Convolution, Kernel: [3,3], Weights: {"Type": "Int8", "Count": 23232}, '
        'Activation: RELU, TacticName: sm80_xmma, TacticValue: 0x280b, StreamId: 0, Metadata: '
        '[ONNX Layer: /f/Conv]\x1e[ONNX Layer: /f/Relu]',
        Layer('/f/Conv + /f/Relu', 'CaskConvolution', ('int8', 'fp16'), ('int8',),
              ('/f/Conv', '/f/Relu'))),
    'kernel of several operators': (
        "Name: __myl_MulSum_myl0_0, LayerType: kgen, Inputs: [ { Name: __mye116_dconst, "
        "Dimensions: [10,10], Format/Datatype: Half }, { Name: x'.1_4, Dimensions: [10,1], "
        "Format/Datatype: Float }], Outputs: [ { Name: out, Dimensions: [1,10], Format/Datatype: "
        "Half }], TacticName: __myl_MulSum_0xfa6c, StreamId: 0, Metadata: [ONNX Layer: /a]",
        Layer('__myl_MulSum_myl0_0', 'kgen', ('fp16', 'fp32'), ('fp16',), ('/a',))),
    'newer word for the type': (
        'Name: /c, LayerType: correlation, Inputs: [ { Name: x, Dimensions: [1,3], DataType: '
        'Half, Format: (Linear) Row major linear format }], Outputs: [ { Name: y, Dimensions: '
        '[1,3], DataType: FP8, Format: (Linear) Row major linear format }], TacticName: t, '
        'StreamId: 0, Metadata: [ONNX Layer: /c]',
        Layer('/c', 'correlation', ('fp16',), ('fp8',), ('/c',))),
    'only a name': ('Name: /c', Layer('/c', '', (), ()))}
"""Lines in the form that TensorRT 10 and 11 write, with other names and sizes."""


def test_a_recorded_line_of_tensorrt_rtx():
    assert layers_from_log(f'Layers:\n{RTX_1_7}\n') == [
        Layer('__myl_CastMulMinMaxRounCastConc_myl0_0', 'kgen', ('fp32',), ('int8',),
              ('graph_input_cast0', 'image_QuantizeLinear'))]


@pytest.mark.parametrize('line,expected', TENSORRT_10.values(), ids=TENSORRT_10)
def test_lines_of_every_version(line, expected):
    """A line that is not understood must not stop a build that has taken minutes."""
    listing = f'Layers:\n{line}\n\nBindings:\nimage\nlogits\n'
    assert layers_from_log(listing) == [expected]


def test_precision_is_the_narrowest_input():
    assert [layer.precision for layer in LAYERS] == ['', 'int8', 'fp16']
    assert count_precisions([*LAYERS, LAYERS[1]]) == {'int8': 2, 'fp16': 1}


@pytest.mark.parametrize('key,word', [
    ('Datatype', 'Half'), ('DataType', 'Half'),
    ('Format/Datatype', 'Two wide channel vectorized row major FP16 format'),
    ('Format/Datatype', 'Channel major FP16 format where C % 4 == 0'),
    ('Format/Datatype', 'Half')])
def test_layers_of_the_inspector_of_every_version(key, word):
    text = json.dumps({'Layers': [
        {'Name': '/c1', 'LayerType': 'CaskConvolution', 'Inputs': [{'Name': 'x', key: word}],
         'Outputs': [{'Name': 'y', key: word}], 'Metadata': '[ONNX Layer: /c1]'}]})
    assert layers_from_inspector(text) == [
        Layer('/c1', 'CaskConvolution', ('fp16',), ('fp16',), ('/c1',))]


def test_inspector_may_put_a_control_character_between_names():
    text = ('{"Layers": [{"Name": "/c", "LayerType": "kgen", "Inputs": [], "Outputs": [], '
            '"Metadata": "[ONNX Layer: /a]\x1e[ONNX Layer: /b]"}]}')
    assert layers_from_inspector(text) == [Layer('/c', 'kgen', (), (), ('/a', '/b'))]


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
