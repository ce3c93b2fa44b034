# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""EveryFrame answers each item of a source in order."""

import re
import threading

from networks import color_card, color_classifier, cube_colors, painted
import numpy as np
import pytest

from trt_segmentation.errors import EngineError, SourceError
from trt_segmentation.frame import Frame, Wanted
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.serving.every_frame import AHEAD, EveryFrame, MOST_ITEMS

COLORS = cube_colors(8)
TIMEOUT = 30


class DeepPipeline(HostPipeline):
    """A host pipeline that holds several batches, and that can fail.

    ``most`` is the largest number of pending batches so far. ``fail_at`` is the batch that fails.
    """

    def __init__(self, card, depth=3):
        super().__init__(card, threads=1)
        self.depth = depth
        self.lock = threading.Lock()
        self.pending = self.most = self.collected = 0
        self.fail_at = None

    def submit(self, frames, wanted=Wanted()):
        super().submit(frames, wanted)
        with self.lock:
            self.pending += 1
            self.most = max(self.most, self.pending)

    def collect(self):
        results = super().collect()
        with self.lock:
            self.pending -= 1
            self.collected += 1
        if self.collected == self.fail_at:
            raise EngineError(f'batch {self.collected} failed')
        return results


@pytest.fixture
def pipeline(tmp_path):
    pipeline = DeepPipeline(color_card(color_classifier(tmp_path / 'm.onnx', COLORS), COLORS))
    yield pipeline
    pipeline.close()


def frame(label):
    return painted(np.full((24, 32), label), COLORS)


def read(item):
    """Return a frame with this label, None if it is negative, a broken frame if above 100."""
    if item > 100:
        return Frame(np.zeros(32, np.uint8)[::2], 'mono8', 4, 4, 4)
    return None if item < 0 else frame(item % 8)


def answer(item, result):
    """Return the item with its label, or the item with the reason why it has no label."""
    if result is None or isinstance(result, Exception):
        return item, str(result)
    return item, int(result.labels[12, 16])


def every(pipeline, items, **options):
    return EveryFrame(pipeline, items, Wanted(), read, answer, **options)


@pytest.mark.parametrize('depth', [1, 3])
def test_every_item_has_its_answer_in_order(pipeline, depth):
    pipeline.depth = depth
    assert list(every(pipeline, range(50))) == [(i, i % 8) for i in range(50)]
    # one more batch is in collect()
    assert pipeline.pending == 0 and 1 <= pipeline.most <= depth + 1


def test_items_without_a_frame_and_refused_frames_keep_their_place(pipeline):
    found = list(every(pipeline, [1, -1, 2, 101, -2, 3]))
    assert [item for item, _ in found] == [1, -1, 2, 101, -2, 3]
    assert [label for item, label in found if item != 101] == [1, 'None', 2, 'None', 3]
    assert 'contiguous' in dict(found)[101]


def test_a_slow_source_gets_each_answer_at_once(pipeline):
    """The answer to an item must not wait for the next item, although the pipeline has room."""
    answered = threading.Semaphore(0)

    def slow():
        for item in range(4):
            yield item
            assert answered.acquire(timeout=TIMEOUT)

    stream = every(pipeline, slow())
    for item in range(4):
        assert next(iter(stream)) == (item, item)
        answered.release()
    assert list(stream) == []


def test_the_source_is_read_ahead_but_not_without_limit(pipeline):
    taken = []

    def source():
        for item in range(1000):
            taken.append(item)
            yield item

    stream = every(pipeline, source())
    assert next(iter(stream)) == (0, 0)
    stream.close()
    # two queues hold AHEAD items each, the pipeline holds batches, and each thread holds one item
    assert len(taken) <= 2 * AHEAD + 2 * pipeline.depth + 4
    assert pipeline.pending == 0


def test_an_error_of_the_source_comes_after_the_answers(pipeline):
    def source():
        yield from range(5)
        raise SourceError('cut off')

    found = []
    with pytest.raises(SourceError, match='cut off'):
        found.extend(every(pipeline, source()))
    assert found == [(i, i) for i in range(5)]


def test_an_error_of_the_engine_ends_the_answers_and_leaves_nothing_pending(pipeline):
    pipeline.fail_at, found = 4, []
    with pytest.raises(EngineError, match='batch 4 failed'):
        found.extend(every(pipeline, range(20)))
    assert found == [(0, 0), (1, 1), (2, 2)] and pipeline.pending == 0
    assert list(every(pipeline, [5])) == [(5, 5)]


def test_close_wakes_a_thread_that_waits_for_a_camera(pipeline):
    stopped, closed = threading.Event(), []

    def camera():
        try:
            yield 1
            stopped.wait(TIMEOUT)
        finally:
            closed.append(True)

    stream = every(pipeline, camera(), stop_source=stopped.set)
    assert next(iter(stream)) == (1, 1)
    stream.close()
    stream.close()
    assert stopped.is_set() and closed == [True] and list(stream) == []
    assert not [t for t in threading.enumerate() if t.name.endswith('_items')]


# ---- batches

@pytest.fixture
def batches(pipeline):
    """Return a list to which the pipeline appends the size of each submitted batch."""
    sizes, submit = [], pipeline.submit

    def submit_watched(frames, wanted=Wanted()):
        submit(frames, wanted)
        sizes.append(len(frames))

    pipeline.submit = submit_watched
    return sizes


@pytest.mark.parametrize('count', [1, 3, 4, 9])
def test_batches_are_full_except_the_last(pipeline, batches, count):
    assert list(every(pipeline, range(count), batch=4)) == [(i, i % 8) for i in range(count)]
    assert batches == [4] * (count // 4) + [count % 4] * (count % 4 > 0)
    assert pipeline.pending == 0


def test_items_without_a_frame_are_in_the_batch_and_keep_their_place(pipeline, batches):
    items = [-1, 1, -2, 2, 3, -3, 4, -4, -5]
    assert [item for item, _ in every(pipeline, items, batch=2)] == items
    assert batches == [2, 2]


def test_a_refused_frame_is_found_in_its_batch(pipeline, batches):
    found = list(every(pipeline, [1, 2, 101, -1, 3, 4], batch=4))
    assert [item for item, _ in found] == [1, 2, 101, -1, 3, 4]
    assert [label for item, label in found if item != 101] == [1, 2, 'None', 3, 4]
    assert 'contiguous' in dict(found)[101]
    assert batches == [1, 1, 1, 1] and pipeline.pending == 0


def test_many_items_without_a_frame_do_not_wait_for_the_batch(pipeline, batches):
    items = [1, *[-1] * (2 * MOST_ITEMS), 2, 3]
    assert [item for item, _ in every(pipeline, items, batch=2)] == items
    assert batches == [1, 2]


@pytest.mark.parametrize('fail_at, named', [(1, [0, 1, 2, 3]), (3, [8, 9])])
def test_an_error_names_its_batch_and_comes_after_the_earlier_answers(pipeline, fail_at, named):
    pipeline.fail_at, found = fail_at, []
    with pytest.raises(EngineError, match=re.escape(f'{named}: batch {fail_at} failed')):
        found.extend(every(pipeline, range(10), batch=4, describe=str))
    assert found == [(i, i % 8) for i in range(4 * (fail_at - 1))] and pipeline.pending == 0


def test_an_error_of_the_source_comes_after_a_batch_that_is_not_full(pipeline):
    def source():
        yield from range(6)
        raise SourceError('cut off')

    found = []
    with pytest.raises(SourceError, match='cut off'):
        found.extend(every(pipeline, source(), batch=4))
    assert found == [(i, i) for i in range(6)]


@pytest.mark.parametrize('where', ['read', 'submit', 'answer'])
def test_an_unexpected_error_ends_the_answers_and_all_threads(pipeline, where, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError(where)

    options = {'read': (fail, answer), 'answer': (read, fail), 'submit': (read, answer)}[where]
    if where == 'submit':
        monkeypatch.setattr(pipeline, 'submit', fail)
    stream = EveryFrame(pipeline, range(100), Wanted(), *options)
    with pytest.raises(ZeroDivisionError, match=where):
        list(stream)
    stream.close()
    assert not [t for t in threading.enumerate() if t.name.endswith('_items')]
    assert pipeline.pending == 0


def test_segmentations_are_released(pipeline):
    released = []
    collect = pipeline.collect

    def collect_watched():
        (segmentation,) = collect()
        segmentation.release = lambda: released.append(segmentation.labels[0, 0])
        return [segmentation]

    pipeline.collect = collect_watched
    assert len(list(every(pipeline, range(6)))) == len(released) == 6
    assert [int(label) for label in released] == list(range(6))
