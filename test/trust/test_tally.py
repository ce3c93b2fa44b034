# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The sample of pixels, and the figures of a tally."""

import numpy as np
import pytest

from trt_segmentation.trust.tally import BINS, MOST_SAMPLES, read_tally, sample_pixels, tally_size


@pytest.mark.parametrize('first, stop', [(0, 1), (0, 128), (0, 129), (7, 1080), (3, 3), (0, 1920)])
def test_the_sample_is_even_and_inside(first, stop):
    sample = sample_pixels(first, stop)
    assert len(sample) <= MOST_SAMPLES
    assert len(sample) * sample.step >= stop - first - sample.step // 2
    assert not sample or first <= sample[0] <= sample[-1] < stop


def make_tally(counts, unlabelled=0, entropy=0, bins=()):
    tally = np.zeros(tally_size(len(counts)), np.uint32)
    tally[:len(counts)], tally[len(counts)], tally[len(counts) + 1] = counts, unlabelled, entropy
    for index, count in bins:
        tally[len(counts) + 2 + index] = count
    return tally


def test_figures_of_a_known_tally():
    figures = read_tally(make_tally([30, 10, 0], 60, 40 * 65535 // 4, [(0, 2), (128, 38)]))
    assert figures.shares.tolist() == [0.75, 0.25, 0]
    assert figures.unlabelled == 0.6
    assert figures.entropy == pytest.approx(0.25, abs=1e-5)
    # 5 % of 40 pixels are 2 pixels, and exactly 2 pixels lie below the end of the first bin
    assert figures.margin_p5 == pytest.approx(1 / BINS)


def test_the_low_margin_lies_between_two_pixels_of_a_bin():
    assert read_tally(make_tally([100], bins=[(10, 100)])).margin_p5 == pytest.approx(10.05 / BINS)
    assert read_tally(make_tally([100], bins=[(3, 5), (255, 95)])).margin_p5 == 4 / BINS


def test_a_network_with_class_ids_has_shares_only():
    figures = read_tally(make_tally([1, 3]))
    assert (figures.shares.tolist(), figures.entropy, figures.margin_p5) == ([0.25, 0.75], None,
                                                                            None)


def test_a_frame_without_a_labelled_pixel_has_no_shares():
    figures = read_tally(make_tally([0, 0], 9))
    assert (figures.shares.tolist(), figures.unlabelled, figures.entropy) == ([0, 0], 1, None)
