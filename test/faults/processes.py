# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Start modules of this folder as processes and kill them when a test is over."""

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
IMPORT_PATH = os.pathsep.join([str(TEST), str(TEST.parent)])
"""PYTHONPATH of a process that imports this folder and the package."""


def start(module: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, '-m', f'faults.{module}', *map(str, arguments)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': IMPORT_PATH, **environment})


@contextmanager
def running(ros: Any, module: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run ``faults.<module>`` in the test's ROS domain. Kill it at the end of the block."""
    process = start(module, *arguments, ROS_DOMAIN_ID=str(ros.get_domain_id()))
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with SIGKILL and remove the shared memory that it leaves behind."""
    segments = mapped_segments(process.pid) if process.poll() is None else set()
    process.kill()
    process.communicate()
    for segment in segments:
        remove_if_unowned(segment)


def mapped_segments(pid: int) -> set[Path]:
    """Return the segments of Fast DDS that a process has mapped, but not those of its ports."""
    try:
        lines = Path(f'/proc/{pid}/maps').read_text().splitlines()
    except OSError:  # the process has ended
        return set()
    found = {line.split()[-1] for line in lines if '/dev/shm/fastrtps_' in line}
    return {Path(name) for name in found if '_port' not in name}


def remove_if_unowned(segment: Path) -> None:
    """If the owner of a segment was killed, remove the segment. Fast DDS has a tool for this."""
    lock = segment.with_name(f'{segment.name}_el')
    with suppress(OSError), lock.open() as file:  # flock fails if the owner still runs
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment.unlink()
        lock.unlink()
