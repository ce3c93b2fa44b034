# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of label maps: pixel accuracy, IoU and boundary IoU."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from trt_segmentation.accuracy.metrics import confusion, count_boundary_overlap, divide, Scores
from trt_segmentation.errors import LabelError

NAMES = ('road', 'sky', 'person')


def array(*rows, dtype=np.uint8):
    return np.array(rows, dtype)


# ---- figures computed by hand

def test_a_small_case_by_hand():
    truth = array([0, 0, 1], [0, 1, 255])
    labels = array([0, 1, 1], [255, 1, 0])
    matrix = confusion(truth, labels, 3)
    np.testing.assert_array_equal(matrix, [[1, 1, 0, 1], [0, 2, 0, 0], [0, 0, 0, 0]])
    scores = Scores(NAMES, matrix, 1)
    # Of three road pixels, one is right. Of three sky pixels, two are right. There is no person.
    np.testing.assert_allclose(scores.iou, [1 / 3, 2 / 3, np.nan])
    assert scores.mean_iou == pytest.approx(1 / 2)
    assert scores.pixel_accuracy == pytest.approx(3 / 5)
    assert scores.tree() == {
        'images': 1, 'mean_iou': pytest.approx(0.5), 'pixel_accuracy': pytest.approx(0.6),
        'iou': {'road': pytest.approx(1 / 3), 'sky': pytest.approx(2 / 3), 'person': None}}


def test_a_class_only_predicted_scores_nothing():
    scores = Scores(NAMES, confusion(array([0, 0]), array([0, 2]), 3), 1)
    np.testing.assert_allclose(scores.iou, [0.5, np.nan, 0.0])
    assert scores.mean_iou == pytest.approx(0.25)


def test_a_prediction_on_unlabelled_truth_costs_nothing():
    scores = Scores(NAMES, confusion(array([0, 255]), array([0, 2]), 3), 1)
    np.testing.assert_allclose(scores.iou, [1.0, np.nan, np.nan])
    assert scores.pixel_accuracy == 1.0


def test_truth_without_labelled_pixels_has_no_score():
    scores = Scores(NAMES, confusion(array([255]), array([0]), 3), 1)
    assert math.isnan(scores.mean_iou)
    assert math.isnan(scores.pixel_accuracy)
    assert scores.tree()['mean_iou'] is None


def test_16_bit_label_maps_have_another_value_for_unlabelled():
    truth = array([300, 255, 65535], dtype=np.uint16)
    labels = array([300, 65535, 7], dtype=np.uint16)
    matrix = confusion(truth, labels, 400)
    assert matrix.sum() == 2
    assert matrix[300, 300] == 1
    assert matrix[255, 400] == 1


def test_truth_and_prediction_may_have_different_dtypes():
    matrix = confusion(array([1, 255]), array([1, 1], dtype=np.uint16), 300)
    assert matrix.sum() == matrix[1, 1] == 1


@pytest.mark.parametrize('truth, labels, message', [
    (array([0, 1]), array([0], [1]), 'the truth is 2x1, but the label map is 1x2'),
    (array([0, 7, 7]), array([0, 0, 0]),
     r'the truth has 2 pixels whose id is no class, such as 7\. There are 3 classes'),
    (array([0.0], dtype=float), array([0]), 'truth is float64; expected uint8 or uint16')])
def test_label_maps_that_cannot_be_compared(truth, labels, message):
    with pytest.raises(LabelError, match=message):
        confusion(truth, labels, 3)
    with pytest.raises(LabelError, match=message):
        count_boundary_overlap(truth, labels, 3, 1)


# ---- figures counted by loops

def label_maps(classes):
    return hnp.arrays(np.uint8, (7, 9), elements=st.one_of(
        st.integers(0, classes - 1), st.just(255)))


@settings(max_examples=60, deadline=None)
@given(label_maps(4), label_maps(4))
def test_scores_are_what_a_loop_counts(truth, labels):
    scores = Scores(('a', 'b', 'c', 'd'), confusion(truth, labels, 4), 1)
    pairs = [(int(t), int(p)) for t, p in zip(truth.flat, labels.flat) if t != 255]
    for index in range(4):
        both = sum(t == index and p == index for t, p in pairs)
        either = sum(index in (t, p) for t, p in pairs)
        assert scores.iou[index] == pytest.approx(both / either if either else np.nan,
                                                  nan_ok=True)
    right = sum(t == p for t, p in pairs)
    assert scores.pixel_accuracy == pytest.approx(
        right / len(pairs) if pairs else np.nan, nan_ok=True)
    known = scores.iou[~np.isnan(scores.iou)]
    assert scores.mean_iou == pytest.approx(known.mean() if len(known) else np.nan, nan_ok=True)


def band_by_loop(side, truth, index, distance):
    """Return the pixels of a class that are near a labelled pixel of another class."""
    height, width = truth.shape
    band = set()
    for y in range(height):
        for x in range(width):
            if side[y, x] != index or truth[y, x] == 255:
                continue
            near = [(v, u) for v in range(max(0, y - distance), min(height, y + distance + 1))
                    for u in range(max(0, x - distance), min(width, x + distance + 1))]
            if any(side[v, u] != index and truth[v, u] != 255 for v, u in near):
                band.add((y, x))
    return band


@settings(max_examples=40, deadline=None)
@given(label_maps(3), label_maps(3), st.integers(1, 3))
def test_boundary_iou_is_what_a_loop_counts(truth, labels, distance):
    overlap = count_boundary_overlap(truth, labels, 3, distance)
    for index in range(3):
        expected = band_by_loop(truth, truth, index, distance)
        found = band_by_loop(labels, truth, index, distance)
        assert tuple(overlap[:, index]) == (len(expected & found), len(expected | found))


def boundary_iou(truth, labels, distance):
    return divide(*count_boundary_overlap(truth, labels, 2, distance))


def halves(edge):
    labels = np.zeros((20, 40), np.uint8)
    labels[:, edge:] = 1
    return labels


def test_boundary_iou_of_an_edge_moved_by_hand():
    # The edges are at columns 20 and 22. The boundary of a class is 4 columns wide.
    # So the two boundaries of a class share 2 columns, and together they have 6 columns.
    np.testing.assert_allclose(boundary_iou(halves(20), halves(22), 4), [2 / 6, 2 / 6])
    np.testing.assert_allclose(boundary_iou(halves(20), halves(20), 4), [1, 1])
    np.testing.assert_allclose(boundary_iou(halves(20), halves(30), 4), [0, 0])
    # the IoU of whole classes hardly shows this error
    scores = Scores(('a', 'b'), confusion(halves(20), halves(22), 2), 1)
    assert scores.iou.min() == pytest.approx(18 / 20)


def test_image_border_and_unlabelled_truth_are_not_boundaries():
    whole = np.zeros((8, 8), np.uint8)
    assert np.isnan(boundary_iou(whole, whole, 2)).all()
    truth = whole.copy()
    truth[:, 4:] = 255
    assert np.isnan(boundary_iou(truth, whole, 2)).all()
