# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A frame log on a full disk, and a path that is no frame log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy')

from faults.invariants import check_label_maps, wait_for_counts
from faults.numbered import numbered_image
from node_rig import camera_image, NODE
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image
from serving.full_disk import fill_disk

SUCCESS = TransitionCallbackReturn.SUCCESS


def first_line(rig: Any, images: Any, what: str) -> int:
    """Make the node log a first frame with this result. Return the number of sent images."""
    if what == 'bad frame':
        images.publish(camera_image(encoding='none'))
        rig.until(lambda: rig.snapshot().dropped == {what: 1})
        return 1
    if what == 'superseded':
        rig.pipeline.gate.clear()
    sent = 3 if what == 'superseded' else 1
    for number in range(sent):
        images.publish(numbered_image(number))
        rig.until(lambda number=number: rig.snapshot().frames_in == number + 1)
    rig.until(lambda: rig.snapshot().frames_out or rig.snapshot().dropped)
    rig.pipeline.gate.set()
    return sent


@pytest.mark.parametrize('first', ['answered', 'bad frame', 'superseded'])
def test_on_a_full_disk_frames_are_answered_with_one_warning(
        make_rig: Any, first: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each first frame causes the error in another thread: collecting, submitting, executor."""
    path = tmp_path / 'frames.jsonl'
    rig = make_rig(f'frame_log:={path}')
    fill_disk(rig.node._frame_log)
    maps, images = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    sent = first_line(rig, images, first)
    for number in range(100, 120):
        images.publish(numbered_image(number))
        rig.until(lambda number=number: maps and maps[-1].header.stamp.nanosec == number)
    assert check_label_maps(maps)[-20:] == list(range(100, 120))
    assert wait_for_counts(rig).frames_in == sent + 20
    node = rig.node
    assert node.trigger_deactivate() == node.trigger_cleanup() == SUCCESS
    # read stderr, because /rosout may contain lines of earlier nodes with the same name
    (told,) = [line for line in capfd.readouterr().err.splitlines() if 'frame_log' in line]
    assert f'cannot write {path}: No space left on device.' in told
    assert node.start()
    assert node._frame_log.is_open


def test_a_frame_log_that_is_refused_fails_configure_in_one_line(
        make_rig: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    rig = make_rig(f'frame_log:={tmp_path / "pipe"}', start=False)
    assert rig.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert rig.node.trouble.startswith('cannot configure: frame_log: cannot use ')
