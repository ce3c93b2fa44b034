# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``running`` ends its process at the end of the ``with`` block."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from trt_segmentation.commands.demo import node_process
from trt_segmentation.commands.demo.node_process import ros_arguments, running

WAITS = 'import time; print("up", flush=True); time.sleep(60)'
DEAF = f'import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {WAITS}'


def up(process: subprocess.Popen[bytes]) -> bool:
    assert process.stdout
    return process.stdout.readline() == b'up\n'


def test_it_is_interrupted_when_the_block_ends() -> None:
    with running([sys.executable, '-c', WAITS], stdout=subprocess.PIPE,
                 stderr=subprocess.DEVNULL) as process:
        assert up(process) and process.poll() is None
    assert process.returncode == -signal.SIGINT


def test_a_process_that_ignores_the_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_process, 'END_SECONDS', 0.2)
    with running([sys.executable, '-c', DEAF], stdout=subprocess.PIPE) as process:
        assert up(process)
    assert process.returncode == -signal.SIGKILL


def test_one_that_has_ended_keeps_its_exit_code() -> None:
    with running([sys.executable, '-c', 'raise SystemExit(3)']) as process:
        process.wait(60)
    assert process.returncode == 3


def test_the_process_ends_if_the_block_raises() -> None:
    with pytest.raises(KeyError), running([sys.executable, '-c', WAITS], stdout=subprocess.PIPE,
                                          stderr=subprocess.DEVNULL) as process:
        assert up(process)
        raise KeyError
    assert process.returncode == -signal.SIGINT


def test_parameters_on_the_command_line() -> None:
    assert ros_arguments({'engine': 'auto', 'gpu': 1}) == [
        '--ros-args', '-p', 'engine:=auto', '-p', 'gpu:=1']
