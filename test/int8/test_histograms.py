# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Histograms of activations, and the ranges that the calibration methods take from them."""

import numpy as np
import pytest
import segmentation_networks

from trt_segmentation.builder.graph import simplify_model
from trt_segmentation.errors import GraphError
from trt_segmentation.int8.histograms import (
    BINS,
    collect_histograms,
    Histogram,
    LIMITS,
    STEPS,
)

NOISE = np.random.default_rng(0).standard_normal((50, 2000)).astype(np.float32)


def histogram(*parts):
    found = Histogram()
    for part in parts:
        found.add(np.asarray(part, np.float32))
    return found


@pytest.mark.parametrize('parts', [
    (NOISE,), (NOISE, 7 * NOISE), ([0.0, 0.0], NOISE), (NOISE, [0.0] * 9),
    ([], NOISE, 1e9 * NOISE)])
def test_every_value_counts_once_in_its_bin(parts):
    found = histogram(*parts)
    values = np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)
    expected, _ = np.histogram(np.abs(values), BINS, (0, found.end))
    assert found.counts.sum() == len(values)
    # float32 may put a value at the border of two bins into the other bin
    assert np.abs(np.cumsum(expected) - np.cumsum(found.counts)).max() <= 10
    assert (found.low, found.high) == (values.min(), values.max())
    assert np.abs(values).max() <= found.end * (1 + 1e-6)


def test_values_that_are_not_finite_do_not_count():
    spoiled = np.concatenate([NOISE.ravel(), np.float32([np.nan, np.inf, -np.inf])])
    found = histogram(spoiled)
    assert found.counts.sum() == NOISE.size
    assert found.range('minmax') == (NOISE.min(), NOISE.max())


@pytest.mark.parametrize('method', LIMITS)
def test_an_activation_of_zeros_has_an_empty_range(method):
    assert histogram([0.0, 0.0]).range(method) == (0, 0)


@pytest.mark.parametrize('method', LIMITS)
def test_a_range_ends_at_the_values_that_occur(method):
    low, high = histogram(np.maximum(NOISE, 0)).range(method)
    assert low == 0 < high <= NOISE.max()


def test_percentile_is_the_percentile_of_the_absolute_values():
    found = histogram(NOISE)
    low, high = found.range('percentile')
    assert high == pytest.approx(np.percentile(np.abs(NOISE), 99.99), abs=2 * found.end / BINS)
    assert low == -high


def test_mse_is_the_best_of_all_limits():
    def error(limit):
        scale = limit / STEPS
        rounded = np.clip(np.round(values / scale), -STEPS, STEPS) * scale
        return float(np.square(rounded - values).mean())
    values = np.concatenate([NOISE.ravel(), [60.0]]).astype(np.float64)
    _, high = histogram(values).range('mse')
    best = min(map(error, np.linspace(0.6, 60, 100)))
    assert error(high) == pytest.approx(best, rel=0.02) and error(high) < error(60)


def test_entropy_cuts_a_thin_tail_off_and_keeps_a_flat_distribution():
    flat = np.linspace(-1, 1, 100_000)
    assert histogram(flat).range('entropy')[1] == pytest.approx(1, rel=0.01)
    assert 2 < histogram(NOISE, [60.0]).range('entropy')[1] < 8


def test_methods_agree_for_each_order_of_the_parts():
    for method in LIMITS:
        first, second = (histogram(*parts).range(method)
                         for parts in ((NOISE, 3 * NOISE), (3 * NOISE, NOISE)))
        assert first == pytest.approx(second, rel=0.2)


def test_histograms_of_a_network():
    model = simplify_model(segmentation_networks.unet(), {'image': (1, 3, 64, 96)})
    rng = np.random.default_rng(1)
    tensors = [rng.standard_normal((1, 3, 64, 96)).astype(np.float32) for _ in range(3)]
    inner = next(node.output[0] for node in model.graph.node if node.op_type == 'Relu')
    done = []
    found = collect_histograms(model, ['image', inner], tensors, done.append)
    assert list(found) == ['image', inner] and done == [1, 2, 3]
    assert found['image'].counts.sum() == 3 * 3 * 64 * 96
    assert found['image'].high == max(tensor.max() for tensor in tensors)
    assert found[inner].low == 0 < found[inner].high
    assert found[inner].counts.sum() > 0
    with pytest.raises(GraphError, match='cannot run the network'):
        collect_histograms(model, [inner], [np.zeros((1, 4, 64, 96), np.float32)])
