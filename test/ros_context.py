# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS context of the test run's own; conftest.py of a folder imports the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import random
import tempfile
from typing import Any

from filelock import FileLock, Timeout
import pytest

DOMAINS = range(215, 230)
"""Above those that demo, benchmarks and launch tests pick at random (1 to 100), and with ports
that Linux hands out to nobody else."""

PROFILE = Path(__file__).parents[1] / 'config' / 'fastdds.xml'


@contextmanager
def own_domain() -> Iterator[int]:
    """A domain that no other test run on this machine uses meanwhile."""
    for domain in random.sample(DOMAINS, len(DOMAINS)):
        lock = FileLock(Path(tempfile.gettempdir()) / f'trt_segmentation_domain_{domain}.lock')
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        try:
            yield domain
        finally:
            lock.release()
        return
    raise RuntimeError(f'all ROS domains from {DOMAINS[0]} to {DOMAINS[-1]} are taken by other '
                       f'test runs')


@pytest.fixture(scope='session')
def ros() -> Iterator[Any]:
    """A ROS context on a domain of its own that stays on this machine."""
    rclpy = pytest.importorskip('rclpy')
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        os.environ[name] = str(PROFILE)
    context = rclpy.Context()
    with own_domain() as domain:
        rclpy.init(context=context, domain_id=domain)
        yield context
        rclpy.shutdown(context=context)
