# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The drift is small for frames like the reference, and large for other frames."""

import numpy as np
import pytest

from trt_segmentation.errors import TrustError
from trt_segmentation.trust.drift import Drift
from trt_segmentation.trust.reference import Reference
from trt_segmentation.trust.tally import FrameFigures

CLASSES = ('road', 'sky', 'car', 'person')
BLANK = FrameFigures(np.zeros(4), 1.0, None, None)


def rows_of(seed, count, entropy=0.1):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([20, 12, 5, 1], count)
    certainty = rng.normal([entropy, 0.6], [0.01, 0.05], (count, 2))
    return np.concatenate([shares, np.clip(certainty, 0, 1)], axis=1)


def frames(rows):
    return [FrameFigures(row[:4], 0.0, row[4], row[5]) for row in rows]


def reference(rows):
    return Reference('model', 'digest', 1.0, CLASSES, rows)


def number(value: float | None) -> float:
    assert value is not None
    return value


def drifts(window, rows, of=None):
    drift = Drift(reference(rows_of(0, 200) if of is None else of), window)
    return [drift.add(one) for one in frames(rows)]


def test_there_is_no_drift_until_the_window_is_full():
    found = drifts(20, rows_of(1, 25))
    assert found[:19] == [None] * 19
    assert None not in found[19:]


@pytest.mark.parametrize('window', [1, 10, 60])
def test_frames_like_the_reference_are_within_the_limit(window):
    found = np.array(drifts(window, rows_of(2, 300))[window - 1:])
    assert (found > 1).mean() < 0.05
    assert found.min() > 0


@pytest.mark.parametrize('change', ['entropy', 'shares'])
def test_other_frames_are_beyond_the_limit(change):
    rows = rows_of(3, 60, 0.13 if change == 'entropy' else 0.1)
    if change == 'shares':
        rows[:, :4] = np.random.default_rng(4).dirichlet([12, 20, 5, 1], 60)
    assert min(drifts(30, rows)[29:]) > 1


def test_a_small_change_of_all_frames_shows_in_a_long_window_only():
    rows = rows_of(5, 100, 0.105)
    assert np.mean(drifts(1, rows)) < 1
    assert min(drifts(60, rows)[59:]) > 1


def test_one_bad_frame_does_not_move_the_window_and_many_do():
    good = frames(rows_of(6, 120))
    drift = Drift(reference(rows_of(0, 400)), 60)
    with_one = [drift.add(one) for one in [*good[:59], BLANK, *good[60:]]]
    assert max(value for value in with_one if value is not None) < 1
    assert number([drift.add(BLANK) for _ in range(60)][-1]) > 1


def test_the_drift_comes_back():
    drift = Drift(reference(rows_of(0, 200)), 20)
    for one in frames(rows_of(7, 20, 0.2)):
        last = drift.add(one)
    assert number(last) > 1
    for one in frames(rows_of(8, 20)):
        last = drift.add(one)
    assert number(last) < 1


def test_a_class_that_the_reference_does_not_have_is_far_away():
    rows = rows_of(0, 200)
    rows[:, 0] += rows[:, 3]
    rows[:, 3] = 0
    shifted = rows_of(9, 40)
    assert min(drifts(20, shifted, rows)[19:]) > 1


def test_shares_alone_are_enough():
    rows = rows_of(0, 200)[:, :4]
    drift = Drift(reference(rows), 10)
    other = np.random.default_rng(1).dirichlet([12, 20, 5, 1], 10)
    found = [drift.add(FrameFigures(row, 0.0, None, None)) for row in other]
    assert number(found[-1]) > 1


def test_identical_frames_have_no_drift():
    rows = np.repeat(rows_of(0, 1), 50, axis=0)
    assert drifts(10, rows[:12], rows)[-1] == pytest.approx(0, abs=1e-6)


def test_a_short_reference_is_refused():
    with pytest.raises(TrustError, match=r'has 50 frames; expected at least 60, because '
                                         r'`drift_frames` is 20.*`drift_frames` to 16 or'):
        Drift(reference(rows_of(0, 50)), 20)
