# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of `trt_seg build` from recordings to calibrated graphs, without TensorRT."""

from dataclasses import replace

import cv2
import numpy as np
import onnx
import pytest
import recordings
import segmentation_networks

from trt_segmentation.accuracy.limit import compare_models, find_keep_fp16, refuse_loss
from trt_segmentation.accuracy.recordings import (
    Bag,
    Folder,
    JoinedRecordings,
    open_recordings,
    Street,
    STREET_SEED,
)
from trt_segmentation.accuracy.samples import FIRST_SEED, make_frame, Sample
from trt_segmentation.builder.calibration import calibrate, Calibration
from trt_segmentation.builder.feeds import choose_frames
from trt_segmentation.builder.graph import model_digest
from trt_segmentation.builder.prepare import (
    apply_precision,
    calibration_path,
    find_calibration,
    load_card_calibration,
    read_graph,
)
from trt_segmentation.builder.settings import Recipe
from trt_segmentation.errors import AccuracyLossError, GraphError
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import InputCard, load_card, ModelCard, spread_palette

COLORS = [(200, 40, 40), (30, 30, 30), (90, 200, 90)]


def pictures(count=6):
    rng = np.random.default_rng(0)
    return [np.clip(rng.normal(COLORS[i % 3], 20, (48, 64, 3)), 0, 255).astype(np.uint8)
            for i in range(count)]


@pytest.fixture
def card(tmp_path):
    path = segmentation_networks.save(segmentation_networks.deeplabv3(), tmp_path / 'net.onnx')
    return ModelCard('net', path, tuple('abcde'), spread_palette(5),
                     InputCard(height=64, width=96))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / 'images'
    path.mkdir()
    for index, picture in enumerate(pictures()):
        cv2.imwrite(str(path / f'{index}.png'), picture)
    (path / 'notes.txt').write_text('not an image')
    return path


@pytest.fixture
def bag(tmp_path):
    path = tmp_path / 'bag'
    recordings.write_bag(path, [
        recordings.Message(recordings.TOPIC, 'sensor_msgs/msg/Image',
                           recordings.FIRST + i * 10 ** 9,
                           recordings.image(picture, 'bgr8', recordings.FIRST + i * 10 ** 9))
        for i, picture in enumerate(pictures())])
    return path


def images(source):
    return [frame.data.reshape(frame.height, frame.width, 3) for _, frame in source]


def test_bag_and_folder_give_their_images_again_and_again(bag, folder):
    joined = open_recordings([str(bag), str(folder)])
    assert isinstance(joined, JoinedRecordings)
    for _ in range(2):
        for got, expected in zip(images(joined), pictures() * 2, strict=True):
            assert np.array_equal(got, expected)
    names = [name for name, _ in joined]
    assert names[0] == 'bag 1700000000.000000000' and names[6] == '0.png'


def test_topic_is_chosen(bag):
    assert len(list(Bag(bag, recordings.TOPIC))) == 6
    with pytest.raises(Exception, match=r'no images on ./camera/other.'):
        list(Bag(bag, '/camera/other'))


def test_street_scenes_are_neither_trained_on_nor_tested_on():
    assert STREET_SEED > FIRST_SEED + 100_000
    names = [name for name, _ in Street(5, ('day', 'night'))]
    assert names == ['day 0', 'night 1', 'day 2', 'night 3', 'day 4']
    first, second = images(Street(2, ('day',)))
    assert np.array_equal(images(Street(1, ('day',), STREET_SEED + 1))[0], second)
    assert not np.array_equal(first, second)
    assert len(list(open_recordings(['street'], scenes=3))) == 3


def test_sources_without_frames(tmp_path, folder):
    with pytest.raises(GraphError, match='there are no frames at /nowhere'):
        open_recordings(['/nowhere'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(GraphError, match=r'empty has no images; expected .* \.png'):
        open_recordings([str(tmp_path / 'empty')])
    (folder / '9.png').write_text('rubbish')
    with pytest.raises(GraphError, match=r'9.png cannot be read as a picture'):
        list(Folder(folder))


def test_calibration_tensors_equal_those_of_the_host_pipeline(card):
    picture = pictures(1)[0]
    feeds = choose_frames(card, [('one', make_frame(picture))], 1)
    (tensor,) = feeds()
    pipeline = HostPipeline(card)
    pipeline.submit([make_frame(picture)])
    pipeline.collect()
    np.testing.assert_array_equal(tensor, pipeline._tensor[:1])


def test_only_chosen_frames_are_fed(card):
    source = [(str(i), make_frame(p)) for i, p in enumerate(pictures(9))]
    feeds = choose_frames(card, source, 3)
    assert len(feeds.choice.chosen) == 3 and len(list(feeds())) == len(list(feeds())) == 3
    with pytest.raises(GraphError, match='has no frames'):
        choose_frames(card, [])


def count_quantised(model):
    return [node.op_type for node in model.graph.node].count('QuantizeLinear')


def compare(card, graph, samples):
    return compare_models(card, {'int8': graph.model}, samples)


def graph_and_calibration(card, recipe, method='minmax'):
    graph = read_graph(card, recipe)
    source = [(str(i), make_frame(p)) for i, p in enumerate(pictures())]
    return graph, calibrate(graph.model, choose_frames(card, source), method)


# The backbone has 8 weights. Its weighted nodes and 3 sums read 11 activations. 3 of these are the
# main branches of the sums, which get no pair. The head has 5 weights. Its weighted nodes read 4
# activations.
@pytest.mark.parametrize('precision,pairs', [('fp32', 0), ('fp16', 0), ('mixed', 16),
                                             ('int8', 25)])
def test_every_precision_from_one_recording(card, precision, pairs):
    recipe = Recipe(precision)
    graph, calibration = graph_and_calibration(card, recipe)
    made = apply_precision(graph, recipe, calibration)
    assert count_quantised(made.model) == pairs
    assert (made.split is None) == (pairs == 0)
    assert made.is_dynamic and made.profile == graph.profile
    onnx.checker.check_model(made.model, full_check=True)


def test_missing_ranges_and_unknown_precisions(card):
    graph = read_graph(card, Recipe('int8'))
    with pytest.raises(GraphError, match=r'int8 needs calibrated ranges\. Give --calibrate'):
        apply_precision(graph, Recipe('int8'))
    with pytest.raises(GraphError, match="precision 'fp61', did you mean 'fp16'"):
        Recipe('fp61')
    assert calibration_path(card) == card.model.parent / 'net.scales.json'


def test_ranges_of_another_network_are_refused(card):
    kept = Calibration({'image': (-1.0, 1.0)}, 'minmax', 'abc', 4, model=model_digest(card.model))
    kept.save(calibration_path(card))
    assert load_card_calibration(card) == kept
    onnx.save(segmentation_networks.unet(seed=5), card.model)
    with pytest.raises(GraphError, match=r'scales.json were measured on another network than .*'
                                         r'net.onnx\. To measure them again'):
        load_card_calibration(card)


@pytest.mark.parametrize('precision', ['int8', 'mixed'])
def test_ranges_of_the_demo_network_are_complete(precision):
    """The ranges and the network are both in resource/, and they belong together."""
    card = load_card('street')
    recipe = Recipe(precision)
    given = apply_precision(read_graph(card, recipe), recipe, load_card_calibration(card))
    assert given.split is not None and len(given.split.int8) > 30
    assert count_quantised(given.model) > 60


def test_scale_too_small_for_fp16_gives_a_warning(card):
    graph, calibration = graph_and_calibration(card, Recipe('int8'))
    tiny = {**calibration.ranges, 'image': (-1e-4, 1e-4)}
    made = apply_precision(graph, Recipe('int8'), replace(calibration, ranges=tiny))
    (finding,) = made.findings
    assert finding.where == 'image_scale'
    assert 'too small for the full precision of FP16' in finding.text
    tiny = {name: (-1e-4, 1e-4) for name in calibration.ranges}
    (finding,) = apply_precision(graph, Recipe('int8'), replace(calibration, ranges=tiny)).findings
    assert finding.where.count(',') == 2 and finding.where.endswith(' and 9 other scales')


def make_samples(card):
    """Return samples. The FP32 network gives their truth."""
    pipeline, samples = HostPipeline(card), []
    for index, picture in enumerate(pictures(4)):
        pipeline.submit([make_frame(picture)])
        samples.append(Sample(str(index), picture, pipeline.collect()[0].labels))
    return samples


def test_layers_move_to_fp16_until_the_loss_is_within_the_limit(card):
    recipe = Recipe('int8')
    graph, calibration = graph_and_calibration(card, recipe)
    name = '/backbone/layer1/relu1'
    spoilt = replace(calibration, ranges={**calibration.ranges, name: (0.0, 1e4)})
    samples = make_samples(card)
    bad = compare(card, apply_precision(graph, recipe, spoilt), samples)
    good = compare(card, apply_precision(graph, recipe, calibration), samples)
    bar = (bad.loss('int8') + good.loss('int8')) / 2
    assert good.loss('int8') < bar < bad.loss('int8')
    refuse_loss(good, 'int8', bar)
    with pytest.raises(GraphError, match=r'int8 loses 0\.\d+ of mean IoU, but --max-miou-drop '
                                         r'allows'):
        refuse_loss(bad, 'int8', bar)
    with pytest.raises(AccuracyLossError, match=r'or build fp16\. These are drawings'):
        refuse_loss(bad, 'int8', bar, 'These are drawings')
    rng = np.random.default_rng(0)
    tensors = [rng.standard_normal((1, 3, 64, 96)).astype(np.float32)]
    found = find_keep_fp16(card, graph, recipe, spoilt, tensors, samples, bar)
    assert '/backbone/layer1/conv2' in found.keep_fp16
    assert len(found.keep_fp16) < 6
    assert found.digest != spoilt.digest
    mended = compare(card, apply_precision(graph, recipe, found), samples)
    refuse_loss(mended, 'int8', bar)


@pytest.fixture
def large_card(card):
    """Card of a network whose values pass 65504 inside, although its weights do not."""
    segmentation_networks.save(segmentation_networks.overflowing(), card.model)
    return card


LARGE = ('/head/times', '/head/part')


@pytest.mark.parametrize('precision', ['fp16', 'int8', 'mixed'])
def test_nodes_above_fp16_stay_fp32_and_are_named(large_card, precision):
    recipe = Recipe(precision)
    graph, calibration = graph_and_calibration(large_card, recipe)
    assert list(calibration.above_fp16) == ['/head/times']
    made = apply_precision(graph, recipe, calibration)
    assert made.fp32 == LARGE
    (finding,) = made.findings
    assert finding.where == ', '.join(LARGE)
    assert f'values reach {calibration.above_fp16["/head/times"]:.4g} and' in finding.text
    kinds = {t.name: t.data_type for t in made.model.graph.initializer}
    assert kinds['factor'] == kinds['part'] == onnx.TensorProto.FLOAT
    assert kinds['/head/out.bias'] == onnx.TensorProto.FLOAT16


def test_the_gate_sees_an_overflow(large_card):
    """Without measured values the overflow stays in the network, and the comparison shows it."""
    graph, calibration = graph_and_calibration(large_card, Recipe('fp16'))
    blind = apply_precision(graph, Recipe('fp16'))
    (finding,) = blind.findings
    assert 'nobody measured whether the values of the network stay below 65504' in finding.text
    samples = make_samples(large_card)
    accuracy = compare_models(large_card, {
        'blind': blind.model, 'checked': apply_precision(graph, Recipe('fp16'), calibration).model
    }, samples)
    assert accuracy.agreement('checked') > 0.99
    assert accuracy.agreement('blind') < 0.9
    with pytest.raises(GraphError, match='blind loses 0'):
        refuse_loss(accuracy, 'blind', 0.01)


def test_a_weight_above_fp16_stays_fp32_with_its_node(card):
    segmentation_networks.save(segmentation_networks.overflowing(7e4), card.model)
    made = apply_precision(read_graph(card, Recipe('fp16')), Recipe('fp16'))
    assert made.fp32 == ('/head/times',)
    assert made.findings[0].text == (
        'these nodes stay FP32, because their values reach 7e+04 and the largest FP16 number is '
        '65504')


def test_fp16_takes_the_measured_values_of_a_card_or_says_why_not(large_card):
    said = []
    assert find_calibration(large_card, Recipe('fp16'), said.append) is None and said == []
    _, calibration = graph_and_calibration(large_card, Recipe('fp16'))
    kept = replace(calibration, model=model_digest(large_card.model))
    kept.save(calibration_path(large_card))
    assert find_calibration(large_card, Recipe('fp16'), said.append) == kept and said == []
    replace(kept, model='another').save(calibration_path(large_card))
    assert find_calibration(large_card, Recipe('fp16'), said.append) is None
    assert 'fp16 is built without measured values: the ranges in' in said[0] and len(said) == 1
    assert kept.fp16_digest and not replace(kept, above_fp16={}).fp16_digest
    assert kept.digest != replace(kept, above_fp16=None).digest


def test_the_demo_network_was_measured():
    """So fp16 through `auto` is checked for the network in resource/."""
    calibration = load_card_calibration(load_card('street'))
    assert calibration.above_fp16 == {}
