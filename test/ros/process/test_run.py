# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""run() catches the exceptions of callbacks, and ends the process if they never stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest

pytest.importorskip('rclpy')

from node_processes import Peer
from rcl_interfaces.srv import GetParameters, ListParameters

from trt_segmentation.ros.process.run import ENDLESS
from trt_segmentation.serving.stopping import BROKEN

PROGRAM = """
import gc

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.waitable import NumberOfEntities, Waitable

from trt_segmentation.ros.process.guarded import Guarded
from trt_segmentation.ros.process.run import run, skip_present_objects


class Program(Guarded, Node):
    def __init__(self):
        super().__init__('program')
        self.calls = 0
        self.setup()

    def raises(self):
        self.calls += 1
        raise RuntimeError(f'call {self.calls}')

    def say(self, text):
        self.get_logger().info(text)

    def begin(self):
        self.say('begun')

    def stop(self):
        self.say(f'stopped after {self.errors.count} errors')

    def ended(self):
        return None
"""
END = """
raise SystemExit(run(Program, Program.begin, None, Program.ended))
"""


@pytest.fixture
def start(ros: Any) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Yield a function that starts a process. Its node gets the given methods and ``setup``."""
    started: list[subprocess.Popen[str]] = []

    def program(methods: str) -> subprocess.Popen[str]:
        text = PROGRAM + textwrap.indent(textwrap.dedent(methods), '    ') + END
        started.append(subprocess.Popen(
            [sys.executable, '-c', text], stderr=subprocess.PIPE, text=True,
            env={**os.environ, 'ROS_DOMAIN_ID': str(ros.get_domain_id())}))
        return started[-1]

    yield program
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    log = process.communicate(timeout=60.0)[1]
    return process.returncode, log


def until(process: subprocess.Popen[str], text: str) -> str:
    """Return the log up to the line that contains the text."""
    assert process.stderr
    log = ''
    for line in process.stderr:
        log += line
        if text in line:
            return log
    pytest.fail(f'no {text!r} in:\n{log}')


ONCE = """
    def setup(self):
        def once():
            timer.cancel()
            self.later = self.create_timer(0.01, lambda: self.say('another one ran'))
            self.raises()
        timer = self.create_timer(0.01, once)
"""

TAKE = '''
    def setup(self):
        class Taken(Waitable):
            """Always ready; raises when taken, as rclpy does on some messages."""
            taken = 0
            def __enter__(self): pass
            def __exit__(self, *exception): pass
            def get_num_entities(self): return NumberOfEntities()
            def add_to_wait_set(self, wait_set): pass
            def is_ready(self, wait_set): return self.taken < 3
            def take_data(self):
                self.taken += 1
                if self.taken == 1:
                    raise RuntimeError('call 1')
            async def execute(self, data):
                node.say('another one ran')
        node = self
        self.add_waitable(Taken(self.default_callback_group))
        self.create_timer(0.01, lambda: None)
'''


@pytest.mark.parametrize('methods', [ONCE, TAKE])
def test_a_callback_that_raises_once_stops_nothing(
        start: Callable[[str], subprocess.Popen[str]], ros: Any, methods: str) -> None:
    """An exception while rclpy takes a message must not block the callback group either."""
    process = start(methods)
    log = until(process, 'another one ran')
    peer = Peer(ros)
    response = peer.call(ListParameters, '/program/list_parameters', ListParameters.Request())
    assert 'use_sim_time' in response.result.names
    peer.close()
    process.send_signal(signal.SIGINT)
    code, rest = ended(process)
    assert (code, (log + rest).count('RuntimeError: call 1')) == (0, 1), log + rest
    assert 'stopped after 1 errors' in rest, rest


def test_a_callback_that_always_raises_keeps_the_others_running(
        start: Callable[[str], subprocess.Popen[str]], ros: Any) -> None:
    process = start("""
        def setup(self):
            self.create_timer(0.001, self.raises)
            self.create_timer(0.02, lambda: None)

        def ended(self):
            if self.errors.count == 130:
                self.say('130 errors')
                self.errors.count += 1
    """)
    until(process, 'begun')
    peer = Peer(ros)
    for _ in range(10):
        request = GetParameters.Request(names=['use_sim_time'])
        assert len(peer.call(GetParameters, '/program/get_parameters', request).values) == 1
    peer.close()
    log = until(process, '130 errors')
    assert log.count('RuntimeError: call') < 20  # the log is throttled
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 0


def test_errors_in_an_endless_row_end_the_process(
        start: Callable[[str], subprocess.Popen[str]]) -> None:
    code, log = ended(start("""
        def setup(self):
            self.create_timer(0.001, self.raises)
    """))
    assert code == BROKEN == 70
    assert f'call {ENDLESS}' in log and f'{ENDLESS} errors in a row' in log
    assert f'stopped after {ENDLESS} errors' in log


def test_a_node_that_cannot_even_stop_ends_all_the_same(
        start: Callable[[str], subprocess.Popen[str]]) -> None:
    code, log = ended(start("""
        def setup(self):
            pass

        def ended(self):
            return 75

        def stop(self):
            self.raises()
    """))
    assert code == 75 and 'cannot end cleanly: RuntimeError: call 1' in log


def test_present_objects_are_skipped_until_the_node_stops(
        start: Callable[[str], subprocess.Popen[str]]) -> None:
    code, log = ended(start("""
        def setup(self):
            skip_present_objects()
            self.say(f'skips many: {gc.get_freeze_count() > 10_000}')

        def stop(self):
            self.say(f'skips {gc.get_freeze_count()}')

        def ended(self):
            return 0
        """))
    assert code == 0 and 'skips many: True' in log and 'skips 0' in log
