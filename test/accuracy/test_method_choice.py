# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The best calibration method is chosen on frames that were not used for the ranges."""

import json

import numpy as np
import pytest
import segmentation_networks

from trt_segmentation.accuracy import method_choice
from trt_segmentation.accuracy.method_choice import (
    calibrate_best,
    choose_judging_frames,
    MethodChoice,
)
from trt_segmentation.accuracy.samples import make_frame
from trt_segmentation.builder.calibration import calibrate
from trt_segmentation.builder.feeds import choose_frames
from trt_segmentation.builder.prepare import apply_precision, read_graph
from trt_segmentation.builder.settings import FALLBACK_METHOD, METHODS, Recipe
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette

COLORS = [(200, 40, 40), (30, 30, 30), (90, 200, 90)]


@pytest.fixture(scope='module')
def card(tmp_path_factory):
    path = tmp_path_factory.mktemp('network') / 'net.onnx'
    segmentation_networks.save(segmentation_networks.deeplabv3(), path)
    return ModelCard('net', path, tuple('abcde'), spread_palette(5),
                     InputCard(height=64, width=96))


def feeds_of(card, count):
    rng = np.random.default_rng(0)
    pictures = [np.clip(rng.normal(COLORS[i % 3], 20, (48, 64, 3)), 0, 255).astype(np.uint8)
                for i in range(count)]
    return choose_frames(card, [(str(i), make_frame(p)) for i, p in enumerate(pictures)], count)


@pytest.mark.parametrize('frames,judging', [(1, 0), (9, 0), (10, 2), (14, 2), (15, 3), (80, 16),
                                            (200, 16)])
def test_a_fifth_of_the_frames_judges(card, frames, judging):
    feeds = feeds_of(card, frames)
    found = choose_judging_frames(feeds)
    assert len(found) == len(set(found.tolist())) == judging
    assert set(found.tolist()) <= set(feeds.choice.chosen.tolist())
    assert found.tolist() == sorted(found.tolist())


def test_judging_frames_show_every_light(card):
    feeds = feeds_of(card, 60)
    light = {i % 3 for i in choose_judging_frames(feeds).tolist()}
    assert light == {0, 1, 2}


@pytest.fixture(scope='module')
def found(card):
    graph = read_graph(card, Recipe('int8'))
    bars: dict[str, tuple[int, list[int]]] = {}

    def add_bar(name, total):
        assert name not in bars
        bars[name] = (total, [])
        return bars[name][1].append

    feeds = feeds_of(card, 12)
    return (graph, feeds, *calibrate_best(card, graph, Recipe('int8'), feeds, None, add_bar), bars)


def test_the_method_with_the_largest_agreement_is_used(found):
    graph, _, calibration, choice, bars = found
    assert set(choice.agreement) == set(METHODS)
    assert all(0.5 < value <= 1 for value in choice.agreement.values())
    assert len(set(choice.agreement.values())) > 1
    assert choice.agreement[choice.best] == max(choice.agreement.values())
    assert (choice.precision, choice.frames, calibration.frames) == ('int8', 2, 10)
    done = list(range(1, 11))
    assert bars['calibration'] == (10, [*done, 10])
    assert bars['methods compared'] == (2, [1, 2])
    layers = apply_precision(graph, Recipe('int8'), calibration).split
    assert layers is not None
    count = len(layers.int8) + len(choice.keep_fp16)
    assert bars['layers ranked'] == (count, list(range(1, count + 1)))
    again = {'sensitive layers compared'} if choice.outliers else set()
    assert set(bars) == {'calibration', 'methods compared', 'layers ranked'} | again


def test_ranges_come_from_the_other_frames_only(found):
    graph, feeds, calibration, choice, *_ = found
    judging = set(choose_judging_frames(feeds).tolist())
    tensors = [tensor for i, tensor in enumerate(feeds()) if i not in judging]
    expected = calibrate(graph.model, lambda: iter(tensors), choice.best)
    assert (calibration.ranges, calibration.data) == (expected.ranges, expected.data)


def test_too_few_frames_are_not_compared(card):
    graph = read_graph(card, Recipe('mixed'))
    calibration, choice = calibrate_best(card, graph, Recipe('mixed'), feeds_of(card, 9))
    assert (calibration.method, calibration.frames) == (FALLBACK_METHOD, 9)
    assert choice == MethodChoice() and calibration.keep_fp16 == ()
    (line,) = choice.lines()
    assert 'fewer than 10 frames' in line and FALLBACK_METHOD in line


@pytest.mark.parametrize('precision,compared', [('mixed', 'mixed'), ('fp16', 'int8')])
def test_layers_with_a_far_larger_error_stay_fp16_if_this_helps(card, monkeypatch, precision,
                                                                compared):
    graph = read_graph(card, Recipe(precision))

    def errors(model, ranges, nodes, tensors, ranked):
        assert len(tensors) == 2 and len(nodes) > 4
        return {nodes[0]: 0.9, nodes[1]: 0.8, **dict.fromkeys(nodes[2:], 0.1)}
    monkeypatch.setattr(method_choice, 'measure_layer_errors', errors)
    calibration, choice = calibrate_best(card, graph, Recipe(precision), feeds_of(card, 10))
    assert choice.precision == compared and len(choice.outliers) == 1
    assert choice.without > 0
    assert calibration.keep_fp16 == choice.keep_fp16
    assert choice.keep_fp16 == (choice.outliers if choice.without > max(choice.agreement.values())
                                else ())


CHOICE = MethodChoice({'mse': 0.98, 'minmax': 0.97}, 'int8', 3, ('add', 'conv'), 0.99, 12.3)


@pytest.mark.parametrize('without,kept', [(0.99, ('add', 'conv')), (0.98, ()), (0.9, ())])
def test_outliers_stay_int8_if_fp16_does_not_help(without, kept):
    assert MethodChoice(CHOICE.agreement, 'int8', 3, CHOICE.outliers, without).keep_fp16 == kept
    assert MethodChoice(CHOICE.agreement, 'int8', 3, (), 0.0).keep_fp16 == ()


def test_the_comparison_is_written_and_logged(tmp_path):
    logged = []
    CHOICE.write(tmp_path, logged.append)
    tree = json.loads((tmp_path / 'methods.json').read_text())
    del tree['written_by']
    assert tree == {
        'chosen': 'mse', 'agreement': {'mse': 0.98, 'minmax': 0.97}, 'precision': 'int8',
        'frames': 3, 'outliers': ['add', 'conv'], 'agreement_without_outliers': 0.99,
        'keep_fp16': ['add', 'conv'], 'seconds': 12.3}
    assert logged == CHOICE.lines() and len(logged) == 4
    assert logged[0].endswith('not used for the ranges, in 12 s:') and '3 frames' in logged[0]
    assert ' '.join(logged[1].split()) == (
        'mse 98.000% of the pixels have the label of fp32 (chosen)')
    assert logged[2].split()[:2] == ['minmax', '97.000%'] and 'chosen' not in logged[2]
    assert logged[3].endswith('(chosen): add, conv')
