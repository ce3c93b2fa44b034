# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The input and the output of a network are found."""

from dataclasses import replace

import pytest

from trt_segmentation.errors import EngineError
from trt_segmentation.model.card import InputCard, OutputCard
from trt_segmentation.model.signature import resolve_signature, Tensor
from trt_segmentation.untrusted.onnx_graph import Ending

IMAGE = Tensor('image', 'float32', (1, 3, 64, 128))
LOGITS = Tensor('logits', 'float32', (1, 5, 16, 32))


def image(*shape, dtype='float32', name='image'):
    return Tensor(name, dtype, shape)


def output(*shape, dtype='float32', name='y'):
    return Tensor(name, dtype, shape)


def solve(inputs=(IMAGE,), outputs=(LOGITS,), classes=5, output=OutputCard(), **input):
    return resolve_signature(inputs, outputs, replace(InputCard(), **input), output, classes)


@pytest.mark.parametrize('tensor, card, expected', [
    (image(1, 3, 64, 128), {}, ('nchw', 3, 64, 128, 1)),
    (image(None, 3, 64, 128), {}, ('nchw', 3, 64, 128, None)),
    (image(4, 64, 128, 3), {}, ('nhwc', 3, 64, 128, 4)),
    (image(None, None, None, 3), {'height': 8, 'width': 9}, ('nhwc', 3, 8, 9, None)),
    (image(None, 3, None, 128), {'height': 8}, ('nchw', 3, 8, 128, None)),
    (image(None, None, None, None), {'height': 8, 'width': 9}, ('nchw', 3, 8, 9, None)),
    (image(1, 3, 64, 3), {}, ('nchw', 3, 64, 3, 1)),
    (image(1, 3, 64, 3), {'layout': 'nhwc'}, ('nhwc', 3, 3, 64, 1)),
    (image(1, 1, 64, 128), {'color': 'gray'}, ('nchw', 1, 64, 128, 1)),
    (image(1, 64, 128, 1), {'color': 'gray'}, ('nhwc', 1, 64, 128, 1)),
    (image(1, 3, 64, 128), {'height': 64, 'width': 128}, ('nchw', 3, 64, 128, 1))])
def test_input(tensor, card, expected):
    found = solve([tensor], **card).input
    assert (found.layout, found.channels, found.height, found.width, found.batch) == expected
    layout, channels, height, width, _ = expected
    shape = (7, channels, height, width) if layout == 'nchw' else (7, height, width, channels)
    assert found.shape(7) == shape


@pytest.mark.parametrize('dtype', ['float32', 'float16', 'uint8'])
def test_input_dtype(dtype):
    assert solve([image(1, 3, 8, 8, dtype=dtype)]).input.dtype == dtype


@pytest.mark.parametrize('tensor, card, words', [
    (image(1, 3, 64), {}, r'image \(float32 1×3×64\) has 3 axes; an image batch has 4'),
    (image(1, 3, 8, 8, dtype='int64'), {}, 'is int64; expected one of float32, float16, uint8'),
    (image(1, 4, 8, 8), {}, '`color: rgb` needs 3 channel.* neither axis 1 nor axis 3'),
    (image(1, 1, 8, 8), {}, 'write `color: gray`'),
    (image(1, 3, 8, 8), {'color': 'gray'}, 'write `color: rgb`'),
    (image(1, 3, 8, 8), {'layout': 'nhwc'}, '`layout: nhwc` puts the channels on an axis of 8'),
    (image(1, 3, None, 8), {}, r'has a dynamic height \(axis 2\)\. Set `input: height` in'),
    (image(1, 3, 8, None), {}, r'has a dynamic width \(axis 3\)'),
    (image(1, None, 8, 3), {}, r'has a dynamic height \(axis 1\)'),
    (image(1, 3, 8, 8), {'height': 9}, 'has height 8, but the model card says 9'),
    (image(1, 3, 8, 8), {'name': 'imgae'}, "no input named 'imgae', did you mean 'image'")])
def test_inputs_that_do_not_fit(tensor, card, words):
    with pytest.raises(EngineError, match=words):
        solve([tensor], **card)


def test_several_inputs():
    with pytest.raises(EngineError, match=r'2 inputs \(image .*, hint \(float32 1\)\)'):
        solve([IMAGE, image(1, name='hint')])
    with pytest.raises(EngineError, match='2 inputs'):
        solve([IMAGE, image(1, name='hint')], name='image')
    with pytest.raises(EngineError, match='0 inputs'):
        solve([])


@pytest.mark.parametrize('tensor, classes, card, expected', [
    (output(1, 5, 8, 9), 5, {}, ('logits', 'nchw', 5)),
    (output(1, 8, 9, 5), 5, {}, ('logits', 'nhwc', 5)),
    (output(1, 32, 64, None), 5, {}, ('logits', 'nhwc', 5)),
    (output(1, 5, 64, None), 5, {}, ('logits', 'nchw', 5)),
    (output(1, 32, 64, None, dtype='int64'), 5, {}, ('labels', 'nhwc', 1)),
    (output(None, 5, None, None), 5, {}, ('logits', 'nchw', 5)),
    (output(None, None, None, 5), 5, {}, ('logits', 'nhwc', 5)),
    (output(None, None, None, None), 5, {}, ('logits', 'nchw', 5)),
    (output(1, 5, 8, 5), 5, {}, ('logits', 'nchw', 5)),
    (output(1, 5, 8, 5), 5, {'layout': 'nhwc'}, ('logits', 'nhwc', 5)),
    (output(1, 2, 8, 9), 2, {}, ('logits', 'nchw', 2)),
    (output(1, 19, 1, 1), 19, {}, ('logits', 'nchw', 19)),
    (output(1, 5, 8, 9, dtype='int8'), 5, {'kind': 'logits'}, ('logits', 'nchw', 5)),
    (output(1, 1, 8, 9), 2, {}, ('sigmoid', 'nchw', 1)),
    (output(1, 8, 9, 1), 2, {}, ('sigmoid', 'nhwc', 1)),
    (output(1, 8, 9), 2, {}, ('sigmoid', 'nhw', 1)),
    (output(1, 1, 8, 9, dtype='int64'), 5, {}, ('labels', 'nchw', 1)),
    (output(1, 8, 9, 1, dtype='int32'), 5, {}, ('labels', 'nhwc', 1)),
    (output(1, 8, 9, dtype='uint8'), 5, {}, ('labels', 'nhw', 1)),
    (output(1, 8, 9, dtype='int64'), 300, {}, ('labels', 'nhw', 1)),
    (output(1, 1, 8, 9, dtype='int64'), 5, {'layout': 'nhwc'}, ('labels', 'nchw', 1)),
    (output(1, 1, 8, 9), 5, {'kind': 'labels'}, ('labels', 'nchw', 1)),
    # these outputs are found without a card
    (output(1, 19, 16, 32), None, {}, ('logits', 'nchw', 19)),
    (output(1, 16, 32, 19), None, {}, ('logits', 'nhwc', 19)),
    (output(1, 150, 16, 32), None, {}, ('logits', 'nchw', 150)),
    (output(1, 16, 32, 150), None, {}, ('logits', 'nhwc', 150)),
    (output(1, 19, None, None), None, {}, ('logits', 'nchw', 19)),
    (output(1, None, None, 19), None, {}, ('logits', 'nhwc', 19)),
    (output(1, 1, 16, 32), None, {}, ('sigmoid', 'nchw', 1)),
    (output(1, 16, 32, dtype='int64'), None, {}, ('labels', 'nhw', 1))])
def test_output(tensor, classes, card, expected):
    signature = solve(outputs=[tensor], classes=classes, output=OutputCard(**card))
    found = signature.output
    assert (str(found.kind), found.layout, found.channels) == expected
    assert (found.name, found.dtype) == ('y', tensor.dtype)


@pytest.mark.parametrize('tensor, classes, card, words', [
    (output(1, 7, 8, 9), 5, {}, r'y \(float32 1×7×8×9\) has 7 classes, but the model card names'
                                r' 5'),
    # an open width must not count as the channel axis
    (output(None, 5, None, None), 2, {}, 'has 5 classes, but the model card names 2'),
    (output(1, 5, 8, None), 2, {}, 'has 5 classes, but the model card names 2'),
    (output(1, 5, None, None, dtype='int64'), 2, {}, 'has 5 channels, but an output of'),
    (output(1, 8, 9, 7), 5, {'layout': 'nhwc'}, 'has 7 classes, but the model card names 5'),
    (output(1, 1, 8, 9), 5, {}, 'one channel of floats.* names 5'),
    (output(1, 1, 8, 9), 1, {}, 'one channel of floats.* names 1'),
    (output(1, 8, 9), 5, {}, 'one channel of floats.* write `kind: labels`'),
    (output(1, 8, 9), 5, {'kind': 'logits'}, 'has 3 axes, but an output of kind logits has 4'),
    (output(1, 5, 8, 9, dtype='int64'), 5, {}, 'has 5 channels, but .* of kind labels has one.*'
                                               'kind: logits'),
    (output(1, 2, 8, 9), 2, {'kind': 'sigmoid'}, 'has 2 channels, but an output of kind sigmoid'),
    (output(1, 1, 8, 9), 5, {'kind': 'sigmoid'}, 'tells 2 classes apart, but .* names 5'),
    (output(1, 1000), 5, {}, 'y .* is not a segmentation'),
    (output(1, 5, 8, 9, dtype='string'), 5, {}, 'not a segmentation'),
    (output(1, None, None, None), None, {}, 'has a dynamic number of classes'),
    (output(1, 5, 8, 9), 5, {'name': 'z'}, "no output named 'z'")])
def test_outputs_that_do_not_fit(tensor, classes, card, words):
    with pytest.raises(EngineError, match=words):
        solve(outputs=[tensor], classes=classes, output=OutputCard(**card))


@pytest.mark.parametrize('outputs, card, name, reason', [
    ([output(1, 5, 8, 9, name='aux'), output(1, 5, 8, 9, name='out')], {}, 'out',
     'of 2 outputs, torchvision gives this name to the segmentation'),
    ([output(1, 5, 8, 9, name='a'), output(1, 5, 8, 9, name='b')], {}, 'a',
     '2 outputs fit, and this is the first one'),
    ([output(1, 9, 8, 8, name='a'), output(1, 5, 8, 9, name='b')], {}, 'b',
     'the only one of 2 that fits'),
    ([output(1, 1000, name='a'), output(1, 5, 8, 9, name='b')], {}, 'b',
     'the only one of 2 that fits'),
    ([output(1, 5, 8, 9, name='out'), output(1, 5, 8, 9, name='b')], {'name': 'b'}, 'b', None)])
def test_several_outputs(outputs, card, name, reason):
    signature = solve(outputs=outputs, output=OutputCard(**card))
    assert signature.output.name == name
    lines = [line for line in signature.reasons if line.startswith('output ' + name)]
    assert lines == [] if reason is None else reason in lines[0]


def test_no_output_fits():
    with pytest.raises(EngineError, match=r'none of the 2 outputs.*a \(float32 1×9\).*; output b'):
        solve(outputs=[output(1, 9, name='a'), output(1, 6, 8, 9, name='b')])
    with pytest.raises(EngineError, match='no outputs'):
        solve(outputs=[])


def test_did_you_mean_lists_the_names():
    outputs = [output(1, 5, 8, 9, name='logits'), output(1, 5, 8, 9, name='aux')]
    with pytest.raises(EngineError, match=r"'logit', did you mean 'logits'.*logits .*, aux .*"
                                          'Set `output: name` in the model card'):
        solve(outputs=outputs, output=OutputCard(name='logit'))


def test_every_decision_has_a_reason():
    reasons = solve([image(None, 3, None, None)], height=8, width=9).reasons
    assert len(reasons) == len(set(reasons)) == 8
    for start in ('input image', 'input layout nchw', 'input height 8', 'input width 9', 'batch',
                  'output logits', 'output is logits', 'output layout nchw'):
        assert any(line.startswith(start) for line in reasons)


def test_a_number_of_classes_from_the_graph_is_not_called_a_fixed_size():
    endings = {'y': Ending(channels=11)}
    reasons = resolve_signature([IMAGE], [output(None, None, None, None)], InputCard(),
                                OutputCard(), None, endings).reasons
    assert 'output layout nchw: axis 1 is known to be 11, so it holds the classes' in reasons


def test_what_the_card_says_needs_no_reason():
    card = OutputCard(name='logits', kind='logits', layout='nchw')
    assert [line.partition(':')[0] for line in solve(
        output=card, name='image', layout='nchw').reasons] == ['batch 1']
