# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bars count the items, and are full at the end."""

from types import SimpleNamespace

import pytest

from trt_segmentation.view.progress import _RateColumn, ProgressBars


@pytest.mark.parametrize('estimate', [None, 2, 3, 9])
def test_a_bar_is_full_after_the_last_item(estimate):
    with ProgressBars(live=False) as bars:
        seen = []
        for item in bars.track('images', 'abc', estimate):
            (task,) = bars._bars.tasks
            assert (task.completed, task.total) == (len(seen), estimate)
            seen.append(item)
        assert seen == list('abc') and task.finished
        assert (task.completed, task.total) == (3, 3)


def test_a_bar_without_items_is_full():
    with ProgressBars(live=False) as bars:
        assert list(bars.track('images', [], 5)) == []
        (task,) = bars._bars.tasks
        assert task.finished


def test_a_bar_that_is_left_early_is_not_full():
    with ProgressBars(live=False) as bars:
        for _ in bars.track('images', 'abc', 3):
            break
        (task,) = bars._bars.tasks
        assert not task.finished and task.total == 3


@pytest.mark.parametrize(('finished', 'elapsed', 'text'), [
    (True, 0.5, '4.0 frames/s'), (True, 4.0, '0.5 frames/s'), (True, 0.0, ''),
    (False, 0.5, ''), (False, 4.0, '4860.0 frames/s')])
def test_the_rate_of_two_pictures_is_not_the_rate_of_their_coming(finished, elapsed, text):
    task = SimpleNamespace(finished=finished, elapsed=elapsed, completed=2, speed=4860.0)
    assert _RateColumn('frames/s').render(task).plain == text  # type: ignore[arg-type]
