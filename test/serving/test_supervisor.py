# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor, without ROS: its status, the reopening, and the end of the process."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from serving.doubles import (
    FakeCamera,
    FakeClock,
    FakeImage,
    FakePipeline,
    FakeSettings,
    sticky_error,
    until,
)

from trt_segmentation.errors import EngineError
from trt_segmentation.memory import PageMemory
from trt_segmentation.serving import drop_reasons, recovery, supervisor
from trt_segmentation.serving.engine_state import EngineState, EngineStatus
from trt_segmentation.serving.frame_log import FrameLog
from trt_segmentation.serving.supervisor import Supervisor
from trt_segmentation.serving.worker import Worker


class Supervised:
    """Starts a supervisor with one camera. Its pipelines are fakes."""

    def __init__(self, *errors: Exception) -> None:
        self.pipelines = [FakePipeline(*errors)]
        self.camera = FakeCamera()
        self.log: list[str] = []
        self.supervisor = Supervisor(self._make_worker, self._reopen, SimpleNamespace(
            info=self.log.append, warning=self.log.append, fatal=self.log.append))
        self.supervisor.pipeline = self.pipelines[0]  # type: ignore[assignment]
        self.supervisor.start([self.camera])
        self.sink = self.supervisor.sink(self.camera)

    def _make_worker(self, pipeline: Any, **options: Any) -> Worker:
        return Worker(pipeline, 1, FakeSettings(), FakeClock(),  # type: ignore[arg-type]
                      lambda *_: None, FrameLog('', pytest.fail), self.supervisor.health,
                      **options)

    def _reopen(self, old: Any) -> Any:
        self.pipelines.append(FakePipeline())
        return self.pipelines[-1]

    def segment(self) -> None:
        """Offer an image and wait until it was published or dropped."""
        self.sink.offer(FakeImage())
        until(lambda: 2 * self.camera.counts['in'] == self.camera.counts.total())

    @property
    def state(self) -> EngineState:
        return self.supervisor.status.state


def test_an_engine_that_fails_five_times_is_reopened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, 'FIRST_SECONDS', 0.001)
    made = Supervised(*[EngineError('boom')] * 5)
    for failures in range(1, 6):
        made.segment()
        row = f' ({failures} failures in a row)' if failures > 1 else ''
        if failures < 5:
            assert made.supervisor.status == EngineStatus(EngineState.FAILING, f'boom{row}')
    assert made.supervisor.status == EngineStatus(
        EngineState.REOPENING,
        'reopening the engine after 5 failures in a row; the newest error: boom')
    until(lambda: (made.supervisor.tick(), made.pipelines[1:])[1])
    assert made.camera.reallocations >= 1
    until(lambda: (made.supervisor.tick(), made.state is EngineState.FAILING)[1])
    assert made.pipelines[0].closed == 1 and made.camera.reallocations == 2
    made.segment()
    made.supervisor.tick()
    assert made.state is EngineState.RUNNING and made.camera.counts['out'] == 1
    assert [line.partition(';')[0] for line in made.log] == [
        'the engine failed 5 times in a row and is reopened', 'the engine was reopened',
        'the engine answers again']
    assert made.supervisor.stop(30.0)


def test_a_lost_gpu_is_announced_once_and_no_frame_is_taken() -> None:
    made = Supervised(sticky_error('illegal address'))
    made.segment()
    assert made.state is EngineState.LOST and not made.supervisor.must_end_process
    for _ in range(3):
        made.supervisor.tick()
    assert made.supervisor.must_end_process
    assert len(made.log) == 1 and 'this process has lost the GPU: illegal' in made.log[0]
    made.segment()
    assert made.camera.counts[drop_reasons.ENGINE_DOWN] == 1 and not made.pipelines[1:]
    assert made.supervisor.stop(30.0)


def test_a_loss_is_not_forgotten_if_the_node_is_deactivated_before_the_tick() -> None:
    made = Supervised(sticky_error('illegal address'))
    made.segment()
    assert made.supervisor.stop(30.0)
    made.supervisor.tick()
    assert made.supervisor.must_end_process


def test_reading_the_status_changes_nothing() -> None:
    made = Supervised(EngineError('boom'))
    made.segment()
    assert made.supervisor.status == made.supervisor.status == EngineStatus(
        EngineState.FAILING, 'boom')
    assert made.supervisor.stop(30.0) and made.state is EngineState.RUNNING
    made.supervisor.start([made.camera])
    assert made.state is EngineState.RUNNING
    assert made.supervisor.stop(30.0)


def test_a_batch_that_takes_too_long_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, 'STALLED_SECONDS', 0.02)
    made = Supervised()
    made.pipelines[0].gate.clear()
    made.sink.offer(FakeImage())
    until(lambda: made.state is EngineState.STALLED)
    assert 'the engine has not answered for' in made.supervisor.status.reason
    made.pipelines[0].gate.set()
    until(lambda: made.state is EngineState.RUNNING)
    assert made.supervisor.stop(30.0)


def test_a_worker_that_hangs_lets_the_process_end() -> None:
    made = Supervised()
    made.pipelines[0].gate.clear()
    made.sink.offer(FakeImage())
    until(lambda: made.supervisor.worker and made.supervisor.worker.busy_since)
    assert not made.supervisor.stop(0.0)
    made.supervisor.give_up(0.0)
    assert made.supervisor.must_end_process and made.supervisor.worker
    assert made.supervisor.status.reason == 'it has not finished its frames for 0 s'
    made.pipelines[0].gate.set()
    assert made.supervisor.stop(30.0)


def test_memory_is_the_pipelines_own_if_it_has_some() -> None:
    made = Supervised()
    assert made.sink.allocate(10).nbytes == 10
    lent: list[int] = []

    def lend(nbytes: int) -> PageMemory:
        lent.append(nbytes)
        return PageMemory(nbytes)

    made.pipelines[0].allocate = lend  # type: ignore[assignment]
    made.sink.allocate(20)
    assert lent == [20]
    assert made.supervisor.stop(30.0)


def test_memory_that_shows_the_gpu_is_lost_ends_the_process() -> None:
    made = Supervised()

    def lend(nbytes: int) -> PageMemory:
        raise sticky_error('illegal address')

    made.pipelines[0].allocate = lend  # type: ignore[assignment]
    with pytest.raises(EngineError):
        made.sink.allocate(20)
    made.supervisor.tick()
    assert made.supervisor.must_end_process
    assert made.supervisor.stop(30.0)


def exchange(made: Supervised) -> tuple[Any, list[str]]:
    """Exchange the pipeline. Return the new pipeline, and a list of the events of the change."""
    old, events = made.supervisor.worker, []
    made.pipelines.append(FakePipeline())

    def change() -> None:
        assert made.supervisor.worker is not old
        events.append(f'{len(made.camera.published)} published')
    assert made.supervisor.can_exchange
    made.supervisor.exchange(made.pipelines[-1], change)  # type: ignore[arg-type]
    return made.pipelines[-1], events


def test_an_exchange_lets_the_old_pipeline_finish_and_the_new_one_take_the_waiting_frame() -> None:
    made = Supervised()
    old: Any = made.pipelines[0]
    old.gate.clear()
    made.sink.offer(FakeImage(1))
    until(lambda: old.batches)
    made.sink.offer(FakeImage(2))
    new, events = exchange(made)
    present: Any = made.supervisor.pipeline
    assert present is new and not events and not new.batches
    old.gate.set()
    until(lambda: len(made.camera.published) == 2)
    assert made.camera.published == ['header 1', 'header 2'] and events == ['1 published']
    assert [len(one.batches) for one in (old, new)] == [1, 1]
    assert made.camera.counts == {'in': 2, 'out': 2} and made.camera.reallocations == 1
    assert made.supervisor.stop(30.0) and not made.supervisor.can_exchange
    assert old.closed == new.closed == 0  # the caller closes the old pipeline


def test_an_exchange_does_not_wait_for_the_pause_after_a_failure() -> None:
    made = Supervised(*[EngineError('boom')] * 2)
    made.segment()
    made.segment()
    assert made.supervisor.worker
    made.supervisor.worker.newest.pause(3600.0)
    made.sink.offer(FakeImage())
    exchange(made)
    until(lambda: made.camera.counts['out'] == 1)


def test_an_old_engine_that_hangs_during_an_exchange_is_reported(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, 'STALLED_SECONDS', 0.02)
    made = Supervised()
    old: Any = made.pipelines[0]
    old.gate.clear()
    made.sink.offer(FakeImage())
    until(lambda: old.batches)
    _, events = exchange(made)
    until(lambda: made.state is EngineState.STALLED)
    assert not made.supervisor.stop(0.01) and not events
    old.gate.set()
    until(lambda: made.supervisor.stop(30.0))
    assert events == ['1 published']


def test_an_engine_that_waits_for_its_reopening_cannot_be_exchanged_yet() -> None:
    made = Supervised()
    made.supervisor.health.require_reopening(EngineError('boom'))
    assert not made.supervisor.can_exchange
    made.supervisor.tick()
    until(lambda: (made.supervisor.tick(), made.supervisor.can_exchange)[1])
    made.supervisor.health.note_lost('gone')
    made.supervisor.tick()
    assert made.state is EngineState.LOST
