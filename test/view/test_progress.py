# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bars count the items, and are full at the end."""

import pytest

from trt_segmentation.view.progress import ProgressBars


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
