# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The calibration error of known confidences."""

import numpy as np
import pytest

from trt_segmentation.accuracy.confidence_counts import ConfidenceCounts


def counts_of(*groups):
    """Make counts of (level, pixels, right pixels)."""
    found = ConfidenceCounts()
    for level, pixels, right in groups:
        truth = np.zeros((1, pixels), np.uint8)
        labels = np.ones((1, pixels), np.uint8)
        labels[0, :right] = 0
        found.add(truth, labels, np.full((1, pixels), level, np.uint8))
    return found


def test_confidences_that_are_right_have_no_error():
    found = counts_of((255, 40, 40), (51, 100, 20), (0, 5, 0))
    assert found.calibration_error == pytest.approx(0, abs=1e-9)
    assert found.counts.sum(axis=1).tolist() == [145, 60]


def test_the_error_is_the_weighted_gap_of_the_bins():
    # 30 pixels are half a unit too sure, and 10 pixels are exactly right
    assert counts_of((255, 30, 15), (51, 10, 2)).calibration_error == pytest.approx(15 / 40)


def test_within_a_bin_too_high_and_too_low_cancel():
    assert counts_of((204, 10, 9), (204, 10, 7)).calibration_error == pytest.approx(0, abs=1e-9)


def test_pixels_without_truth_do_not_count():
    found = ConfidenceCounts()
    truth = np.array([[0, 255]], np.uint8)
    found.add(truth, np.array([[0, 0]], np.uint8), np.array([[255, 10]], np.uint8))
    assert found.counts.sum(axis=1).tolist() == [1, 1]


def test_no_pixel_has_no_error():
    assert np.isnan(ConfidenceCounts().calibration_error)
