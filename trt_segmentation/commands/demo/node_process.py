# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes in processes of their own, on this machine and to themselves."""

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
"""How long a process may take to end after SIGINT before it is killed."""


def keep_to_this_machine() -> None:
    """Set a domain of its own and the DDS profile, unless the user has set them otherwise."""
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randrange(1, 100)))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    for name in PROFILES:
        os.environ.setdefault(name, str(share_path('config', 'fastdds.xml')))


def ros_arguments(parameters: dict[str, object]) -> list[str]:
    """What gives a node its parameters on the command line."""
    return ['--ros-args', *(part for name, value in parameters.items()
                            for part in ('-p', f'{name}:={value}'))]


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a closed terminal) end the block as an error would.

    So processes that :func:`running` started end too. The exit code is 128 + the signal. A
    signal that is ignored, as by nohup, stays ignored. Main thread only.
    """
    def end(number: int, _: FrameType | None) -> None:
        for other in before:        # a terminal and its shell each send one
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
    """Run a process while the block lasts; then SIGINT, as Ctrl-C would, if it still runs.

    :param options: of subprocess.Popen.
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
