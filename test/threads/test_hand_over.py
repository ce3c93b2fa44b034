# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""HandOver keeps the order, the limit and the error of a queue between two threads."""

import threading

import pytest

from trt_segmentation.threads.hand_over import HandOver


def test_items_come_in_order_and_a_full_queue_waits():
    queue, put = HandOver[int](2), []

    def give():
        for item in range(1, 6):
            queue.put(item)
            put.append(item)
        queue.finish()

    thread = threading.Thread(target=give)
    thread.start()
    found = []
    while (item := queue.get()) is not None:
        found.append(item)
        assert len(put) <= len(found) + 2
    thread.join()
    assert found == [1, 2, 3, 4, 5] and not queue.is_cut and queue.dropped == 0


def test_a_queue_that_keeps_the_newest_drops_the_oldest():
    queue = HandOver[int](2, keep_newest=True)
    assert [queue.put(item) for item in (1, 2, 3)] == [True] * 3
    queue.finish()
    assert [queue.get(), queue.get(), queue.get()] == [2, 3, None]
    assert queue.dropped == 1 and queue.waiting == 0


def test_the_error_comes_after_the_last_item():
    queue = HandOver[int](2)
    queue.put(1)
    queue.finish(ValueError('cut off'))
    assert queue.get() == 1
    with pytest.raises(ValueError, match='cut off'):
        queue.get()


def test_stop_drops_the_items_and_refuses_more():
    queue = HandOver[int](2)
    queue.put(1)
    queue.stop()
    assert queue.get() is None and queue.put(2) is False and queue.is_cut
