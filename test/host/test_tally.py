# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The tally of an image equals the tally of float64 probabilities, at the sampled pixels."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import oracle
import pytest

from trt_segmentation.host.postprocess import Postprocess
from trt_segmentation.model.card import RESIZES
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.kind import OutputKind
from trt_segmentation.model.signature import NetworkOutput
from trt_segmentation.trust.tally import BINS, ENTROPY_STEPS, sample_pixels, tally_size

SIDE = st.integers(1, 300)


def segment(values, kind, classes, geometry, temperature=1.0):
    output = NetworkOutput('out', OutputKind[kind.upper()], 'nchw', 'float32', len(values))
    return Postprocess(output, classes, 0.5, temperature)(values, geometry, False, True)


def at_samples(array, geometry):
    rows, cols = (sample_pixels(*axis.visible) for axis in (geometry.rows, geometry.cols))
    return array[..., np.array(rows, int)[:, None], np.array(cols, int)]


def check(tally, labels, chances, geometry, classes):
    """Compare a tally with the probabilities (classes, height, width) of every pixel."""
    sampled, chances = at_samples(labels, geometry), at_samples(chances, geometry)
    seen = sampled != 255
    assert tally.dtype == np.uint32 and tally.shape == (tally_size(classes),)
    assert tally[:classes].tolist() == [np.count_nonzero(sampled == c) for c in range(classes)]
    assert tally[classes] == np.count_nonzero(~seen)
    entropy = -(chances * np.log(np.maximum(chances, 1e-300))).sum(axis=0) / np.log(len(chances))
    assert int(tally[classes + 1]) == pytest.approx(float(entropy[seen].sum()) * ENTROPY_STEPS,
                                               abs=int(seen.sum()) + 1, rel=1e-4)
    ranked = np.sort(chances, axis=0)
    bins = np.minimum((ranked[-1] - ranked[-2])[seen] * BINS, BINS - 1).astype(int)
    expected = np.bincount(bins, minlength=BINS)
    # a margin near the border of two bins may lie in either of them
    assert np.abs(np.cumsum(tally[classes + 2:].astype(int)) - expected.cumsum()).max() \
        <= 1 + seen.sum() // 500
    assert tally[classes + 2:].sum() == seen.sum()


@settings(deadline=None, max_examples=60)
@given(resize=st.sampled_from(RESIZES), camera=st.tuples(SIDE, SIDE), seed=st.integers(0, 99),
       classes=st.sampled_from([2, 5, 19]), temperature=st.sampled_from([1.0, 0.5, 2.5]))
def test_logits(resize, camera, seed, classes, temperature):
    geometry = fit(resize, camera, (64, 48))
    logits = np.random.default_rng(seed).normal(0, 3, (classes, 16, 12)).astype(np.float32)
    result = segment(logits, 'logits', classes, geometry, temperature)
    values, _ = oracle.upsample(logits, resize, camera, (64, 48))
    chances = np.exp((values - values.max(axis=0)) / temperature)
    check(result.tally, result.labels, chances / chances.sum(axis=0), geometry, classes)


@pytest.mark.parametrize('kind', ['sigmoid', 'probability'])
def test_one_channel(kind):
    geometry = fit('letterbox', (200, 333), (64, 64))
    normal = np.random.default_rng(0).normal(0, 2, (1, 16, 16))
    values = (1 / (1 + np.exp(-normal)) if kind == 'probability' else normal).astype(np.float32)
    result = segment(values, kind, 2, geometry)
    one, _ = oracle.upsample(values, 'letterbox', (200, 333), (64, 64))
    if kind == 'sigmoid':
        one = 1 / (1 + np.exp(-one))
    check(result.tally, result.labels, np.concatenate([1 - one, one]), geometry, 2)


def test_probabilities():
    geometry = fit('stretch', (200, 333), (64, 64))
    values = np.exp(np.random.default_rng(0).normal(0, 2, (4, 16, 16)))
    values = (values / values.sum(axis=0)).astype(np.float32)
    result = segment(values, 'probabilities', 4, geometry)
    chances, _ = oracle.upsample(values, 'stretch', (200, 333), (64, 64))
    check(result.tally, result.labels, chances / chances.sum(axis=0), geometry, 4)


def test_class_ids_have_counts_only():
    geometry = fit('stretch', (30, 40), (8, 8))
    result = segment(np.array([[[0, 1], [9, 1]]], np.float32), 'labels', 3, geometry)
    assert result.tally.tolist() == [300, 600, 0, 300, 0, *[0] * BINS]


def test_an_unlabelled_pixel_counts_in_no_other_figure():
    """A pixel near a NaN of every class is unlabelled."""
    geometry = fit('stretch', (32, 32), (8, 8))
    logits = np.zeros((3, 8, 8), np.float32)
    logits[1] = 5
    logits[:, :4] = np.nan
    result = segment(logits, 'logits', 3, geometry)
    unlabelled = int((result.labels == 255).sum())
    assert unlabelled > 0
    assert result.tally[:4].tolist() == [0, 1024 - unlabelled, 0, unlabelled]
    assert result.tally[5:].sum() == 1024 - unlabelled


def test_a_camera_that_the_network_does_not_see_has_an_empty_tally():
    geometry = fit('crop', (1, 3000), (3000, 1))
    result = segment(np.zeros((2, 4, 1), np.float32), 'logits', 2, geometry)
    seen = result.labels != 255
    assert result.tally[:2].sum() == seen.sum()


def test_the_tally_is_made_only_if_it_is_wanted():
    output = NetworkOutput('out', OutputKind.LOGITS, 'nchw', 'float32', 2)
    geometry = fit('stretch', (8, 8), (8, 8))
    assert Postprocess(output, 2, 0.5)(np.zeros((2, 2, 2), np.float32), geometry).tally is None


@pytest.mark.parametrize('kind, classes', [('logits', 4), ('sigmoid', 2)])
def test_a_temperature_changes_the_confidence_and_not_the_labels(kind, classes):
    channels = 1 if kind == 'sigmoid' else classes
    values = np.random.default_rng(1).normal(0, 3, (channels, 9, 9)).astype(np.float32)
    output = NetworkOutput('out', OutputKind[kind.upper()], 'nchw', 'float32', channels)
    geometry = fit('stretch', (90, 90), (36, 36))
    cold, warm, expected = (
        Postprocess(output, classes, 0.5, temperature)(scores, geometry, True)
        for temperature, scores in ((1, values), (2, values), (1, values / 2)))
    assert (warm.labels == cold.labels).all()
    levels = [np.asarray(one.confidence, int) for one in (cold, warm, expected)]
    assert np.abs(levels[1] - levels[2]).max() <= 1
    assert levels[1].mean() < levels[0].mean() - 5
