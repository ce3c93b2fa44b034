# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The schedule counts the frames that are left."""

from __future__ import annotations

from trt_segmentation.fleet.recordings import Recording
from trt_segmentation.fleet.schedule import Schedule
from trt_segmentation.fleet.shards import Shard

DRIVE = Recording('drive', 'file:///drive', '1', 9)


def test_processed_frames_of_a_shard_are_not_left() -> None:
    schedule = Schedule()
    schedule.add([Shard(DRIVE, '', number, 0, 9, 30) for number in range(2)])
    assert schedule.open_frames == 60
    task = schedule.take(1)
    schedule.count_frames(1, 10)
    schedule.count_frames(1, 5)
    assert schedule.open_frames == 45
    schedule.count_frames(1, 99)    # the number of frames of a shard is only an estimate
    assert schedule.open_frames == 30
    assert schedule.finish(1) == task and task and schedule.retry(task, False)
    assert schedule.open_frames == 60
    schedule.take(1)
    assert schedule.open_frames == 60
