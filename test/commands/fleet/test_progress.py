# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The progress of a run as text."""

from __future__ import annotations

from trt_segmentation.commands.fleet.progress import describe_status
from trt_segmentation.fleet.schedule import FleetStatus


def test_the_status_is_one_line() -> None:
    status = FleetStatus(3, 9, 0, 400, 85.25, 4, 4, 3725.0)
    assert describe_status(status) == '85.2 frames/s, 4 of 4 workers busy, 1:02:05 left'
    status = FleetStatus(0, 0, 7, 0, 0.0, 0, 2, None)
    assert describe_status(status) == (
        '0.0 frames/s, 0 of 2 workers busy, 7 recordings not yet divided into shards')
