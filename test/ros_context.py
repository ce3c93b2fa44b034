# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS context for this test run. The conftest.py of a folder imports the fixture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import random
import socket
from typing import Any

import pytest

DOMAINS = range(215, 230)
"""Demo, benchmarks and launch tests use domains from 1 to 100. The ports of the domains here are
not among the ports that Linux assigns on its own."""

PROFILE = Path(__file__).parents[1] / 'config' / 'fastdds.xml'


@contextmanager
def own_domain() -> Iterator[int]:
    """Reserve a domain that no other test run on this machine uses at the same time.

    A bound port is the lock, because test runs share a domain if they share the loopback device.
    They need not share a folder for temporary files. The port is the last one before the ports of
    the domain.
    """
    for domain in random.sample(DOMAINS, len(DOMAINS)):
        with socket.socket() as lock:
            try:
                lock.bind(('127.0.0.1', 7400 + 250 * domain - 1))
            except OSError:  # another test run has bound the port
                continue
            yield domain
            return
    raise RuntimeError(f'other test runs use all ROS domains from {DOMAINS[0]} to '
                       f'{DOMAINS[-1]}; wait for one to end')


@pytest.fixture(scope='session')
def ros() -> Iterator[Any]:
    """Yield a ROS context in a reserved domain. Discovery covers only this machine."""
    rclpy = pytest.importorskip('rclpy')
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        os.environ[name] = str(PROFILE)
    context = rclpy.Context()
    with own_domain() as domain:
        rclpy.init(context=context, domain_id=domain)
        yield context
        rclpy.shutdown(context=context)
