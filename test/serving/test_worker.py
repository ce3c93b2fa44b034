# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The worker, without ROS. It counts each frame once, whether answered or dropped."""

from __future__ import annotations

from collections.abc import Iterator
import threading
from typing import Any

import pytest
from serving.doubles import (
    FakeCamera,
    FakeClock,
    FakeImage,
    FakePipeline,
    FakeSettings,
    sticky_error,
    TIMEOUT,
    until,
)

from trt_segmentation.errors import EngineError
from trt_segmentation.serving import drop_reasons, recovery
from trt_segmentation.serving.engine_state import EngineState
from trt_segmentation.serving.frame_log import FrameLog
from trt_segmentation.serving.recovery import EngineHealth
from trt_segmentation.serving.stopping import has_unstoppable_work
from trt_segmentation.serving.worker import Worker


class Serving:
    def __init__(self, *errors: Exception) -> None:
        self.pipeline = FakePipeline(*errors)
        self.camera, self.other = FakeCamera('front'), FakeCamera('rear')
        self.health = EngineHealth()
        self.warnings: list[tuple[str, str, str]] = []
        self.settings = FakeSettings()
        self.worker = Worker(
            self.pipeline, 2, self.settings, FakeClock(),  # type: ignore[arg-type]
            lambda camera, kind, error: self.warnings.append((camera, kind, str(error))),
            FrameLog('', pytest.fail), self.health)

    def offer(self, image: FakeImage, camera: FakeCamera | None = None) -> FakeImage:
        self.worker.offer(camera or self.camera, image)
        return image

    def segment(self, image: FakeImage) -> FakeImage:
        """Offer an image and wait until the camera has no frame in flight."""
        self.offer(image)
        until(lambda: 2 * self.camera.counts['in'] == self.camera.counts.total())
        return image


@pytest.fixture
def serving() -> Iterator[Serving]:
    made = Serving()
    yield made
    made.pipeline.gate.set()
    assert made.worker.stop(30.0)


def test_a_frame_is_published_with_its_header_and_its_age(serving: Serving) -> None:
    image = serving.segment(FakeImage(250))
    camera = serving.camera
    assert camera.published == ['header 250'] and image.releases >= 1
    assert camera.timings[0]['age'] == pytest.approx(250.0)
    assert set(camera.timings[0]) == {'wait', 'decode', 'publish', 'total', 'age'}
    assert not camera.stamps_are_foreign


def test_a_stamp_of_another_time_base_has_no_age(serving: Serving) -> None:
    serving.segment(FakeImage(10**7))
    assert 'age' not in serving.camera.timings[0] and serving.camera.stamps_are_foreign


def test_the_newest_frame_wins_and_the_others_are_released(serving: Serving) -> None:
    serving.pipeline.gate.clear()
    serving.offer(FakeImage(0))
    until(lambda: serving.pipeline.batches)
    waiting = [serving.offer(FakeImage(number)) for number in (1, 2, 3)]
    assert [image.releases for image in waiting] == [1, 1, 0]
    serving.pipeline.gate.set()
    until(lambda: serving.camera.counts['out'] == 2)
    assert serving.camera.published == ['header 0', 'header 3']
    assert serving.camera.counts == {'in': 4, 'out': 2, drop_reasons.SUPERSEDED: 2}


def test_a_bad_frame_costs_the_other_camera_nothing(serving: Serving) -> None:
    serving.pipeline.gate.clear()
    serving.offer(FakeImage(0))
    until(lambda: serving.pipeline.batches)
    bad = serving.offer(FakeImage(1, bad='step is 1'))
    serving.offer(FakeImage(2), serving.other)
    serving.pipeline.gate.set()
    until(lambda: serving.other.published)
    until(lambda: serving.camera.counts[drop_reasons.BAD_FRAME])
    assert serving.pipeline.batches == [['front'], ['rear']]
    assert serving.camera.frame_error == 'step is 1' and bad.releases == 1
    assert serving.warnings == [('front', drop_reasons.BAD_FRAME, 'step is 1')]
    assert serving.health.failures == 0


def test_an_image_that_was_not_taken_is_counted_and_reported(serving: Serving) -> None:
    serving.worker.not_taken(serving.camera, drop_reasons.NO_BUFFER, 'all are held')
    assert serving.camera.counts == {'in': 1, drop_reasons.NO_BUFFER: 1}
    assert serving.camera.frame_error == 'all are held'
    assert serving.warnings == [('front', drop_reasons.NO_BUFFER, 'all are held')]


@pytest.mark.parametrize(('error', 'reason', 'text'), [
    (EngineError('boom'), drop_reasons.ENGINE_ERROR, 'boom'),
    (MemoryError(), drop_reasons.OUT_OF_MEMORY, recovery.describe_error(MemoryError())),
    (ValueError('a bug'), drop_reasons.INTERNAL_ERROR, 'ValueError: a bug')])
def test_a_failed_batch_is_dropped_and_the_next_frame_clears_the_error(
        serving: Serving, error: Exception, reason: str, text: str) -> None:
    serving.pipeline.errors.append(error)
    image = serving.segment(FakeImage())
    assert serving.camera.counts == {'in': 1, reason: 1} and image.releases == 1
    assert (serving.health.status.state, serving.health.status.reason) == (
        EngineState.FAILING, text)
    serving.segment(FakeImage())
    assert serving.health.status.state is EngineState.RUNNING
    assert serving.health.failures == 0


def test_an_error_in_publishing_is_shown_but_is_no_failure_of_the_engine(
        serving: Serving) -> None:
    serving.camera.publish_error = ValueError('no room')
    serving.segment(FakeImage())
    assert serving.camera.counts[drop_reasons.INTERNAL_ERROR] == 1
    assert serving.health.status.reason == 'ValueError: no room'
    assert serving.health.failures == 0


def test_after_five_failures_the_worker_ends_and_counts_late_frames(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, 'FIRST_SECONDS', 0.001)
    serving = Serving(*[EngineError('boom')] * 5)
    for number in range(5):
        serving.segment(FakeImage(number))
    assert serving.health.status.state is EngineState.REOPENING
    until(lambda: serving.worker.has_ended)
    late = serving.offer(FakeImage(9))
    assert late.releases == 1
    assert serving.camera.counts == {
        'in': 6, drop_reasons.ENGINE_ERROR: 5, drop_reasons.ENGINE_DOWN: 1}


def test_a_lost_gpu_ends_the_worker_without_a_warning() -> None:
    serving = Serving(sticky_error('illegal address'))
    serving.segment(FakeImage())
    assert serving.health.status.state is EngineState.LOST
    until(lambda: serving.worker.has_ended)
    assert serving.warnings == []  # the supervisor reports the loss


def test_an_unexpected_exception_ends_both_threads_and_no_frame_is_forgotten(
        monkeypatch: pytest.MonkeyPatch) -> None:
    serving = Serving()

    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError('nobody expected it')
    monkeypatch.setattr(serving.camera, 'count_frame_out', fail)
    serving.offer(FakeImage())
    until(lambda: serving.health.status.state is EngineState.REOPENING)
    until(lambda: serving.worker.has_ended)
    assert serving.camera.counts == {'in': 1}
    for _ in range(2):
        serving.worker.drop_unfinished()
        assert serving.camera.counts == {'in': 1, drop_reasons.INTERNAL_ERROR: 1}


def test_stop_finishes_the_frame_at_work_and_drops_the_waiting_one(serving: Serving) -> None:
    serving.pipeline.gate.clear()
    serving.offer(FakeImage(0))
    until(lambda: serving.worker.busy_since)
    serving.offer(FakeImage(1))
    threading.Timer(0.05, serving.pipeline.gate.set).start()
    assert serving.worker.stop(30.0) and serving.worker.busy_since == 0.0
    assert serving.camera.counts == {'in': 2, 'out': 1, drop_reasons.DEACTIVATED: 1}


def test_a_worker_that_hangs_is_left_running() -> None:
    serving = Serving()
    serving.pipeline.gate.clear()
    serving.offer(FakeImage())
    until(lambda: serving.worker.busy_since)
    assert not serving.worker.stop(30.0, attend=lambda: True)
    assert has_unstoppable_work()
    serving.pipeline.gate.set()
    until(lambda: serving.worker.has_ended)
    assert serving.camera.published == ['header 0']


def test_after_a_stop_that_timed_out_nothing_is_published() -> None:
    """The engine answers after stop() gave up. The worker counts the late frame as dropped."""
    serving = Serving()
    serving.pipeline.gate.clear()
    image = serving.offer(FakeImage())
    until(lambda: serving.worker.busy_since)
    assert not serving.worker.stop(0.0)
    serving.pipeline.gate.set()
    until(lambda: serving.worker.has_ended)
    assert serving.camera.published == [] and image.releases >= 1
    assert serving.camera.counts == {'in': 1, drop_reasons.DEACTIVATED: 1}
    assert serving.worker.stop(0.0)
    assert serving.camera.counts.total() == 2


def test_an_answer_that_is_too_old_is_dropped_and_the_next_is_published(serving: Serving) -> None:
    """FakeImage(n) has an age of n milliseconds."""
    serving.settings.max_age = 100.0
    old, new = serving.segment(FakeImage(101)), serving.segment(FakeImage(99))
    assert serving.camera.published == [new.header]
    assert serving.camera.counts == {'in': 2, drop_reasons.TOO_OLD: 1, 'out': 1}
    assert (old.releases, new.releases) == (2, 1)
    assert not serving.warnings
    serving.settings.max_age = 0.0
    serving.segment(FakeImage(5000))
    assert serving.camera.counts['out'] == 2


def test_a_wait_ends_with_the_next_batch_and_not_with_an_old_one(serving: Serving) -> None:
    serving.segment(FakeImage(1))
    until(serving.worker._batch_ended.is_set)
    assert not serving.worker.wait_for_batch_end(0.01)
    results: list[bool] = []
    waiting = threading.Thread(
        target=lambda: results.append(serving.worker.wait_for_batch_end(TIMEOUT)))
    waiting.start()
    while waiting.is_alive():
        serving.segment(FakeImage())
        waiting.join(0.002)
    assert results == [True]
