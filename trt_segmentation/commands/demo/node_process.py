# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run ROS nodes in separate processes that other machines and ROS systems cannot see."""

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
"""A process that still runs this many seconds after SIGINT is killed."""


def keep_to_this_machine() -> None:
    """Set environment variables that keep ROS on this machine, unless the user has set them."""
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
    """Raise SystemExit inside the ``with`` block if SIGTERM or SIGHUP comes.

    The exception also ends the processes of :func:`running`. The exit code is 128 + signal number.
    A signal that this process already ignores, for example under nohup, stays ignored. Only the
    main thread may call this function.
    """
    def end(number: int, _: FrameType | None) -> None:
        # Ignore a second signal: the terminal and its shell may each send a signal.
        for other in before:
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
    """Run a process during the ``with`` block, and then stop it with SIGINT, as Ctrl-C does.

    :param command: program and arguments.
    :param options: keyword arguments of subprocess.Popen.
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
