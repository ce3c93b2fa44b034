# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that cannot be stopped, and signals that ask this process to stop."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from serving.doubles import until

from trt_segmentation.serving import stopping


def test_work_is_unstoppable_only_as_long_as_it_runs() -> None:
    until(lambda: not stopping.has_unstoppable_work())
    go_on = threading.Event()
    stopping.start_unstoppable(lambda: go_on.wait(30.0) and None)
    assert stopping.has_unstoppable_work()
    go_on.set()
    until(lambda: not stopping.has_unstoppable_work())


def test_a_signal_requests_a_stop_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    requested = threading.Event()
    monkeypatch.setattr(stopping, 'STOP_REQUESTED', requested)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        stopping.request_stop_on_signals()
        for number in before:
            requested.clear()
            assert signal.getsignal(number) is not signal.SIG_DFL  # SIG_DFL ends the tests
            os.kill(os.getpid(), number)
            assert requested.wait(30.0)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        stopping.request_stop_on_signals()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup sets this
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
