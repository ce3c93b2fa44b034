# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of frames: counts, rates, drops and latencies."""

from collections import Counter, deque
from threading import Thread
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from interrupting_lock import InterruptingLock
import numpy as np
import pytest

from trt_segmentation.stats import MOST_FRAMES, percentiles, Stats


def test_counts():
    stats = Stats()
    for i in range(5):
        stats.count_frame_in(i * 0.1)
    stats.count_frame_out(0.5, {'total': 3.0})
    stats.count_drop('newer frame')
    stats.count_drop('newer frame')
    stats.count_drop('bad frame')
    snapshot = stats.snapshot(0.5)
    assert (snapshot.frames_in, snapshot.frames_out) == (5, 1)
    assert snapshot.dropped == {'newer frame': 2, 'bad frame': 1}
    assert (snapshot.frames_dropped, snapshot.in_flight) == (3, 1)


def test_rates_and_latencies_cover_the_window_and_counts_cover_all():
    stats = Stats(window=2.0)
    for i in range(100):
        stats.count_frame_in(i * 0.1)
        stats.count_frame_out(i * 0.1, {'inference': float(i)})
    snapshot = stats.snapshot(9.9)
    assert snapshot.frames_in == snapshot.frames_out == 100
    assert snapshot.fps_in == snapshot.fps_out == pytest.approx(10.0)
    # the window contains the last 20 values, 80 to 99
    assert snapshot.latency_ms['inference']['p50'] == pytest.approx(89.5)
    assert stats.snapshot(60.0).fps_in == 0
    assert stats.snapshot(60.0).latency_ms == {}
    assert stats.snapshot(60.0).frames_in == 100


def test_a_window_is_bounded_and_its_rate_is_right():
    stats = Stats(window=10.0)
    for i in range(MOST_FRAMES + 5000):  # 4000 frames per second
        stats.count_frame_in(i / 4000)
        stats.count_frame_out(i / 4000, {'inference': float(i)})
    now = (MOST_FRAMES + 4999) / 4000
    assert len(stats._in) == len(stats._out) == MOST_FRAMES
    snapshot = stats.snapshot(now)
    assert snapshot.frames_in == snapshot.frames_out == MOST_FRAMES + 5000
    assert snapshot.fps_in == snapshot.fps_out == pytest.approx(4000, rel=1e-3)
    assert snapshot.latency_ms['inference']['p50'] == pytest.approx(5000 + (MOST_FRAMES - 1) / 2)
    assert stats.snapshot(now + 10.1).fps_in == 0


def test_lost_frames_are_counted_apart_and_recent_for_a_window():
    stats = Stats(window=10.0)
    stats.count_lost(3, 100.0)
    stats.count_lost(2, 105.0)
    counts = [(found.lost, found.lost_lately) for now in (105.0, 109.9, 110.0, 115.0)
              for found in [stats.snapshot(now)]]
    assert counts == [(5, 5), (5, 5), (5, 2), (5, 0)]
    assert stats.snapshot(115.0).frames_in == stats.snapshot(115.0).in_flight == 0


def test_stages_are_kept_apart():
    stats = Stats()
    stats.count_frame_out(0, {'pre': 1.0, 'post': 10.0})
    stats.count_frame_out(0, {'pre': 3.0})
    latency = stats.snapshot(0).latency_ms
    assert latency['pre']['p50'] == 2.0
    assert latency['post'] == {'p50': 10.0, 'p95': 10.0, 'p99': 10.0}


def test_a_snapshot_does_not_change():
    stats = Stats()
    timings = {'total': 1.0}
    stats.count_frame_out(0, timings)
    timings['total'] = 99.0
    snapshot = stats.snapshot(0)
    stats.count_drop('late')
    assert snapshot.dropped == {} and snapshot.latency_ms['total']['p50'] == 1.0


def test_percentiles():
    assert percentiles([]) == {}
    values = [float(v) for v in range(101)]
    assert percentiles(values) == {'p50': 50.0, 'p95': 95.0, 'p99': 99.0}


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_are_ordered_and_within(values):
    found = percentiles(values)
    assert min(values) <= found['p50'] <= found['p95'] <= found['p99'] <= max(values)
    assert found['p50'] == pytest.approx(float(np.median(values)))


def test_many_threads():
    stats = Stats()

    def work():
        for _ in range(500):
            stats.count_frame_in(0)
            stats.count_frame_out(0, {'total': 1.0})
            stats.count_frame_in(0)
            stats.count_drop('late')
            snapshot = stats.snapshot(0)
            assert snapshot.frames_in >= snapshot.frames_out + snapshot.frames_dropped
    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = stats.snapshot(0)
    assert (snapshot.frames_in, snapshot.frames_out, snapshot.frames_dropped) == (
        4000, 2000, 2000)
    assert snapshot.in_flight == 0


def test_two_threads_can_count_drops_at_once():
    """The executor and both threads of the worker count drops."""
    stats: Any = Stats()
    lock = InterruptingLock()

    class Interrupted(Counter):
        def __getitem__(self, reason):
            found = super().__getitem__(reason)
            lock.interrupt(lambda: stats.count_drop('late'))
            return found

    stats._lock, stats._dropped = lock, Interrupted(late=5)
    stats.count_drop('late')
    lock.join()
    assert stats.snapshot(0.0).dropped == {'late': 7}


def test_a_snapshot_shows_one_moment():
    """The executor takes a snapshot while the worker counts a segmented frame."""
    stats: Any = Stats()
    lock = InterruptingLock()

    class Interrupted(deque):
        def __iter__(self):
            for entry in super().__iter__():
                yield entry
                lock.interrupt(lambda: stats.count_frame_out(0.0, {'total': 2.0}))

    stats._lock, stats._out = lock, Interrupted(maxlen=MOST_FRAMES)
    for _ in range(2):
        stats.count_frame_in(0.0)
    stats.count_frame_out(0.0, {'total': 1.0})
    during = stats.snapshot(0.0)
    lock.join()
    assert (during.frames_out, during.in_flight) == (1, 1)
    assert during.latency_ms['total']['p99'] == 1.0
    assert stats.snapshot(0.0).in_flight == 0
