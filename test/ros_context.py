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

"""A ROS context of the test run's own; conftest.py of a folder imports the fixture."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import random
from typing import Any

import pytest

PROFILE = Path(__file__).parents[1] / 'config' / 'fastdds.xml'


@pytest.fixture(scope='session')
def ros() -> Iterator[Any]:
    """A ROS context on a domain of its own that stays on this machine."""
    rclpy = pytest.importorskip('rclpy')
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):
        os.environ[name] = str(PROFILE)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=random.randint(1, 100))
    yield context
    rclpy.shutdown(context=context)
