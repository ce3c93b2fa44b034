# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""map_ahead() gives each result once, in order, and keeps a limited number of items."""

import os
import sys
import threading
from typing import ClassVar
import weakref

import numpy as np
import pytest

from trt_segmentation.threads import ordered_map as module
from trt_segmentation.threads.ordered_map import map_ahead, NICENESS, open_pool

TIMEOUT = 30


def threads_of(name):
    return [t for t in threading.enumerate() if t.name.startswith(name)]


def test_results_come_in_the_order_of_the_items_although_calls_end_in_another_order():
    """The first call of each pair waits until the second call of the pair has ended."""
    ended = [threading.Event() for _ in range(40)]

    def work(item):
        if item % 2 == 0:
            assert ended[item + 1].wait(TIMEOUT)
        ended[item].set()
        return item * 10

    assert list(map_ahead(work, range(40), 'ordered', 4)) == [item * 10 for item in range(40)]


def test_all_threads_work_at_the_same_time():
    together = threading.Barrier(4)

    def work(item):
        if item >= 2:           # two calls are begun before the first size is known
            together.wait(TIMEOUT)
        return item

    assert list(map_ahead(work, range(10), 'together', 4)) == list(range(10))


@pytest.mark.parametrize('count', [0, 1, 2, 3])
def test_few_items(count):
    assert list(map_ahead(str, range(count), 'few', 4)) == [str(i) for i in range(count)]


@pytest.mark.skipif(sys.platform != 'linux', reason='only on Linux has each thread a niceness')
def test_the_threads_let_the_network_have_the_cores_first():
    own = os.getpriority(os.PRIO_PROCESS, 0)
    found = set(map_ahead(lambda _: os.getpriority(os.PRIO_PROCESS, 0), range(20), 'nice', 3))
    assert found == {max(own, NICENESS)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


class Thing:
    """An item or a result. ``alive`` has the living things, and ``most`` their largest number."""

    alive: ClassVar[weakref.WeakSet] = weakref.WeakSet()
    most: ClassVar[int] = 0

    def __init__(self, number):
        self.number = number
        self.alive.add(self)
        Thing.most = max(Thing.most, len(self.alive))


@pytest.mark.parametrize('count', [100, 5000])
def test_the_number_of_living_items_and_results_does_not_depend_on_the_length(count):
    Thing.most = 0
    results = map_ahead(lambda thing: Thing(thing.number), map(Thing, range(count)), 'living', 3)
    for number, result in enumerate(results):
        assert result.number == number
        del result
    # 3 + 4 items are in work or are results, and each thread may have both of its item
    assert Thing.most <= 3 + 4 + 3 + 1
    assert not Thing.alive


def test_large_results_are_fewer(monkeypatch):
    monkeypatch.setattr(module, 'BYTES_AHEAD', 5000)
    taken = []

    def source():
        for item in range(30):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: np.zeros(1000), source(), 'large', 16,
                        size_of=lambda result: result.nbytes)
    ahead = []
    for number, _ in enumerate(results):
        ahead.append(len(taken) - number)
    # 8000 bytes are more than the limit, so only two items are in work
    assert max(ahead) == 2 and len(ahead) == 30


def test_an_error_of_a_call_comes_after_the_earlier_results():
    def work(item):
        if item == 5:
            raise ValueError('five')
        return item

    found = []
    with pytest.raises(ValueError, match='five'):
        found.extend(map_ahead(work, range(50), 'failing', 3))
    assert found == [0, 1, 2, 3, 4]
    assert threads_of('failing') == []


def test_an_error_of_the_source_comes_after_all_results():
    def source():
        yield from range(5)
        raise ValueError('cut off')

    found = []
    with pytest.raises(ValueError, match='cut off'):
        found.extend(map_ahead(str, source(), 'cut', 3))
    assert found == ['0', '1', '2', '3', '4']
    assert threads_of('cut') == []


def test_close_stops_the_threads_and_closes_the_source():
    closed, worked = [], []

    def source():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    results = map_ahead(worked.append, source(), 'closing', 3)
    next(results)
    results.close()
    assert closed == [True] and len(worked) <= 3 + 4 + 1
    assert threads_of('closing') == []
    assert list(results) == []


def test_two_maps_share_the_threads_of_a_pool():
    found = set()

    def work(item):
        found.add(threading.get_native_id())
        return item

    with open_pool('shared', 3) as pool:
        first = map_ahead(work, range(300), pool=pool)
        second = map_ahead(lambda item: work(item) + 1, first, pool=pool)
        assert list(second) == list(range(1, 301))
        assert len(threads_of('shared')) == 3
    assert len(found) <= 3
    assert threads_of('shared') == []


def test_close_waits_for_its_calls_and_leaves_a_shared_pool_open():
    entered, leave, ended = threading.Event(), threading.Event(), []

    def work(item):
        if item:
            entered.set()
            assert leave.wait(TIMEOUT)
            ended.append(item)
        return item

    with open_pool('open', 1) as pool:
        results = map_ahead(work, range(9), pool=pool)
        assert next(results) == 0
        assert entered.wait(TIMEOUT)
        closing = threading.Thread(target=results.close)
        closing.start()
        leave.set()
        closing.join(TIMEOUT)
        assert not closing.is_alive() and ended == [1]
        assert list(map_ahead(str, range(3), pool=pool)) == ['0', '1', '2']
