# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run nodes in separate processes, hidden from other machines and other ROS systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
import random
import signal
import subprocess
from types import FrameType
from typing import Any

from ...installed.files import PROFILES, share_path

END_SECONDS = 10.0
"""Seconds that a process has to end after SIGINT; then it is killed."""


def keep_to_this_machine() -> None:
    """Set a random ROS domain and the DDS profile, unless the user has set them."""
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    for name in PROFILES:
        os.environ.setdefault(name, str(share_path('config', 'fastdds.xml')))


def ros_arguments(parameters: dict[str, object]) -> list[str]:
    """Return the command-line arguments that give a node its parameters."""
    return ['--ros-args', *(part for name, value in parameters.items()
                            for part in ('-p', f'{name}:={value}'))]


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP (the terminal was closed) into SystemExit in the block.

    So processes that :func:`running` started end too. The exit code is 128 + signal. A signal that
    is ignored, for example by nohup, stays ignored. Main thread only.
    """
    def end(number: int, _: FrameType | None) -> None:
        for other in before:        # a terminal and its shell may each send a signal
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: found for number in (signal.SIGTERM, signal.SIGHUP)
              if (found := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process for the time of the block, then stop it if it still runs.

    The process gets SIGINT, as from Ctrl-C. If it does not end within :data:`END_SECONDS`, it is
    killed.

    :param options: options of subprocess.Popen.
    """
    process: subprocess.Popen[bytes] = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
