# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The candidates of the tuner, and how it chooses the fastest correct one."""

import numpy as np
import pytest

from trt_segmentation.engines.onnxruntime_cuda import OPTIONS
from trt_segmentation.tuning.candidates import (
    Candidate,
    CANDIDATES,
    choose,
    difference,
    FIRST,
    FUSED,
    Measured,
    PLAIN,
    with_exhaustive_search,
)

NHWC = 'NHWC, fused bias, exhaustive search'


def test_every_candidate_has_its_own_options_and_none_searches_by_default():
    assert len(CANDIDATES) == 16
    assert len({(candidate.fused, *sorted(candidate.options.items()))
                for candidate in CANDIDATES.values()}) == 16
    assert {candidate.options['cudnn_conv_algo_search'] for candidate in CANDIDATES.values()} == {
        'HEURISTIC', 'EXHAUSTIVE'}
    assert CANDIDATES[NHWC] == Candidate({
        **OPTIONS, 'cudnn_conv_algo_search': 'EXHAUSTIVE', 'prefer_nhwc': '1',
        'fuse_conv_bias': '1'})
    assert CANDIDATES['NCHW, fused layers, heuristic search'] == Candidate({
        **OPTIONS, 'prefer_nhwc': '0', 'fuse_conv_bias': '0',
        'enable_skip_layer_norm_strict_mode': '1'}, fused=True)
    assert FIRST[0] == PLAIN and len(FIRST) == len(FUSED) == 4
    first = {*FIRST, *FUSED}
    assert {with_exhaustive_search(name) for name in first} == CANDIDATES.keys() - first
    assert CANDIDATES[PLAIN] == Candidate({**OPTIONS, 'prefer_nhwc': '0', 'fuse_conv_bias': '0'})


@pytest.mark.parametrize('results,chosen', [
    ([Measured(PLAIN, 1.0, 1.0)], PLAIN),
    ([Measured(PLAIN, 1.0, 1.0), Measured(NHWC, 0.9, 5.0)], NHWC),
    ([Measured(PLAIN, 1.0, 1.0), Measured(NHWC, 0.99, 5.0)], PLAIN),
    ([Measured(PLAIN, 1.0, 1.0), Measured(NHWC, 0.5, 5.0, failed='no')], PLAIN),
    ([Measured(PLAIN, 1.0, 1.0), Measured(NHWC, 0.5, 5.0, 0.06)], PLAIN),
    ([Measured(PLAIN, 1.0, 1.0), Measured(NHWC, 0.5, 5.0, float('nan'))], PLAIN)])
def test_the_fastest_right_one_is_chosen_and_ties_go_to_the_one_that_opens_sooner(
        results, chosen):
    assert choose(results).name == chosen


def test_a_refused_candidate_says_why():
    assert Measured(NHWC, failed='no cuDNN').refused == 'no cuDNN'
    assert ('differs too much from the output with "NCHW, heuristic search". The difference is '
            '0.5, but at most 0.05') in Measured(NHWC, 1.0, 1.0, 0.5).refused
    assert Measured(NHWC, 1.0, 1.0, 0.01).refused == ''


@pytest.mark.parametrize('plain,other,expected', [
    ([3.0, 4.0], [3.0, 4.0], 0.0), ([3.0, 4.0], [0.0, 0.0], 1.0), ([0.0, 0.0], [0.0, 2.0], 2**.5),
    ([1.0, np.inf], [1.0, np.inf], 0.0), ([1.0, 2.0], [1.0, np.nan], np.inf)])
def test_the_difference_of_scores_is_relative(plain, other, expected):
    for dtype in (np.float32, np.float16):
        found = difference(np.array(plain, dtype), np.array(other, dtype))
        assert found == pytest.approx(expected)


def test_the_difference_of_class_ids_is_the_fraction_of_other_ids():
    assert difference(np.array([1, 2, 3, 4]), np.array([1, 2, 3, 5])) == 0.25
