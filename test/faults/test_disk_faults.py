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

"""A frame log whose disk is full: the file is given up, the frames are not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip('rclpy')

from faults.invariants import all_accounted_for, right_or_absent
from faults.numbered import numbered_image
from node_rig import camera_image, NODE
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import Image

from trt_segmentation.ros.frame_log import FrameLog

FULL = '/dev/full'
"""Opens, and has no room for a single byte."""

SUCCESS = TransitionCallbackReturn.SUCCESS


def first_line(rig: Any, images: Any, what: str) -> int:
    """Have the node write the first line, of one kind of frame; returns how many were sent."""
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
def test_frames_are_answered_with_one_warning(
        make_rig: Any, first: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Whichever thread finds out: the one that collects, that submits or the executor's."""
    rig = make_rig(f'frame_log:={FULL}')
    maps, images = rig.hear(Image, f'{NODE}/label_map'), rig.speaker(Image)
    sent = first_line(rig, images, first)
    for number in range(100, 120):
        images.publish(numbered_image(number))
        rig.until(lambda number=number: maps and maps[-1].header.stamp.nanosec == number)
    assert right_or_absent(maps)[-20:] == list(range(100, 120))
    assert all_accounted_for(rig).frames_in == sent + 20
    node = rig.node
    assert node.trigger_deactivate() == node.trigger_cleanup() == SUCCESS
    # not /rosout, which may still have lines of earlier nodes of that name
    (told,) = [line for line in capfd.readouterr().err.splitlines() if 'frame_log' in line]
    assert f'cannot write {FULL}: No space left on device.' in told
    assert node.start()  # and it is tried again


def test_a_file_that_is_given_up_is_closed_and_told_of_once() -> None:
    told: list[str] = []
    log = FrameLog(FULL, told.append)
    file = log._file
    assert log.on and file
    for number in range(3):
        log.answered('', number, {'total': 1.0})
        log.dropped('', number, 'superseded')
    assert not log.on and file.closed
    log.close()
    assert len(told) == 1


def test_an_error_that_comes_with_closing_is_told(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As network file systems have it, which write late."""
    told: list[str] = []
    log = FrameLog(str(tmp_path / 'frames.jsonl'), told.append)
    log.answered('front', 7, {'total': 1.0})
    file = log._file
    assert file
    close = file.close

    def fails() -> None:
        close()
        raise OSError(122, os.strerror(122))

    monkeypatch.setattr(file, 'close', fails)
    log.close()
    log.close()
    (text,) = told
    assert f'cannot write {tmp_path / "frames.jsonl"}: Disk quota exceeded.' in text
    assert json.loads((tmp_path / 'frames.jsonl').read_text())['stamp_ns'] == 7
