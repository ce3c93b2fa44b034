# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Engines that fail once, ten times or always, and engines that hang."""

from __future__ import annotations

from collections.abc import Callable
import threading
from typing import Any

import pytest

pytest.importorskip('rclpy')

from diagnostic_msgs.msg import DiagnosticArray
from faults.invariants import check_label_maps, Held, wait_for_counts
from faults.numbered import numbered_image
from node_rig import NODE
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image

from trt_segmentation.errors import EngineError
from trt_segmentation.ros import node
from trt_segmentation.ros.camera import Camera
from trt_segmentation.serving import recovery, supervisor
from trt_segmentation.serving.stopping import has_unstoppable_work

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
OK, ERROR = b'\0', b'\2'


class Watching:
    """Sends images to a node, and keeps its label maps and diagnostics."""

    def __init__(self, rig: Any) -> None:
        self.rig = rig
        self.maps = rig.hear(Image, f'{NODE}/label_map')
        self.reports = rig.hear(DiagnosticArray, '/diagnostics')
        self.images = rig.speaker(Image)
        self.sent = 0

    def send(self) -> None:
        self.images.publish(numbered_image(self.sent))
        self.sent += 1
        self.rig.until(lambda: self.rig.snapshot().frames_in == self.sent)

    def send_until(self, what: Callable[..., Any]) -> None:
        def send_and_check() -> Any:
            self.send()
            return what()
        self.rig.until(send_and_check)

    def engine_task(self) -> Any:
        count = len(self.reports)
        self.rig.node.monitor.publish()
        self.rig.until(lambda: len(self.reports) > count)
        return self.reports[-1].status[1]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the wait after a failure. Another test checks the real length."""
    monkeypatch.setattr(recovery, 'FIRST_SECONDS', 0.01)
    monkeypatch.setattr(recovery, 'MOST_SECONDS', 0.05)


def test_no_frame_is_tried_during_the_wait_after_a_failure(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is an hour, and the test ends it. Until then newer frames replace older ones."""
    monkeypatch.setattr(recovery, 'FIRST_SECONDS', 3600.0)
    monkeypatch.setattr(recovery, 'MOST_SECONDS', 3600.0)
    rig = make_rig()
    rig.faults.errors[:] = [EngineError('boom'), EngineError('boom')]
    maps, images = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    for number in range(5):
        images.publish(numbered_image(number))
        rig.until(lambda number=number: rig.snapshot().frames_in == number + 1)
        if number < 2:
            rig.until(lambda number=number: rig.snapshot().dropped
                      == {'engine error': number + 1})
    waiting = rig.snapshot()
    assert waiting.dropped == {'engine error': 2, 'engine down': 2}
    assert (waiting.in_flight, len(rig.faults.tried)) == (1, 2)
    rig.node._supervisor.worker.newest.pause(0.0)
    rig.until(lambda: maps)
    assert check_label_maps(maps) == [4]


def test_an_engine_that_fails_once_costs_one_frame(make_rig: Any) -> None:
    """The frame is dropped with a reason, and the same pipeline segments the next frame."""
    watching = Watching(make_rig())
    rig = watching.rig
    rig.faults.errors.append(EngineError('out of luck'))
    watching.send()
    assert wait_for_counts(rig).dropped == {'engine error': 1}
    assert (watching.engine_task().level, watching.engine_task().message) == (
        ERROR, 'out of luck')
    watching.send()
    rig.until(lambda: watching.maps)
    assert check_label_maps(watching.maps) == [1]
    rig.until(lambda: watching.engine_task().level == OK)
    assert len(rig.pipelines) == 1 and wait_for_counts(rig).frames_out == 1


@pytest.mark.parametrize('error', [EngineError('no answer'), RuntimeError('nobody foresaw it')])
def test_an_engine_that_fails_ten_times_is_opened_anew_and_recovers(
        make_rig: Any, quick: None, error: Exception) -> None:
    """After the fifth failure in a row, the node opens a new pipeline for each try.

    Before the next pipeline opens, the old one is closed and its memory is no longer used. The
    new pipeline has the same engine. Ten batches are dropped with the error. All other dropped
    frames came while the engine was down, or newer frames replaced them. No label map is wrong.
    """
    watching = Watching(make_rig())
    rig = watching.rig
    watching.send_until(lambda: watching.maps)
    rig.faults.errors += [error] * 10
    before = len(watching.maps)
    watching.send_until(lambda: not rig.faults.errors and len(watching.maps) > before + 1)
    counts = wait_for_counts(rig)
    kind = 'engine error' if isinstance(error, EngineError) else 'internal error'
    assert counts.dropped[kind] == 10 and counts.dropped['engine down'] > 0
    assert set(counts.dropped) <= {kind, 'engine down', 'superseded'}
    rig.until(lambda: len(watching.maps) == counts.frames_out)
    numbers = check_label_maps(watching.maps)
    assert numbers == sorted(numbers)
    # the node reopened the pipeline after the failures 5 to 10
    assert [pipeline.closed for pipeline in rig.pipelines] == [1] * 6 + [0]
    assert rig.asked == ['auto'] + ['onnxruntime-cpu'] * 6
    assert not rig.faults.held_at_close
    assert watching.engine_task().level == OK


def test_an_engine_that_always_fails_is_reported_and_tried_again(
        make_rig: Any, quick: None) -> None:
    """The node stays active and reports ERROR with the reason. Its memory does not grow.

    The node waits between two tries. When the engine works again, the node does too.
    """
    watching = Watching(make_rig())
    rig = watching.rig
    log = rig.log()
    rig.faults.forever = EngineError('broken for good')
    watching.send_until(lambda: len(rig.pipelines) == 5)
    held = Held.measure()
    for count in (8, 15):
        watching.send_until(lambda count=count: len(rig.pipelines) == count)
        status = watching.engine_task()
        assert status.level == ERROR and 'broken for good' in status.message
        assert 'failures in a row' in status.message and rig.node.state == 'active'
        assert watching.reports[-1].status[0].level == ERROR
    # the thread that opens a pipeline may be running, so allow 2 more threads
    assert not Held.measure().growth_over(held, memory=20_000_000, others=2)
    assert not watching.maps and rig.snapshot().frames_out == 0
    waits = [b - a for a, b in zip(rig.faults.tried[5:], rig.faults.tried[6:])]
    assert min(waits) >= 0.05  # the fixture `quick` sets MOST_SECONDS to 0.05
    rig.faults.forever = None
    watching.send_until(lambda: watching.maps)
    check_label_maps(watching.maps)
    rig.until(lambda: watching.engine_task().level == OK)
    told = [line.msg for line in log]
    rig.until(lambda: 'the engine answers again' in [line.msg for line in log])
    assert [text for text in told if 'failed 5 times in a row and is reopened' in text]
    wait_for_counts(rig)


def test_an_engine_that_cannot_be_opened_again_is_tried_until_it_can(
        make_rig: Any, quick: None) -> None:
    """The node reports each failure and counts the dropped frames. The sixth opening works."""
    watching = Watching(make_rig())
    rig = watching.rig
    rig.openings += [EngineError(f'no memory {i}') for i in range(5)]
    rig.faults.errors += [EngineError('first')] * 5
    watching.send_until(lambda: len(rig.openings) < 5)
    rig.until(lambda: 'no memory' in watching.engine_task().message or rig.pipelines[1:])
    watching.send_until(lambda: watching.maps)
    assert len(rig.pipelines) == 2 and len(rig.asked) == 7 and not rig.openings
    check_label_maps(watching.maps)
    assert wait_for_counts(rig).dropped['engine error'] == 5


@pytest.mark.parametrize('to', ['inactive', 'unconfigured', 'finalized'])
def test_a_transition_does_not_wait_for_the_opening_of_an_engine(
        make_rig: Any, quick: None, monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    """To open a pipeline may take minutes, and transitions go on during this time.

    If the node is active again when the pipeline is open, the node uses it. Otherwise the
    pipeline is closed.
    """
    watching = Watching(make_rig())
    rig = watching.rig
    module = __import__('trt_segmentation.ros.node', fromlist=['open_pipeline'])
    open_, at_work, go_on = module.open_pipeline, threading.Event(), threading.Event()

    def slow(card: Any, engine: str, **options: Any) -> Any:
        at_work.set()
        assert go_on.wait(60.0)
        return open_(card, engine, **options)

    monkeypatch.setattr(module, 'open_pipeline', slow)
    rig.faults.errors += [EngineError('broken')] * 5
    watching.send_until(at_work.is_set)
    assert rig.pipelines[0].closed
    watching.send()
    if to == 'finalized':
        rig.node.stop()
    else:
        assert rig.node.trigger_deactivate() == SUCCESS
        if to == 'unconfigured':
            assert rig.node.trigger_cleanup() == SUCCESS
    assert rig.node.state == to and len(rig.pipelines) == 1  # the new pipeline is not open yet
    counts = wait_for_counts(rig)
    go_on.set()
    if to == 'inactive':
        assert rig.node.trigger_activate() == SUCCESS
        rig.peer.destroy_publisher(watching.images)
        watching.images = rig.speaker(Image)
        watching.send_until(lambda: watching.maps)
        assert check_label_maps(watching.maps)[0] >= counts.frames_in
    else:
        rig.until(lambda: rig.pipelines[1:])
        rig.until(lambda: rig.pipelines[1].closed)
    assert len(rig.pipelines) == 2


def test_a_reopened_engine_gets_time_for_its_first_answer(
        make_rig: Any, quick: None) -> None:
    """The failures of the old engine do not count for the new engine."""
    watching = Watching(make_rig())
    rig = watching.rig
    rig.faults.errors += [EngineError('boom')] * 5
    watching.send_until(lambda: rig.pipelines[1:])
    rig.pipelines[1].gate.clear()
    watching.send_until(lambda: rig.node._supervisor.worker.busy_since)
    for _ in range(3):
        rig.node._supervisor.tick()
    rig.pipelines[1].gate.set()
    watching.send_until(lambda: len(watching.maps) > 2)
    assert len(rig.pipelines) == 2
    assert wait_for_counts(rig).dropped['engine error'] == 5
    check_label_maps(watching.maps)


def test_a_late_answer_does_not_prevent_the_reopening(
        make_rig: Any, quick: None) -> None:
    """Two batches are in flight. The first is the fifth failure, and the second succeeds."""
    rig = make_rig(start=False)
    assert rig.node.trigger_configure() == SUCCESS
    rig.pipeline.depth = 2
    assert rig.node.trigger_activate() == SUCCESS
    watching = Watching(rig)
    submit, submitted = rig.pipeline.submit, []
    rig.pipeline.submit = lambda *batch: (submitted.append(1), submit(*batch))
    for failures in range(1, 5):
        rig.faults.errors.append(EngineError('boom'))
        watching.send()
        rig.until(lambda: rig.node._supervisor.health.failures == failures)  # noqa: B023
    rig.pipeline.gate.clear()
    rig.faults.errors += [EngineError('boom'), None]
    for count in (5, 6):
        watching.send()
        rig.until(lambda: len(submitted) == count)  # noqa: B023
    rig.pipeline.gate.set()
    watching.send_until(lambda: len(watching.maps) > 2)
    assert [pipeline.closed for pipeline in rig.pipelines] == [1, 0]
    assert wait_for_counts(rig).dropped['engine error'] == 5
    check_label_maps(watching.maps)


def test_an_unexpected_exception_reopens_the_engine(
        make_rig: Any, quick: None, monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str]) -> None:
    watching = Watching(make_rig())
    rig = watching.rig
    errors = [ZeroDivisionError('nobody thought of it')]
    count_frame_out = Camera.count_frame_out

    def fails_once(*arguments: Any) -> None:
        if errors:
            raise errors.pop()
        count_frame_out(*arguments)
    monkeypatch.setattr(Camera, 'count_frame_out', fails_once)
    watching.send_until(lambda: len(watching.maps) > 3)
    assert [pipeline.closed for pipeline in rig.pipelines] == [1, 0]
    assert 'ZeroDivisionError: nobody' in capfd.readouterr().err
    # this counts the failed frame, and frames submitted before the threads stopped
    assert wait_for_counts(rig).dropped['internal error'] >= 1


def test_a_new_engine_is_not_reported_as_recovered(
        make_rig: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """After one failure and a new configure, the log does not say that the engine recovered."""
    watching = Watching(make_rig())
    rig = watching.rig
    rig.faults.errors.append(EngineError('out of luck'))
    watching.send()
    rig.until(lambda: rig.node._supervisor.health.failures)
    rig.node._supervisor.tick()
    for transition in ('deactivate', 'cleanup', 'configure', 'activate'):
        assert getattr(rig.node, f'trigger_{transition}')() == SUCCESS
    rig.node._supervisor.tick()
    said = capfd.readouterr().err
    assert 'out of luck' in said and 'answers again' not in said


@pytest.mark.parametrize('call', ['submit', 'collect'])
def test_an_engine_that_does_not_answer_is_an_error_until_it_does(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A call into a library cannot be stopped. So the node can only report that the call hangs."""
    monkeypatch.setattr(supervisor, 'STALLED_SECONDS', 0.1)
    watching = Watching(make_rig())
    rig = watching.rig
    if call == 'submit':
        submit = rig.pipeline.submit
        rig.pipeline.submit = lambda *batch: (rig.pipeline.gate.wait(), submit(*batch))
    rig.pipeline.gate.clear()
    watching.send()
    rig.until(lambda: watching.engine_task().level == ERROR)
    assert 'the engine has not answered for' in watching.engine_task().message
    rig.pipeline.gate.set()
    rig.until(lambda: watching.maps)
    assert check_label_maps(watching.maps) == [0] and watching.engine_task().level == OK


def test_an_engine_that_never_answers_does_not_hold_deactivate_for_ever(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """The node asks for exit code 75, so that a new process starts. It closes no pipeline."""
    monkeypatch.setattr(node, 'FINISH_SECONDS', 0.2)
    monkeypatch.setattr(node, 'STOP_SECONDS', 0.2)
    watching = Watching(make_rig())
    rig = watching.rig
    rig.pipeline.gate.clear()
    watching.send()
    rig.until(lambda: rig.node._supervisor.worker.busy_since)
    assert rig.node.exit_code is None
    assert rig.node.trigger_deactivate() == FAILURE
    assert rig.node.exit_code == 75 and rig.node.state == 'active'
    task = watching.engine_task()
    assert task.level == ERROR and 'has not finished its frames for 0.2 s' in task.message
    assert 'this process has lost the engine' in capfd.readouterr().err
    rig.node.stop()
    assert rig.pipeline.closed == 0
    # so the process ends without waiting for this thread
    assert has_unstoppable_work()
    rig.pipeline.gate.set()


def test_a_process_that_is_told_to_end_does_not_wait_for_a_hung_engine(
        make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watching = Watching(make_rig())
    rig = watching.rig
    rig.pipeline.gate.clear()
    watching.send_until(lambda: rig.node._supervisor.worker.busy_since)
    told = threading.Event()
    monkeypatch.setattr(node, 'STOP_REQUESTED', told)
    told.set()
    assert rig.node.trigger_deactivate() == FAILURE
    assert rig.node.exit_code is None and rig.pipeline.closed == 0
    rig.pipeline.gate.set()
