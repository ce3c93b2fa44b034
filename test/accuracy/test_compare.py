# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy reports, and the search for sensitive layers, with networks of known loss."""

from dataclasses import replace
import functools

import cv2
import numpy as np
import onnx
from onnx import numpy_helper
import pytest
import segmentation_networks

from trt_segmentation.accuracy.compare import compare_precisions
from trt_segmentation.accuracy.differences import LEGEND_LINE, write_differences
from trt_segmentation.accuracy.report import tabulate_conditions
from trt_segmentation.accuracy.samples import label_image, Sample
from trt_segmentation.builder.calibration import measure_ranges
from trt_segmentation.builder.graph import simplify_model
from trt_segmentation.builder.precision import choose_int8_nodes, convert_to_int8
from trt_segmentation.builder.sensitivity import measure_layer_errors, move_layers_to_fp16
from trt_segmentation.errors import GraphError
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette

CLASSES = segmentation_networks.CLASSES


@pytest.fixture
def card(tmp_path):
    path = segmentation_networks.save(segmentation_networks.unet(), tmp_path / 'fp32.onnx')
    return ModelCard('unet', path, tuple('abcde'), spread_palette(CLASSES),
                     InputCard(height=64, width=96))


def without_class(card, index):
    """Write a copy of the network that never predicts one class. Return the path."""
    model = onnx.load(card.model)
    bias = next(t for t in model.graph.initializer if t.name == '/out.bias')
    values = numpy_helper.to_array(bias).copy()
    values[index] = -1e6
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    return segmentation_networks.save(model, card.model.with_name(f'without_{index}.onnx'))


def make_samples(card, truth=True):
    """Return samples of noise. The FP32 network gives their truth, so its mean IoU is 1."""
    rng = np.random.default_rng(0)
    made = [Sample(f'{condition} {i}', rng.integers(0, 256, (64, 96, 3), np.uint8),
                   condition=condition)
            for condition in ('day', 'night') for i in range(2)]
    if not truth:
        return made
    pipeline = HostPipeline(card)
    return [replace(sample, truth=label_image(pipeline, sample.image)) for sample in made]


def compare_without_class(card, index, samples):
    models = {'fp32': card.model, 'int8': without_class(card, index)}
    return compare_precisions(card, models, samples)


def test_loss_is_that_of_the_missing_class(card):
    given = make_samples(card)
    taken = int(np.bincount(given[0].truth.ravel()).argmax())
    accuracy = compare_without_class(card, taken, given)
    assert accuracy.conditions == ['day', 'night']
    assert accuracy.scores('fp32').mean_iou == 1 and accuracy.boundary_iou('fp32') == 1
    assert accuracy.scores('int8').iou[taken] == 0
    assert accuracy.loss('fp32') == 0
    assert accuracy.loss('int8') == 1 - accuracy.scores('int8').mean_iou > 0.2
    same = np.mean([np.mean(sample.truth != taken) for sample in given])
    assert accuracy.agreement('int8') == pytest.approx(same)
    nights = np.mean([np.mean(sample.truth != taken) for sample in given[2:]])
    assert accuracy.agreement('int8', 'night') == pytest.approx(nights)
    assert accuracy.scores('int8', 'day').images == 2


def test_report_has_every_precision_and_condition(card):
    tree = compare_without_class(card, 0, make_samples(card)).tree()
    assert set(tree) == {'fp32', 'int8'} and set(tree['int8']) == {'', 'day', 'night'}
    assert set(tree['int8']['night']) == {
        'agreement', 'images', 'mean_iou', 'pixel_accuracy', 'iou', 'boundary_iou'}


def test_without_truth_only_agreement_is_known(card):
    accuracy = compare_without_class(card, 0, make_samples(card, truth=False))
    assert not accuracy.has_truth()
    assert accuracy.loss('int8') == 1 - accuracy.agreement('int8') > 0
    assert set(accuracy.tree()['int8']['']) == {'agreement'}


def test_different_pixels_are_drawn_at_their_places(card, tmp_path):
    given = make_samples(card)
    accuracy = compare_without_class(card, 0, given)
    assert all(d.precision == 'int8' for d in accuracy.differences)
    assert [d.fraction for d in accuracy.differences] == sorted(
        (d.fraction for d in accuracy.differences), reverse=True)
    assert len({d.sample.name for d in accuracy.differences}) == len(accuracy.differences)
    path = tmp_path / 'differences.png'
    write_differences(accuracy, card, path, height=64)
    drawn = cv2.imread(str(path))
    assert drawn is not None
    rows = LEGEND_LINE + len(accuracy.differences) * 68
    assert drawn.shape[1] == 4 * 96 and (drawn.shape[0] - rows) % LEGEND_LINE == 0
    shown = {tuple(color) for color in drawn[rows:].reshape(-1, 3).tolist()}
    for label in np.unique([d.labels for d in accuracy.differences]):
        assert tuple(card.palette[label, ::-1].tolist()) in shown
    worst = accuracy.differences[0]
    assert drawn[:LEGEND_LINE].max() > 200      # the title
    picture = drawn[LEGEND_LINE:LEGEND_LINE + 40, 288:384]      # without the text below it
    changed = picture.max(axis=2) > 127
    assert np.array_equal(changed, (worst.reference != worst.labels)[:40])


def test_the_built_precision_is_drawn_first(card):
    """It comes first even if another precision differs more."""
    given = make_samples(card)
    counts = np.bincount(given[0].truth.ravel(), minlength=CLASSES).argsort()
    accuracy = compare_precisions(card, {
        'fp32': card.model, 'fp16': without_class(card, int(counts[-2])),
        'int8': without_class(card, int(counts[-1]))}, given)
    assert accuracy.agreement('int8') < accuracy.agreement('fp16')
    drawn = [difference.precision for difference in accuracy.differences]
    assert set(drawn) == {'fp16', 'int8'} and drawn == sorted(drawn)


def test_the_only_condition_has_no_row_of_all_images(card):
    def rows(samples):
        return list(tabulate_conditions(compare_without_class(card, 0, samples)).columns[1].cells)

    given = make_samples(card)
    assert [str(cell) for cell in rows(given[2:])] == ['night'] * 2
    assert [str(cell) for cell in rows(given)] == ['all', 'day', 'night'] * 2


@functools.cache
def deeplab():
    model = simplify_model(segmentation_networks.deeplabv3(), {'image': (1, 3, 64, 96)})
    rng = np.random.default_rng(0)
    frames = [rng.standard_normal((1, 3, 64, 96)).astype(np.float32) for _ in range(2)]
    ranges = measure_ranges(model, frames, ['minmax'])['minmax']
    # INT8 ruins one layer, because its range is a hundred times too wide
    ranges['/backbone/layer2/relu1'] = (0.0, 100 * ranges['/backbone/layer2/relu1'][1])
    return model, ranges, choose_int8_nodes(model, 'int8'), [{'image': frames[0]}]


def test_the_sensitive_layer_is_found():
    model, ranges, chosen, feeds = deeplab()
    told = []
    errors = measure_layer_errors(model, ranges, chosen.int8, feeds, told.append)
    assert next(iter(errors)) == '/backbone/layer2/conv2'
    assert list(errors.values()) == sorted(errors.values(), reverse=True)
    assert told == list(range(1, len(chosen.int8) + 1))


def test_as_few_layers_as_possible_move_to_fp16():
    model, ranges, chosen, _ = deeplab()
    errors = {name: float(len(chosen.int8) - i) for i, name in enumerate(chosen.int8)}
    asked = []

    def loss(changed):
        count = sum(n.op_type == 'QuantizeLinear' for n in changed.graph.node)
        asked.append(count)
        return count / 1000
    everything = move_layers_to_fp16(model, ranges, chosen, errors, loss, 1.0)
    assert everything == chosen and len(asked) == 1
    bar = asked[0] / 1000 * 0.6
    some = move_layers_to_fp16(model, ranges, chosen, errors, loss, bar)
    back = [name for name in chosen.int8 if name not in some.int8]
    assert back == list(errors)[:len(back)] and 0 < len(back) < len(chosen.int8)
    assert set(back) <= set(some.fp16)
    assert f'without the {len(back)} most sensitive layers' in some.reason
    assert loss(convert_to_int8(model, ranges, some.int8)) <= bar
    one_more = [name for name in chosen.int8 if name not in back[:-1]]
    assert loss(convert_to_int8(model, ranges, one_more)) > bar


def test_loss_that_no_single_layer_causes():
    model, ranges, chosen, _ = deeplab()
    errors = dict.fromkeys(chosen.int8, 1.0)
    with pytest.raises(GraphError, match=r'loses 0.5000 even with a single INT8 layer, but '
                                         r'the limit is 0.0100\. Build fp16'):
        move_layers_to_fp16(model, ranges, chosen, errors, lambda changed: 0.5, 0.01)
