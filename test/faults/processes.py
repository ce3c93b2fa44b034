# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of this folder's own modules, each told to end or killed when a test is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import fcntl
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

TEST = Path(__file__).parents[1]


@contextmanager
def running(ros: Any, module: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run ``faults.<module>`` on the test's domain while the block lasts, then kill it.

    It reads its standard input, and its standard output can be read.
    """
    process = subprocess.Popen(
        [sys.executable, '-m', f'faults.{module}', *map(str, arguments)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, 'ROS_DOMAIN_ID': str(ros.get_domain_id()),
             'PYTHONPATH': os.pathsep.join([str(TEST), str(TEST.parent)])})
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """End it as ``kill -9`` does and remove what shared memory it leaves; twice does nothing."""
    segments = mapped_segments(process.pid) if process.poll() is None else set()
    process.kill()
    process.communicate()
    for segment in segments:
        remove_if_nobodys(segment)


def mapped_segments(pid: int) -> set[Path]:
    """The middleware's shared memory segments that a process has mapped, but for its ports."""
    try:
        lines = Path(f'/proc/{pid}/maps').read_text().splitlines()
    except OSError:  # it has ended
        return set()
    found = {line.split()[-1] for line in lines if '/dev/shm/fastrtps_' in line}
    return {Path(name) for name in found if '_port' not in name}


def remove_if_nobodys(segment: Path) -> None:
    """Remove a segment whose owner was killed: Fast DDS leaves it for ``fastdds shm clean``."""
    lock = segment.with_name(f'{segment.name}_el')
    with suppress(OSError), lock.open() as file:  # the owner holds it while it lives
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment.unlink()
        lock.unlink()
