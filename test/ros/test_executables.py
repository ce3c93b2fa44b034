# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The installed commands seg_node and street_camera: what they say without ROS, and their ends."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from trt_segmentation.node_process import ros_arguments

pytest.importorskip('rclpy', reason='needs ROS 2')


def start(command: str, *arguments: str, without: str = '', **environment: str
          ) -> subprocess.CompletedProcess[str]:
    """Run an entry point as pip's script does, with a module missing where one is named."""
    code = (f'import sys\n{f"sys.modules[{without!r}] = None" if without else ""}\n'
            f'from trt_segmentation.ros.executables import {command}\nsys.exit({command}())')
    return subprocess.run(
        [sys.executable, '-c', code, *arguments], text=True, capture_output=True, timeout=100,
        check=False, env={**os.environ, 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
                          'ROS_DOMAIN_ID': str(random.randrange(1, 100)), **environment})


@pytest.mark.parametrize('command', ['seg_node', 'street_camera'])
def test_without_ros_one_line_says_what_to_install(command: str) -> None:
    done = start(command, without='rclpy')
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert 'needs the Python module rclpy' in done.stderr and 'setup.bash' in done.stderr


def test_a_refused_parameter_is_the_exit_code() -> None:
    done = start('seg_node', '--ros-args', '-p', 'alpha:=7.0')
    assert done.returncode == 2 and 'alpha' in done.stderr


def test_where_ros_does_not_start_one_line_says_why() -> None:
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
