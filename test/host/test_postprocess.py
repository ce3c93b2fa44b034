# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The output of a network becomes labels and confidences."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import oracle
import pytest

from trt_segmentation.errors import EngineError
from trt_segmentation.host.postprocess import find_contenders, label_bands, Postprocess
from trt_segmentation.host.resample import cut_into_bands
from trt_segmentation.model.card import RESIZES
from trt_segmentation.model.geometry import fit
from trt_segmentation.model.kind import OutputKind
from trt_segmentation.model.signature import NetworkOutput

NEAR = 1e-4
"""float32 may swap two logits of about 10 that differ by less than this."""
SIDE = st.integers(1, 50)
GRID = st.integers(1, 20)


def output(kind='logits', layout='nchw', dtype='float32', channels=5):
    return NetworkOutput('out', OutputKind[kind.upper()], layout, dtype, channels)


def post(kind='logits', layout='nchw', dtype='float32', classes=5, threshold=0.5):
    channels = classes if OutputKind[kind.upper()].has_class_channels else 1
    return Postprocess(output(kind, layout, dtype, channels), classes, threshold)


def expected(grid, resize, camera, net, dtype=np.uint8):
    """Return (labels, probability, lead). An unseen pixel is unlabelled and has infinite lead."""
    values, seen = oracle.upsample(grid, resize, camera, net)
    winner, probability, lead = oracle.softmax_winner(values)
    seen = seen & np.isfinite(values).any(axis=0)
    return (np.where(seen, winner, np.iinfo(dtype).max).astype(dtype),
            np.where(seen, probability, 0), np.where(seen, lead, np.inf))


def check(result, labels, probability, lead):
    assert result.labels.dtype == labels.dtype
    differs = result.labels != labels
    assert (lead[differs] < NEAR).all()
    if result.confidence is not None:
        assert result.confidence.dtype == np.uint8
        assert np.abs(result.confidence - probability * 255).max() <= 0.51


@settings(deadline=None, max_examples=250)
@given(resize=st.sampled_from(RESIZES), camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE),
       grid=st.tuples(GRID, GRID), classes=st.sampled_from([1, 2, 5, 19]),
       layout=st.sampled_from(['nchw', 'nhwc']), dtype=st.sampled_from(['float32', 'float16']),
       seed=st.integers(0, 9999), confidence=st.booleans(),
       shift=st.sampled_from([0, -50, 50]))
def test_logits(resize, camera, net, grid, classes, layout, dtype, seed, confidence, shift):
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(classes, *grid)) * 4 + shift).astype(dtype)
    network_output = np.moveaxis(logits, 0, -1) if layout == 'nhwc' else logits
    result = post('logits', layout, dtype, classes)(
        network_output, fit(resize, camera, net), confidence)
    assert (result.confidence is not None) == confidence
    check(result, *expected(logits, resize, camera, net))


@settings(deadline=None, max_examples=80)
@given(resize=st.sampled_from(RESIZES), camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE),
       grid=st.tuples(GRID, GRID), seed=st.integers(0, 9999),
       layout=st.sampled_from(['nchw', 'nhwc', 'nhw']), threshold=st.sampled_from([.5, .2, .9]))
def test_sigmoid(resize, camera, net, grid, seed, layout, threshold):
    logit = np.random.default_rng(seed).normal(size=grid).astype(np.float32) * 3
    network_output = {'nchw': logit[None], 'nhwc': logit[..., None], 'nhw': logit}[layout]
    result = post('sigmoid', layout, classes=2, threshold=threshold)(
        network_output, fit(resize, camera, net), True)
    (value,), seen = oracle.upsample(logit[None], resize, camera, net)
    one = 1 / (1 + np.exp(-value))
    labels = np.where(seen, one >= threshold, 255).astype(np.uint8)
    sure = np.abs(one - threshold) > 1e-5
    assert (result.labels == labels)[sure].all()
    probability = np.where(seen, np.where(one >= threshold, one, 1 - one), 0)
    assert np.abs(result.confidence - probability * 255)[sure].max(initial=0) <= 0.51


@settings(deadline=None, max_examples=80)
@given(resize=st.sampled_from(RESIZES), camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE),
       grid=st.tuples(GRID, GRID), seed=st.integers(0, 9999), classes=st.sampled_from([2, 9, 300]),
       layout=st.sampled_from(['nchw', 'nhwc', 'nhw']),
       dtype=st.sampled_from(['int64', 'int32', 'uint8', 'float32']))
def test_labels(resize, camera, net, grid, seed, classes, layout, dtype):
    ids = np.random.default_rng(seed).integers(0, min(classes, 255), grid).astype(dtype)
    network_output = {'nchw': ids[None], 'nhwc': ids[..., None], 'nhw': ids}[layout]
    result = post('labels', layout, dtype, classes)(network_output, fit(resize, camera, net))
    near, seen = oracle.nearest(ids, resize, camera, net)
    wide = np.uint16 if classes > 255 else np.uint8
    assert result.labels.dtype == wide
    assert (result.labels[seen] == near[seen]).all()
    assert (result.labels[~seen] == np.iinfo(wide).max).all()


@settings(deadline=None, max_examples=80)
@given(resize=st.sampled_from(RESIZES), seed=st.integers(0, 9999), confidence=st.booleans(),
       holes=st.floats(0.02, 0.9), worst=st.sampled_from([np.nan, -np.inf]))
def test_a_missing_logit_never_wins(resize, seed, confidence, holes, worst):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(3, 6, 7)).astype(np.float32)
    missing = rng.random(logits.shape) < holes
    filled = np.where(missing, np.float32(worst), logits)
    result = post(classes=3)(filled, fit(resize, (31, 29), (24, 28)), confidence)
    labels, _, lead = expected(np.where(missing, np.nan, logits), resize, (31, 29), (24, 28))
    # if a missing number has a weight near 0 for every class, rounding decides the label
    clear = ~np.isnan(lead) & (lead > NEAR)
    assert (result.labels == labels)[clear].mean() > 0.99
    if confidence:
        assert (result.confidence[result.labels == 255] == 0).all()


def test_all_missing_is_unlabelled_and_infinity_wins():
    logits = np.full((2, 2, 2), np.nan, np.float32)
    geometry = fit('stretch', (4, 4), (2, 2))
    result = post(classes=2)(logits, geometry, True)
    assert (result.labels == 255).all() and (result.confidence == 0).all()
    logits[1] = np.inf
    logits[0] = 3
    assert (post(classes=2)(logits, geometry).labels == 1).all()


def test_a_sigmoid_may_be_infinite_but_not_missing():
    logit = np.array([[-np.inf, np.nan, np.inf]], np.float32)
    result = post('sigmoid', 'nhw', classes=2)(logit, fit('stretch', (1, 3), (1, 3)), True)
    assert result.labels.tolist() == [[0, 255, 1]]
    assert result.confidence.tolist() == [[255, 0, 255]]


def test_the_lowest_id_wins_a_tie():
    logits = np.zeros((4, 3, 3), np.float32)
    logits[0] = -1
    assert (post(classes=4)(logits, fit('stretch', (9, 9), (6, 6))).labels == 1).all()
    assert (post(classes=4)(logits, fit('letterbox', (9, 5), (6, 6))).labels == 1).all()


def test_all_negative_logits():
    logits = np.stack([np.full((4, 4), -9.0), np.full((4, 4), -2.0), np.full((4, 4), -30.0)])
    result = post(classes=3)(logits.astype(np.float32), fit('stretch', (7, 7), (8, 8)), True)
    assert (result.labels == 1).all()
    assert (result.confidence == 255).all()


def test_a_class_that_wins_only_between_its_neighbours():
    # class 2 is not the largest at any grid point, but it is the largest between two points
    logits = np.array([[[10, 0]], [[0, 10]], [[6, 6]]], np.float32)
    labels = post(classes=3)(logits, fit('stretch', (1, 64), (1, 2))).labels[0]
    assert labels[0] == 0 and labels[-1] == 1 and labels[32] == 2


def test_more_than_255_classes():
    logits = np.full((300, 2, 2), -1.0, np.float32)
    logits[299, 0], logits[255, 1] = 5, 5
    result = post(classes=300)(logits, fit('crop', (4, 12), (4, 4)), True)
    assert result.labels.dtype == np.uint16
    assert (result.labels[0, 4:8] == 299).all() and (result.labels[3, 4:8] == 255).all()
    assert (result.labels[:, :4] == 65535).all() and (result.labels[:, 8:] == 65535).all()
    assert (result.confidence[:, :4] == 0).all()


def test_255_classes_still_fit_a_byte():
    logits = np.zeros((255, 2, 2), np.float32)
    logits[254] = 1
    result = post(classes=255)(logits, fit('stretch', (3, 3), (2, 2)))
    assert result.labels.dtype == np.uint8 and (result.labels == 254).all()


@pytest.mark.parametrize('dtype, ids', [('int64', [0, 1, -1, 255, 256, 3]),
                                        ('int32', [0, 1, -1, 70000, 258, 3]),
                                        ('uint8', [0, 1, 255, 200, 4, 3]),
                                        ('int8', [0, 1, -1, -128, 127, 3]),
                                        ('float32', [0, 1, -1, np.nan, np.inf, 3])])
def test_ids_outside_the_classes_are_unlabelled(dtype, ids):
    result = post('labels', 'nhw', dtype, 3)(
        np.array([ids], dtype), fit('stretch', (1, 6), (1, 6)))
    assert result.labels[0].tolist() == [0, 1, 255, 255, 255, 255]


def test_integer_scores_as_logits():
    scores = np.array([[[3, -8]], [[-5, 100]]], np.int8)
    assert post(classes=2, dtype='int8')(
        scores, fit('stretch', (1, 2), (1, 2))).labels.tolist() == [[0, 1]]


def test_labels_have_no_confidence():
    with pytest.raises(EngineError, match='out holds class ids, which have no confidence'):
        output('labels', channels=1).check_confidence()
    output('logits').check_confidence()
    output('sigmoid', channels=1).check_confidence()


@pytest.mark.parametrize('shape', [(4, 2, 2), (5, 0, 2), (2, 2)])
def test_a_network_output_of_another_shape(shape):
    with pytest.raises(EngineError, match=r'output out has .* expected'):
        post()(np.zeros(shape, np.float32), fit('stretch', (3, 3), (2, 2)))


def test_pixels_outside_the_network_are_unlabelled():
    result = post()(np.zeros((5, 1, 1), np.float32), fit('crop', (1, 2), (8, 2)), True)
    assert (result.labels == 255).all() and (result.confidence == 0).all()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 9999), rows=st.integers(1, 9), cols=st.integers(1, 9))
def test_contenders_include_every_class_that_wins(seed, rows, cols):
    grid = np.random.default_rng(seed).normal(size=(6, rows, cols)).astype(np.float32) * 2
    values, _ = oracle.upsample(grid, 'stretch', (40, 40), (40, 40))
    assert set(values.argmax(axis=0).ravel()) <= set(find_contenders(grid))


def test_contenders_leave_out_classes_that_cannot_win():
    grid = np.zeros((3, 4, 4), np.float32)
    grid[1] = 1
    assert find_contenders(grid).tolist() == [1]
    grid[2, 1, 1] = 2
    assert find_contenders(grid).tolist() == [1, 2]


@settings(deadline=None, max_examples=80)
@given(resize=st.sampled_from(RESIZES), camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE),
       grid=st.tuples(GRID, GRID), seed=st.integers(0, 9999),
       layout=st.sampled_from(['nchw', 'nhwc', 'nhw']), threshold=st.sampled_from([.5, .2, .9]))
def test_probability(resize, camera, net, grid, seed, layout, threshold):
    one = np.random.default_rng(seed).random(grid, np.float32)
    network_output = {'nchw': one[None], 'nhwc': one[..., None], 'nhw': one}[layout]
    result = post('probability', layout, classes=2, threshold=threshold)(
        network_output, fit(resize, camera, net), True)
    (value,), seen = oracle.upsample(one[None], resize, camera, net)
    sure = np.abs(value - threshold) > 1e-5
    assert (result.labels == np.where(seen, value >= threshold, 255))[sure].all()
    probability = np.where(seen, np.where(value >= threshold, value, 1 - value), 0)
    assert np.abs(result.confidence - probability * 255)[sure].max(initial=0) <= 0.51


@settings(deadline=None, max_examples=80)
@given(resize=st.sampled_from(RESIZES), camera=st.tuples(SIDE, SIDE), net=st.tuples(SIDE, SIDE),
       grid=st.tuples(GRID, GRID), classes=st.sampled_from([2, 5, 300]),
       layout=st.sampled_from(['nchw', 'nhwc']), dtype=st.sampled_from(['float32', 'float16']),
       seed=st.integers(0, 9999))
def test_probabilities(resize, camera, net, grid, classes, layout, dtype, seed):
    values = np.random.default_rng(seed).random((classes, *grid)).astype(dtype)
    network_output = np.moveaxis(values, 0, -1) if layout == 'nhwc' else values
    result = post('probabilities', layout, dtype, classes)(
        network_output, fit(resize, camera, net), True)
    labels, _, lead = expected(values, resize, camera, net,
                               np.uint16 if classes > 255 else np.uint8)
    large, seen = oracle.upsample(values, resize, camera, net)
    check(result, labels, np.where(seen, large.max(axis=0), 0), lead)


def test_probabilities_beyond_0_and_1_or_missing():
    values = np.array([[-0.2, np.nan, 1.2]], np.float32)
    geometry = fit('stretch', (1, 3), (1, 3))
    result = post('probability', 'nhw', classes=2)(values, geometry, True)
    assert result.labels.tolist() == [[0, 255, 1]]
    assert result.confidence.tolist() == [[255, 0, 255]]
    result = post('probabilities', classes=2)(np.stack([values, values]), geometry, True)
    assert result.labels.tolist() == [[0, 255, 0]]
    assert result.confidence.tolist() == [[0, 0, 255]]


@pytest.mark.parametrize('camera,grid,bands', [
    ((1080, 64), (144, 32), 6), ((720, 64), (64, 32), 4), ((97, 64), (16, 32), 1),
    ((1080, 64), (64, 32), 8), ((1200, 64), (96, 32), 7), ((64, 64), (64, 32), 1)])
def test_bands_have_the_labels_of_the_whole_image(camera, grid, bands):
    geometry = fit('stretch', camera, (grid[0] * 4, grid[1] * 4))
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(5, -(-grid[0] // 8), -(-grid[1] // 8))).repeat(8, 1).repeat(8, 2)
    values = (coarse[:, :grid[0], :grid[1]] + rng.normal(0, 0.2, (5, *grid))).astype(np.float32)
    cut = cut_into_bands(geometry, grid)
    assert len(cut) == bands
    assert [band.camera.stop for band in cut[:-1]] == [band.camera.start for band in cut[1:]]
    labels = np.full(camera, 99, np.uint8)
    label_bands(values, cut, labels)
    exact, _, lead = expected(values, 'stretch', camera, (grid[0] * 4, grid[1] * 4))
    sure = lead > NEAR
    assert sure.mean() > 0.99 and (labels == exact)[sure].all()
