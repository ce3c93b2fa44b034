# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C is held back while a library works, and raised afterwards."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from trt_segmentation.engines.interruption import HeldInterrupt


def press():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_is_raised_at_the_end_with_the_text():
    steps = []
    with pytest.raises(KeyboardInterrupt, match='stopped early'), \
            HeldInterrupt('stopped early') as held:
        assert not held.is_requested
        press()
        steps.append(held.is_requested)
        raise ValueError('the failure that the interruption caused')
    assert steps == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.set_wakeup_fd(-1) == -1


def test_another_thread_sees_the_request_while_the_main_thread_runs_no_python():
    """As in a build: the main thread is inside C code, and the callbacks come in other threads."""
    seen = []
    with pytest.raises(KeyboardInterrupt), HeldInterrupt('') as held:
        signal.signal(signal.SIGINT, lambda *_: None)       # as if no handler ever ran
        press()
        thread = threading.Thread(target=lambda: seen.append(held.is_requested))
        thread.start()
        thread.join()
        assert seen == [True]


def test_without_ctrl_c_nothing_happens():
    with HeldInterrupt('') as held:
        pass
    assert not held.is_requested


def test_handlers_of_the_program_and_other_threads_are_left_alone():
    found = []

    def work():
        with HeldInterrupt('') as held:
            found.append((signal.getsignal(signal.SIGINT), held.is_requested))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, lambda *_: found.append('own'))
    try:
        with HeldInterrupt('') as held:
            press()
            assert not held.is_requested
    finally:
        signal.signal(signal.SIGINT, before)
    assert found == [(signal.default_int_handler, False), 'own']


def test_a_second_ctrl_c_ends_the_process():
    done = subprocess.run([sys.executable, '-c', """
import os, signal
from trt_segmentation.engines.interruption import HeldInterrupt
with HeldInterrupt(''):
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGINT)
"""], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT
