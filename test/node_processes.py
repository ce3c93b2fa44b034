# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ROS processes whose log a test can read, and a node in the process of the test."""

from __future__ import annotations

from collections.abc import Callable
import os
import subprocess
import sys
import time
from typing import Any

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node


class Process:
    """A ROS process. A test can wait for a text in its log."""

    def __init__(self, module: str, domain: int, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, '-m', f'trt_segmentation.ros.{module}', '--ros-args', *arguments],
            stderr=subprocess.PIPE, text=True, env={**os.environ, 'ROS_DOMAIN_ID': str(domain)})
        self.log = ''

    def until(self, text: str) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self.log += line
            if text in line:
                return
        pytest.fail(f'no {text!r} in:\n{self.log}')

    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, *signals: int) -> None:
        for number in signals:
            self._process.send_signal(number)

    def ended(self, timeout: float) -> int:
        """Wait for the end and return the exit code. Fail after ``timeout`` seconds."""
        _, rest = self._process.communicate(timeout=timeout)
        self.log += rest
        return self._process.returncode

    def kill(self) -> None:
        if self.running():
            self._process.kill()
            self._process.communicate()


class Peer:
    """A node in the process of the test. Its executor also runs the ``others``."""

    def __init__(self, context: Any, *others: Node) -> None:
        self.node = Node('peer', context=context)
        self._executor = SingleThreadedExecutor(context=context)
        for node in (self.node, *others):
            self._executor.add_node(node)

    def until(self, what: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 60
        while not what():
            assert time.monotonic() < deadline, 'the condition did not become true'
            self._executor.spin_once(timeout_sec=0.05)

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Call a service of another process and return the response.

        The client can find the service before the service finds the client. The response to an
        early request is then lost, so this function sends the request again each second.
        """
        client = self.node.create_client(kind, service)
        self.until(client.service_is_ready)
        futures: list[Any] = []
        due = 0.0

        def answered() -> bool:
            nonlocal due
            if time.monotonic() >= due:
                futures.append(client.call_async(request))
                due = time.monotonic() + 1.0
            return any(future.done() for future in futures)

        self.until(answered)
        self.node.destroy_client(client)
        return next(future.result() for future in futures if future.done())

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
