# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""NewestFrames keeps the newest frame of each camera and serves the cameras in turn."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

from trt_segmentation.serving.newest import NewestFrames


def frame(name: str) -> Any:
    return SimpleNamespace(name=name, arrived=time.monotonic())


def names(batch: list[tuple[str, Any]]) -> list[str]:
    return [taken.name for _, taken in batch]


def test_a_newer_frame_replaces_only_the_frame_of_its_camera() -> None:
    newest: NewestFrames[str, Any] = NewestFrames()
    first = frame('a1')
    assert newest.put('a', first) is None and newest.put('b', frame('b1')) is None
    assert newest.put('a', frame('a2')) is first
    assert names(newest.fetch(8)) == ['a2', 'b1']


def test_no_camera_starves_however_fast_another_is() -> None:
    newest: NewestFrames[str, Any] = NewestFrames()
    served = []
    newest.put('slow', frame('slow'))
    newest.put('other', frame('other'))
    for turn in range(6):
        for _ in range(20):
            newest.put('fast', frame(f'fast {turn}'))
        served += names(newest.fetch(1))
        if turn == 2:
            newest.put('slow', frame('slow again'))
    assert served == ['slow', 'other', 'fast 2', 'slow again', 'fast 4', 'fast 5']


def test_a_batch_has_all_waiting_frames_up_to_its_limit() -> None:
    newest: NewestFrames[str, Any] = NewestFrames()
    for name in 'abc':
        newest.put(name, frame(name))
    assert names(newest.fetch(2)) == ['a', 'b']
    newest.put('a', frame('a'))
    assert names(newest.fetch(2)) == ['c', 'a']


def test_patience_counts_from_the_first_frames_arrival() -> None:
    newest: NewestFrames[str, Any] = NewestFrames()
    late = SimpleNamespace(name='a', arrived=time.monotonic() - 100.0)
    newest.put('a', late)
    assert names(newest.fetch(2, patience=60.0)) == ['a']  # this frame waited for 100 s

    newest.put('a', frame('a'))
    threading.Timer(0.05, newest.put, ('b', frame('b'))).start()
    assert names(newest.fetch(2, patience=60.0)) == ['a', 'b']  # a full batch does not wait


def test_after_close_nothing_is_fetched() -> None:
    newest: NewestFrames[str, Any] = NewestFrames()
    newest.put('a', frame('a'))
    newest.put('b', frame('b'))
    assert names(newest.close()) == ['a', 'b'] and newest.fetch(2) == []
    refused = frame('c')
    assert newest.put('a', refused) is refused


def test_after_a_pause_only_the_newest_frame_is_fetched() -> None:
    newest: NewestFrames[str, Any] = NewestFrames()
    newest.pause(0.2)
    until = time.monotonic() + 0.2
    first = frame('1')
    newest.put('a', first)
    assert newest.put('a', frame('2')) is first
    assert names(newest.fetch()) == ['2'] and time.monotonic() >= until - 0.01
    assert not newest.is_paused
    newest.pause(3600.0)
    assert newest.is_paused
    newest.put('a', frame('3'))
    assert names([(taken[0], taken[1]) for taken in newest.close()]) == ['3']
    assert newest.is_paused and newest.fetch() == []


def test_a_fetch_that_is_over_leaves_the_frames_to_the_next_one() -> None:
    newest: NewestFrames[str, Any] = NewestFrames()
    over, found = threading.Event(), []
    waiting = threading.Thread(
        target=lambda: found.append(newest.fetch(8, is_over=over.is_set)))
    waiting.start()
    newest.wake()  # not over yet, so it waits on
    over.set()
    newest.wake()
    waiting.join(30.0)
    assert found == [[]]
    newest.put('a', frame('a1'))
    assert newest.fetch(8, is_over=over.is_set) == []
    assert newest.fetch(8, patience=60.0, is_over=over.is_set) == []
    assert names(newest.fetch(8)) == ['a1']
