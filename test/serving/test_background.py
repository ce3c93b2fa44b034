# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Work in the background: its result, its errors, and a process that is told to end."""

from __future__ import annotations

import threading

import pytest

from trt_segmentation.errors import EngineError, Interrupted
from trt_segmentation.serving import background
from trt_segmentation.serving.background import run_interruptibly
from trt_segmentation.serving.stopping import has_unstoppable_work


def test_the_result_and_the_error_of_the_work_come_back() -> None:
    assert run_interruptibly(lambda: 7, pytest.fail, 60.0) == 7

    def fail() -> None:
        raise EngineError('no kernels')

    with pytest.raises(EngineError, match='no kernels'):
        run_interruptibly(fail, pytest.fail, 60.0)


def test_the_waiting_thread_ticks_and_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, 'POLL_SECONDS', 0.001)
    done, ticks, served = threading.Event(), [0], [0]

    def tick() -> None:
        ticks[0] += 1
        if ticks[0] == 3:
            done.set()

    def serve() -> None:
        served[0] += 1

    run_interruptibly(lambda: done.wait(30.0), tick, 0.01, serve)
    assert ticks[0] >= 3 and served[0] > ticks[0]


def test_a_process_that_is_told_to_end_does_not_wait_for_the_work(
        monkeypatch: pytest.MonkeyPatch) -> None:
    told, done = threading.Event(), threading.Event()
    told.set()
    monkeypatch.setattr(background, 'STOP_REQUESTED', told)
    with pytest.raises(Interrupted):
        run_interruptibly(lambda: done.wait(30.0), pytest.fail, 60.0)
    assert has_unstoppable_work()
    done.set()
