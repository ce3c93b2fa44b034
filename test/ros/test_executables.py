# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The commands seg_node and street_camera: their messages without ROS, and their exit codes."""

from __future__ import annotations

from importlib import import_module
import os
import random
import re
import subprocess
import sys

import pytest

from trt_segmentation.commands.demo.node_process import ros_arguments
from trt_segmentation.installed.version import version

pytest.importorskip('rclpy', reason='needs ROS 2')

from trt_segmentation.ros import executables
from trt_segmentation.serving.stopping import BROKEN, GPU_LOST


def start(command: str, *arguments: str, without: str = '', **environment: str
          ) -> subprocess.CompletedProcess[str]:
    """Run an entry point as pip's script does. The module ``without`` cannot be imported."""
    code = (f'import sys\n{f"sys.modules[{without!r}] = None" if without else ""}\n'
            f'from trt_segmentation.ros.executables import {command}\nsys.exit({command}())')
    return subprocess.run(
        [sys.executable, '-c', code, *arguments], text=True, capture_output=True, timeout=100,
        check=False, env={**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
                          'ROS_DOMAIN_ID': str(random.randrange(1, 100)), **environment})


@pytest.mark.parametrize('command', ['seg_node', 'street_camera'])
def test_without_ros_one_line_says_what_to_install(command: str) -> None:
    done = start(command, without='rclpy')
    assert (done.returncode, done.stdout) == (2, '')
    (line,) = done.stderr.splitlines()
    assert line.startswith(f'{command}: error: ') and 'rclpy' in line and 'setup.bash' in line
    assert "pip install 'ros-jazzy-rclpy[fastrtps]' ros-jazzy-sensor-msgs" in line


@pytest.mark.parametrize('without', ['', 'rclpy'])
@pytest.mark.parametrize('command', ['seg_node', 'street_camera'])
def test_help_says_how_to_start_it(command: str, without: str) -> None:
    done = start(command, '--help', without=without)
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.startswith(f'usage: {command} ')
    assert f'{command} --ros-args -p ' in done.stdout and 'exit codes:' in done.stdout
    table = import_module('trt_segmentation.ros.' + (
        'parameters.table' if command == 'seg_node' else command))
    listed = re.findall(r'^  (\w+):=', done.stdout, re.MULTILINE)
    assert listed == ([] if without else [setting.name for setting in table.SETTINGS])
    assert 'rclpy is missing' in done.stdout if without else ':=\n' not in done.stdout
    assert (f'  {GPU_LOST}   only a new process' in done.stdout) == (command == 'seg_node')
    assert f'  {BROKEN}   too many errors in a row' in done.stdout
    assert all(len(line) <= 99 for line in done.stdout.splitlines())


@pytest.mark.parametrize('command', ['seg_node', 'street_camera'])
def test_an_unknown_argument_is_refused(command: str) -> None:
    done = start(command, 'seed:=2', '--ros-args', '-p', 'x:=1', '--', without='rclpy')
    assert (done.returncode, done.stdout) == (2, '')
    (line,) = done.stderr.splitlines()
    assert "unknown argument 'seed:=2'" in line and f'{command} --ros-args -p seed:=2' in line


@pytest.mark.parametrize('arguments', [
    ['-r', '__node:=other', 'alpha:=0.5'], ['alpha:=0.5', '-p', 'gpu:=0'],
    ['--disable-rosout-logs', 'alpha:=0.5'], ['-p', 'gpu:=0', '--', '--ros-args', 'alpha:=0.5']])
def test_a_parameter_without_its_option_is_refused(arguments: list[str]) -> None:
    done = start('seg_node', '--ros-args', *arguments, without='rclpy')
    assert (done.returncode, done.stdout) == (2, '')
    (line,) = done.stderr.splitlines()
    assert "unknown argument 'alpha:=0.5'" in line and 'seg_node --ros-args -p alpha:=0.5' in line


def test_an_option_that_ros_does_not_know_is_refused() -> None:
    done = start('seg_node', '--ros-args', '--params', 'seg.yaml')
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if 'cannot start' in line]
    assert "ROS does not know the arguments '--params', 'seg.yaml'. Use --help" in line


def test_version_needs_no_ros() -> None:
    done = start('seg_node', '--version', without='rclpy')
    assert done.stdout == f'seg_node {version()}\n'


def test_a_refused_parameter_gives_the_exit_code() -> None:
    done = start('seg_node', '--ros-args', '-p', 'alpha:=7.0')
    assert done.returncode == 2 and 'alpha' in done.stderr


def test_if_ros_does_not_start_one_line_says_why() -> None:
    done = start('seg_node', ROS_SECURITY_ENABLE='true', ROS_SECURITY_STRATEGY='Enforce',
                 ROS_SECURITY_KEYSTORE='/nowhere')
    assert done.returncode == 2 and 'Traceback' not in done.stderr
    (line,) = done.stderr.splitlines()
    assert 'cannot start' in line and '/nowhere/enclaves' in line


def test_a_camera_that_is_done_ends_with_0() -> None:
    parameters: dict[str, object] = {
        'width': 64, 'height': 64, 'loop': 1, 'count': 2, 'fps': 50.0}
    done = start('street_camera', *ros_arguments(parameters))
    assert done.returncode == 0 and '2 frames published' in done.stderr


def test_ctrl_c_during_the_imports_prints_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(executables, 'import_module', interrupt)
    monkeypatch.setattr(sys, 'argv', ['seg_node'])
    assert executables.seg_node() == 0


def test_a_street_camera_that_cannot_start_is_named_in_the_log() -> None:
    done = start('street_camera', '--ros-args', '-p', 'fps:=-1.0')
    # The middleware of Kilted may add lines of its own.
    (line,) = [line for line in done.stderr.splitlines() if 'cannot start' in line]
    assert done.returncode == 2 and '[street_camera]: cannot start: ' in line and 'fps' in line
