# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The script docs/recipes/node_control.py controls a node in another process."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import runpy
import subprocess
import sys
from typing import Any

import pytest

pytest.importorskip('rclpy')

from node_processes import Process

SCRIPT = Path(__file__).parents[2] / 'docs' / 'recipes' / 'node_control.py'


@pytest.fixture
def node(ros: Any) -> Iterator[Process]:
    """Yield a node that is unconfigured."""
    started = Process('node', ros.get_domain_id(), '-p', 'autostart:=false')
    yield started
    started.kill()


def test_the_script_reads_sets_and_changes_the_state(ros: Any, node: Process) -> None:
    def control(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True,
                              timeout=120, check=False, env={
                                  **os.environ, 'ROS_DOMAIN_ID': str(ros.get_domain_id())})
        # The middleware of Kilted writes a warning about the variable of its profile.
        errors = [line for line in done.stderr.splitlines() if 'rmw_fastrtps' not in line]
        return done.returncode, done.stdout.strip(), '\n'.join(errors)

    assert control('get', 'alpha') == (0, '0.5', '')
    assert control('set', 'alpha', '0.25') == (0, '', '')
    assert control('--node', 'trt_segmentation', 'get', 'alpha') == (0, '0.25', '')
    assert control('set', 'alpha', '7.0') == (
        1, '', 'alpha: the value is 7.0; expected a double from 0 to 1')
    assert control('get', 'beta') == (1, '', 'The node /trt_segmentation has no parameter beta.')
    code, _, refusal = control('set', 'alpha', '{a: 1}')
    assert (code, refusal.splitlines()[-1].partition('VALUE: ')[2]) == (
        2, '{a: 1} is no YAML number, text, list, true or false')
    assert control('lifecycle', 'activate') == (
        1, '', 'The transition activate failed. The log of the node /trt_segmentation says why.')
    assert control('lifecycle', 'configure') == (0, '', '')
    assert control('lifecycle', 'cleanup') == (0, '', '')


def test_a_node_that_does_not_answer_is_named(ros: Any) -> None:
    script = runpy.run_path(str(SCRIPT))
    ask = script['ask']
    ask.__globals__['WAIT'] = 0.1
    with pytest.raises(SystemExit) as caught:
        script['rclpy'].init(args=[], domain_id=ros.get_domain_id())
        try:
            ask('/absent', 'get_parameters', script['GetParameters'], names=['alpha'])
        finally:
            script['rclpy'].shutdown()
    assert str(caught.value).startswith('The node /absent did not answer within 0.1 s. Check that')
