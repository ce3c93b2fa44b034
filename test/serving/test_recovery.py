# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""EngineHealth counts failures in a row: the waits, the reopening, and the lost GPU."""

from __future__ import annotations

import threading

import pytest
from serving.doubles import FakePipeline, sticky_error, until

from trt_segmentation.errors import EngineError
from trt_segmentation.serving import recovery
from trt_segmentation.serving.engine_state import EngineState, EngineStatus
from trt_segmentation.serving.recovery import EngineHealth, Reopening

FAILING, LOST = EngineState.FAILING, EngineState.LOST
REOPENING, RUNNING = EngineState.REOPENING, EngineState.RUNNING


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, 'FIRST_SECONDS', 0.001)
    monkeypatch.setattr(recovery, 'MOST_SECONDS', 0.005)


def failing(count: int) -> EngineHealth:
    health = EngineHealth()
    for number in range(count):
        health.count_failure(EngineError(f'failure {number + 1}'))
    return health


def test_the_wait_doubles_from_the_second_failure_on_up_to_five_seconds() -> None:
    health = EngineHealth()
    waits = [health.wait_seconds]
    for _ in range(9):
        health.count_failure(EngineError('boom'))
        waits.append(health.wait_seconds)
    assert waits == pytest.approx([0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
    assert health.status.state is REOPENING
    health.note_reopened()
    health.reset_failures()
    health.clear_error()
    assert (health.wait_seconds, health.status) == (0, EngineStatus())


def test_a_segmentation_clears_failures_unless_the_engine_must_be_reopened() -> None:
    health = failing(4)
    assert health.status == EngineStatus(FAILING, 'failure 4')
    health.reset_failures()
    health.clear_error()
    assert (health.failures, health.status.state) == (0, RUNNING)
    health = failing(5)
    health.reset_failures()
    health.clear_error()
    health.note_error(EngineError('another'))
    assert (health.failures, health.status) == (5, EngineStatus(REOPENING, 'failure 5'))


def test_a_reopened_engine_shows_the_old_error_and_its_first_failure_reopens_again() -> None:
    health = failing(5)
    health.note_reopened()
    assert health.status == EngineStatus(FAILING, 'failure 5')
    health.count_failure(EngineError('again'))
    assert health.status == EngineStatus(REOPENING, 'again')


def test_a_loss_is_final_and_keeps_its_reason() -> None:
    health = EngineHealth()
    health.count_failure(sticky_error('illegal address'))
    for change in (health.clear_error, health.note_reopened, health.start_afresh,
                   lambda: health.count_failure(EngineError('later')),
                   lambda: health.require_reopening(EngineError('later')),
                   lambda: health.note_lost('later')):
        change()
        assert health.status == EngineStatus(LOST, 'illegal address')


def test_an_unexpected_exception_is_named_with_its_class() -> None:
    health = EngineHealth()
    health.require_reopening(KeyError('name'))
    assert health.status == EngineStatus(REOPENING, "KeyError: 'name'")


@pytest.mark.usefixtures('quick')
def test_reopening_closes_the_old_pipeline_and_tries_until_it_has_a_new_one() -> None:
    old, new, health = FakePipeline(), FakePipeline(), failing(5)
    errors = [EngineError('no memory'), EngineError('no memory yet')]

    def open_pipeline() -> FakePipeline:
        assert old.closed == 1
        if errors:
            raise errors.pop(0)
        return new

    reopening = Reopening(old, open_pipeline, health)  # type: ignore[arg-type]
    assert until(lambda: reopening.pipeline) is new
    assert (health.failures, health.status.reason) == (7, 'no memory yet')


@pytest.mark.usefixtures('quick')
def test_reopening_ends_if_the_gpu_is_lost() -> None:
    calls: list[int] = []

    def open_pipeline() -> FakePipeline:
        calls.append(1)
        raise sticky_error('illegal address')

    health = failing(5)
    Reopening(FakePipeline(), open_pipeline, health)  # type: ignore[arg-type]
    until(lambda: health.status.state is LOST)
    assert calls == [1]


@pytest.mark.usefixtures('quick')
def test_a_pipeline_that_is_opened_after_giving_up_is_closed() -> None:
    started, go_on, new = threading.Event(), threading.Event(), FakePipeline()

    def open_pipeline() -> FakePipeline:
        started.set()
        assert go_on.wait(30.0)
        return new

    reopening = Reopening(FakePipeline(), open_pipeline, failing(5))  # type: ignore[arg-type]
    assert started.wait(30.0)
    reopening.give_up()
    go_on.set()
    until(lambda: new.closed)
    assert reopening.pipeline is None


def test_an_unexpected_error_counts_as_a_failure_so_that_the_wait_grows() -> None:
    health = EngineHealth()
    for _ in range(3):
        health.require_reopening(RuntimeError('a bug'))
    assert (health.failures, health.wait_seconds) == (3, pytest.approx(0.2))


def test_an_abandoned_reopening_does_not_change_the_health() -> None:
    """The old pipeline closes with an error, but only after the node was cleaned up."""
    health, closing, let_close = EngineHealth(), threading.Event(), threading.Event()

    class Old:
        def close(self) -> None:
            closing.set()
            let_close.wait()
            raise EngineError('it does not close')

    reopening = Reopening(Old(), pytest.fail, health)
    closing.wait()
    reopening.give_up()
    let_close.set()
    for thread in threading.enumerate():
        if thread.daemon and thread is not threading.current_thread():
            thread.join(10)
    assert health.failures == 0 and health.status.state is EngineState.RUNNING
