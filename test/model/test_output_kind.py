# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Small networks show how the graph decides the kind of an output, refusals and warnings."""

from networks import painted
import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import pytest
import yaml

from trt_segmentation.commands import cli
from trt_segmentation.commands.inspect import inspect_model
from trt_segmentation.errors import ModelCardError, NotASegmentation
from trt_segmentation.frame import Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card
from trt_segmentation.untrusted.onnx_graph import Ending, read_endings
from trt_segmentation.untrusted.terminal_text import count_noun

SIDES = ['height', 'width']
GREEN = np.array([[0, 0, 0], [0, 255, 0]], np.uint8)


class Net:
    """Builds a network. Its first scores are 6 for green pixels and -6 for black pixels."""

    def __init__(self, channels=1, sides=(24, 32), opset=17):
        self.nodes, self.weights, self.outputs, self.opset = [], [], [], opset
        self.image = helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, *sides])
        weight = np.zeros((channels, 3, 1, 1), np.float32)
        weight[-1, 1] = 12
        bias = np.full(channels, -9, np.float32)
        bias[0], bias[-1] = 0, -6
        self.scores = self('Conv', 'image', weight, bias)

    def constant(self, value):
        name = f'k{len(self.weights)}'
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __call__(self, op, *inputs, **attributes):
        names = [n if isinstance(n, str) else self.constant(n) for n in inputs]
        name = f'{op}_{len(self.nodes)}'
        self.nodes.append(helper.make_node(op, names, [name], **attributes))
        return name

    def output(self, tensor, name, shape, kind=TensorProto.FLOAT):
        self.nodes.append(helper.make_node('Identity', [tensor], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, kind, shape))
        return self

    def save(self, path):
        graph = helper.make_graph(self.nodes, 'g', [self.image], self.outputs, self.weights)
        onnx.save(helper.make_model(
            graph, opset_imports=[helper.make_opsetid('', self.opset)], ir_version=9), path)
        return path


def net_of(tail, channels=1, shape=None, kind=TensorProto.FLOAT, name='mask', **options):
    net = Net(channels, **options)
    for op, inputs, attributes in tail:
        net.scores = net(op, net.scores, *inputs, **attributes)
    return net.output(net.scores, name, shape or [1, channels, 24, 32], kind)


def written(tmp_path, net, **card):
    """Write the card that inspect prints, with ``card`` as changes. Return the loaded card."""
    path = net.save(tmp_path / 'net.onnx')
    text = inspect_model(path)
    tree = yaml.safe_load(text)
    tree['input'] |= {'mean': [0, 0, 0], 'std': [1, 1, 1]}
    tree['output'] |= card.pop('output', {})
    path.with_suffix('.yaml').write_text(yaml.safe_dump(tree | card), encoding='utf-8')
    return load_card(path.with_suffix('.yaml'))


def segment(card, count=1, labels=((0, 1), (1, 0))):
    """Segment ``count`` frames with green pixels. Return each frame's labels and confidence."""
    pipeline = HostPipeline(card)
    frame = painted(np.array(labels).repeat(12, 0).repeat(16, 1), GREEN)
    found = []
    for _ in range(count):
        pipeline.submit([frame], Wanted(confidence=pipeline.gives_confidence))
        found += [(a.labels, a.confidence) for a in pipeline.collect()]
    pipeline.close()
    return found


SQUEEZE = ('Squeeze', [np.array([1])], {})
TO_FLOAT = ('Cast', [], {'to': TensorProto.FLOAT})
RESIZE = ('Resize', ['', np.array([1, 1, 2, 2], np.float32)], {'mode': 'linear'})
ZERO, HALF, ONE = (np.array(v, np.float32) for v in (0, 0.5, 1))


@pytest.mark.parametrize('tail, channels, shape, kind, ending', [
    ([('Sigmoid', [], {})], 1, None, 'probability', 'Sigmoid'),
    ([('HardSigmoid', [], {})], 1, None, 'probability', 'HardSigmoid'),
    ([('Clip', [ZERO, ONE], {})], 1, None, 'probability', 'Clip'),
    ([('Sigmoid', [], {}), SQUEEZE], 1, [1, 24, 32], 'probability', 'Sigmoid'),
    ([('Sigmoid', [], {}), RESIZE], 1, [1, 1, 48, 64], 'probability', 'Sigmoid'),
    ([('Sigmoid', [], {}), ('Transpose', [], {'perm': [0, 2, 3, 1]})], 1, [1, 24, 32, 1],
     'probability', 'Sigmoid'),
    ([('Sigmoid', [], {}), ('Cast', [], {'to': TensorProto.FLOAT16}), TO_FLOAT,
      ('Reshape', [np.array([1, 1, 24, 32])], {})], 1, None, 'probability', 'Sigmoid'),
    ([('Softmax', [], {'axis': 1}),
      ('Slice', [np.array([1]), np.array([2]), np.array([1])], {})], 2, [1, 1, 24, 32],
     'probability', 'Softmax'),
    ([('Softmax', [], {'axis': 1})], 5, None, 'probabilities', 'Softmax'),
    ([('Sigmoid', [], {})], 5, None, 'probabilities', 'Sigmoid'),
    ([('ArgMax', [], {'axis': 1}), TO_FLOAT], 5, [1, 1, 24, 32], 'labels', 'ArgMax'),
    ([('Greater', [ZERO], {}), TO_FLOAT], 1, None, 'labels', 'Greater'),
    ([], 1, None, 'sigmoid', ''), ([], 5, None, 'logits', ''),
    ([('LogSoftmax', [], {'axis': 1})], 5, None, 'logits', ''),
    ([('Clip', [ZERO, np.array(6, np.float32)], {})], 1, None, 'sigmoid', '')])
def test_inspect_reads_the_kind_from_the_graph(tmp_path, tail, channels, shape, kind, ending):
    card = written(tmp_path, net_of(tail, channels, shape))
    assert card.output.kind == kind
    assert len(card.classes) == max(channels, 2)
    found = HostPipeline(card).signature
    assert (str(found.output.kind), found.warnings) == (kind, ())
    # a card without a kind gives the same kind
    path = tmp_path / 'bare.yaml'
    path.write_text(yaml.safe_dump({'model': 'net.onnx', 'classes': list(card.classes)}))
    assert str(HostPipeline(load_card(path)).signature.output.kind) == kind
    if ending:
        assert f'output is {kind}: the network ends in {ending}' in inspect_model(card.model)


def test_clip_of_old_exports_has_its_limits_as_attributes(tmp_path):
    net = net_of([('Clip', [], {'min': 0.0, 'max': 1.0})], opset=10)
    assert written(tmp_path, net).output.kind == 'probability'
    net = net_of([('Clip', [], {'max': 1.0})], opset=10)
    assert written(tmp_path, net).output.kind == 'sigmoid'


@pytest.mark.parametrize('op', ['Sigmoid', 'HardSigmoid'])
def test_a_network_that_ends_in_sigmoid_has_two_classes(tmp_path, op):
    (labels, confidence), = segment(written(tmp_path, net_of([(op, [], {})])))
    assert (labels[6, 8], labels[6, 24], labels[18, 8], labels[18, 24]) == (0, 1, 1, 0)
    assert (confidence[[6, 6, 18, 18], [8, 24, 8, 24]] >= 254).all()


def test_the_threshold_applies_to_the_probability(tmp_path):
    net = net_of([('Mul', [np.array(1 / 12, np.float32)], {}), ('Sigmoid', [], {})])
    for threshold, seen in ((0.3, {1}), (0.5, {0, 1}), (0.7, {0})):
        card = written(tmp_path, net, output={'threshold': threshold})
        ((labels, confidence),) = segment(card)
        assert set(np.unique(labels[[6, 6], [8, 24]])) == seen
        sure = 1 / (1 + np.exp(-0.5)) if labels[6, 24] else 1 / (1 + np.exp(0.5))
        assert abs(confidence[6, 24] - 255 * sure) <= 1


def test_softmax_is_not_applied_twice(tmp_path):
    softmax = written(tmp_path, net_of([('Softmax', [], {'axis': 1})], 2))
    ((labels, confidence),) = segment(softmax)
    ((expected, sure),) = segment(written(tmp_path, net_of([], 2)))
    assert (labels == expected).all()
    assert confidence[6, 24] == sure[6, 24] == round(255 / (1 + np.exp(-6)))


@pytest.mark.parametrize('tail, channels, kind, right, words', [
    ([('Sigmoid', [], {})], 1, 'sigmoid', 'probability', 'every pixel becomes class 1'),
    ([('Softmax', [], {'axis': 1})], 2, 'logits', 'probabilities', 'the confidence is too low'),
    ([], 1, 'probability', 'sigmoid', 'its values are scores of any size'),
    ([], 2, 'probabilities', 'logits', 'its values are scores of any size'),
    ([('Greater', [ZERO], {}), TO_FLOAT], 1, 'sigmoid', 'labels', 'its values are class ids'),
    ([('Sigmoid', [], {})], 1, 'labels', 'probability', 'its values are probabilities')])
def test_a_card_that_contradicts_the_graph(tmp_path, caplog, tail, channels, kind, right, words):
    card = written(tmp_path, net_of(tail, channels), output={'kind': kind})
    segment(card, 5)
    (line,) = caplog.messages
    assert line.startswith('model net: output mask: the network ends in ') and words in line
    assert line.endswith(f'Write `kind: {right}` under `output` in the card')


def hidden_sigmoid(channels=1):
    """Return a network with 1 / (1 + exp(-x)) instead of Sigmoid. Some exporters write this."""
    return net_of([('Neg', [], {}), ('Exp', [], {}), ('Add', [ONE], {}),
                   ('Reciprocal', [], {})], channels)


@pytest.mark.parametrize('channels, kind, right', [
    (1, 'sigmoid', 'probability'), (3, 'logits', 'probabilities')])
def test_scores_that_are_always_within_0_and_1(tmp_path, caplog, channels, kind, right):
    card = written(tmp_path, hidden_sigmoid(channels))
    assert card.output.kind == kind
    segment(card, 2)
    assert not caplog.messages
    segment(card, 8)
    (line,) = caplog.messages
    assert 'output mask: all values of the first 3 network outputs are between 0 and 1' in line
    assert f'write `kind: {right}` under `output` in the model card' in line
    caplog.clear()
    segment(written(tmp_path, net_of([], channels)), 8)
    segment(written(tmp_path, hidden_sigmoid(channels), output={'kind': right}), 8)
    assert not caplog.messages


def test_an_argmax_has_a_name_for_each_class(tmp_path, caplog):
    net = net_of([('ArgMax', [], {'axis': 1, 'keepdims': 0})], 7, [1, 24, 32], TensorProto.INT64)
    card = written(tmp_path, net)
    assert card.classes == tuple(f'class_{i}' for i in range(7))
    segment(card, 5)
    assert not caplog.messages
    ((labels, _), *_) = segment(written(tmp_path, net, classes=['a', 'b']), 5)
    assert (labels[6, 8], labels[6, 24]) == (0, 255)
    (line,) = caplog.messages
    assert 'the network gives class ids 0 to 6, but the model card names 2 classes' in line


def test_ids_without_a_name_are_reported_once(tmp_path, caplog):
    net = net_of([('Relu', [], {}), ('Cast', [], {'to': TensorProto.INT32})],
                 kind=TensorProto.INT32)                # each id is 0 or 6
    card = written(tmp_path, net, classes=['a', 'b'])
    segment(card, 5, ((0, 0), (0, 0)))
    assert not caplog.messages
    ((labels, _), *_) = segment(card, 5)
    assert set(np.unique(labels)) == {0, 255}
    (line,) = caplog.messages
    assert ('the network gave class id 6, but the model card names 2 classes (ids 0 to 1). '
            'Pixels of other ids become 255, which means unlabelled') in line


def shapes(*shapes, sides=(24, 32), names=()):
    """Return a network whose outputs have these shapes. The values have no meaning."""
    net = Net(sides=sides)
    for place, shape in enumerate(shapes):
        known = [side if isinstance(side, int) else 5 for side in shape]
        net.output(net('Expand', net('ReduceMean', net.scores, keepdims=0), np.array(known)),
                   names[place] if names else f'output{place}', shape)
    return net


DETECTORS = {
    'yolo-seg': shapes([1, 116, 6400], [1, 32, 160, 160], sides=(640, 640)),
    'yolo-seg dynamic': shapes(['n', 116, 'anchors'], ['n', 32, 'h', 'w'], sides=(640, 640)),
    'yolo': shapes([1, 84, 8400], sides=(640, 640)),
    'boxes': shapes([1, 100, 4], sides=(320, 320)),
    'ssd': shapes([1, 'boxes', 4], [1, 'boxes', 21], sides=(300, 300)),
    'detr': shapes([1, 100, 251], [1, 100, 4], [1, 100, 200, 266], sides=(800, 1066)),
    'mask2former': shapes([1, 100, 134], [1, 100, 96, 96], sides=(384, 384)),
    'classifier': shapes([1, 10, 1, 1], sides=(224, 224)),
    'flat classifier': shapes([1, 10], sides=(224, 224)),
    'two classifiers': shapes([1, 10], [1, 4], sides=(224, 224)),
    'strip': shapes([1, 10, 4, 400], sides=(224, 224))}


@pytest.mark.parametrize('name', DETECTORS)
def test_a_network_without_a_segmentation_gets_no_card(tmp_path, capsys, name):
    path = DETECTORS[name].save(tmp_path / 'net.onnx')
    assert cli.main(['inspect', str(path)]) == 1
    out, err = capsys.readouterr()
    assert 'This is no segmentation network: ' in out
    assert all(line.startswith('#') for line in out.splitlines())
    assert err.count('\n') == 1
    assert err.startswith(f'trt_seg: error: {path} is no segmentation network: ')
    # inspect prints an outline of a card if an output has rows and columns
    assert ('#   kind: logits' in out.replace('#     ', '#   ')) == (
        name not in ('flat classifier', 'two classifiers'))
    path.with_suffix('.yaml').write_text(out)
    with pytest.raises(ModelCardError):
        load_card(path.with_suffix('.yaml'))


def test_a_hand_written_card_opens_what_inspect_refuses(tmp_path):
    path = DETECTORS['strip'].save(tmp_path / 'net.onnx')
    with pytest.raises(NotASegmentation) as caught:
        inspect_model(path)
    lines = caught.value.described.splitlines()
    outline = [line[2:] for line in lines[lines.index('#   model: "net.onnx"'):]]
    text = '\n'.join(outline).replace('[class_0, class_1]', str(list('abcdefghij')))
    path.with_suffix('.yaml').write_text(text)
    assert HostPipeline(load_card(path.with_suffix('.yaml'))).signature.output.channels == 10


def with_heads(*heads):
    """Return a network. A head is an output's name, its channels, and its number of operators."""
    net = Net()
    for name, channels, depth in heads:
        x = 'image'
        for _ in range(depth):
            x = net('Relu', x)
        weight = np.ones((channels, 3, 1, 1), np.float32)
        net.output(net('Conv', x, weight), name, [1, channels, 24, 32])
    return net


@pytest.mark.parametrize('heads, taken, others, reason', [
    ([('boundary', 1, 9), ('main', 19, 1)], 'main', ['boundary'], 'without aux, extra'),
    ([('aux_logits', 19, 9), ('main_logits', 19, 1)], 'main_logits', ['aux_logits'],
     'without aux, extra'),
    ([('extra_p', 19, 2), ('final', 19, 9), ('extra_d', 1, 2)], 'final', ['extra_p', 'extra_d'],
     'without aux, extra'),
    ([('927', 19, 2), ('921', 19, 9), ('933', 1, 2)], '921', ['927', '933'],
     '3 outputs fit, and this is the first one that needs almost all operators'),
    ([('a', 19, 9), ('b', 19, 10)], 'a', ['b'], '2 outputs fit, and this is the first one'),
    ([('a', 1, 9), ('b', 19, 1)], 'b', ['a'], 'with a channel for each class'),
    ([('aux', 19, 9), ('out', 19, 1)], 'out', ['aux'], 'torchvision gives this name'),
    ([('a', 19, 1), ('b', 19, 1)], 'a', ['b'], '2 outputs fit, and this is the first one')])
def test_inspect_chooses_the_segmentation_among_several_outputs(
        tmp_path, heads, taken, others, reason):
    path = with_heads(*heads).save(tmp_path / 'net.onnx')
    text = inspect_model(path)
    named = ', '.join(f'"{name}"' for name in others)
    assert f'\n  name: "{taken}"      # or {named}\n' in text
    (line,) = [line for line in text.splitlines() if f'  output {taken}: ' in line]
    assert reason in line


def test_a_feature_map_is_not_the_segmentation(tmp_path):
    net = with_heads(('mask', 1, 9))
    features = net('Relu', net('Conv', 'image', np.ones((64, 3, 1, 1), np.float32)))
    net.output(features, 'features', [1, 64, 24, 32])
    card = written(tmp_path, net)
    assert (card.output.name, card.output.kind) == ('mask', 'sigmoid')


@pytest.mark.parametrize('channels, tail, expected', [
    (21, [], ('logits', 'nchw')), (1, [], ('sigmoid', 'nchw')),
    (21, [('Softmax', [], {'axis': 1}), ('Transpose', [], {'perm': [0, 2, 3, 1]})],
     ('probabilities', 'nhwc'))])
def test_outputs_with_every_side_open_get_a_card(tmp_path, channels, tail, expected):
    net = Net(channels, SIDES)
    # as in networks of torchvision with open sides, only a run gives this size
    size = net('Concat', net('NonZero', net('Shape', net.scores)), axis=0)
    size = net('Add', net('Squeeze', size, np.array([0])), np.array([1, channels, 48, 64]))
    size = net('Sub', size, np.arange(4))
    net.scores = net('Resize', net.scores, '', '', size, mode='linear')
    for op, inputs, attributes in tail:
        net.scores = net(op, net.scores, *inputs, **attributes)
    card = written(tmp_path, net.output(net.scores, 'mask', ['n', 'a', 'b', 'c']))
    assert (card.output.kind, card.output.layout) == expected
    assert len(card.classes) == max(channels, 2)
    stated = count_noun(channels, 'channel')
    assert f'output mask has {stated}: the number is dynamic' in inspect_model(card.model)
    segment(card)


def test_one_channel_with_open_sides_gets_two_classes(tmp_path):
    card = written(tmp_path, net_of([RESIZE], 1, ['n', 1, 'b', 'c'], sides=SIDES))
    assert (card.output.kind, len(card.classes)) == ('sigmoid', 2)


def test_a_file_that_cannot_be_read_has_no_endings(tmp_path):
    assert read_endings(tmp_path / 'absent.onnx') == {}
    (tmp_path / 'text.onnx').write_text('hello world')
    assert read_endings(tmp_path / 'text.onnx') == {}
    net = net_of([('Sigmoid', [], {})]).save(tmp_path / 'net.onnx')
    assert read_endings(net) == {'mask': Ending('Sigmoid', 'probability', 1, False, 3)}
