# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""run_interruptibly returns the result, raises the error, or stops to wait at a request."""

from __future__ import annotations

import threading

import pytest

from trt_segmentation.errors import EngineError, Interrupted
from trt_segmentation.serving import background
from trt_segmentation.serving.background import run_interruptibly
from trt_segmentation.serving.stopping import has_unstoppable_work


def test_the_result_is_returned_and_the_error_is_raised() -> None:
    assert run_interruptibly(lambda: 7, lambda: False) == 7

    def fail() -> None:
        raise EngineError('no kernels')

    with pytest.raises(EngineError, match='no kernels'):
        run_interruptibly(fail, lambda: False)


def test_the_waiting_thread_attends_to_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, 'POLL_SECONDS', 0.001)
    done, threads = threading.Event(), []

    def attend() -> bool:
        threads.append(threading.current_thread())
        if len(threads) == 3:
            done.set()
        return False

    assert run_interruptibly(lambda: done.wait(30.0), attend)
    assert len(threads) >= 3 and set(threads) == {threading.current_thread()}


def test_a_process_that_is_told_to_end_does_not_wait_for_the_work() -> None:
    done = threading.Event()
    with pytest.raises(Interrupted):
        run_interruptibly(lambda: done.wait(30.0), lambda: True)
    assert has_unstoppable_work()
    done.set()
