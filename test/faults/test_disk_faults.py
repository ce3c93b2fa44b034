# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A frame log whose disk is full, or whose path is of something else."""

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

from trt_segmentation.errors import FrameLogError
from trt_segmentation.serving.frame_log import FrameLog

SUCCESS = TransitionCallbackReturn.SUCCESS


def fill_disk(log: FrameLog) -> None:
    """From now on there is no room for a single byte."""
    assert log._file
    full = os.open('/dev/full', os.O_WRONLY)
    os.dup2(full, log._file.fileno())
    os.close(full)


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
        make_rig: Any, first: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whichever thread finds out: the one that collects, that submits or the executor's."""
    path = tmp_path / 'frames.jsonl'
    rig = make_rig(f'frame_log:={path}')
    fill_disk(rig.node._frame_log)
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
    assert f'cannot write {path}: No space left on device.' in told
    assert node.start()  # and it is tried again
    assert node._frame_log.is_open


def test_a_file_that_is_given_up_is_closed_and_told_of_once(tmp_path: Path) -> None:
    told: list[str] = []
    log = FrameLog(str(tmp_path / 'frames.jsonl'), told.append)
    fill_disk(log)
    file = log._file
    assert log.is_open and file
    for number in range(3):
        log.log_segmentation('', number, {'total': 1.0})
        log.log_drop('', number, 'superseded')
    assert not log.is_open and file.closed
    log.close()
    assert len(told) == 1


def test_an_error_that_comes_with_closing_is_told(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As network file systems have it, which write late."""
    told: list[str] = []
    log = FrameLog(str(tmp_path / 'frames.jsonl'), told.append)
    log.log_segmentation('front', 7, {'total': 1.0})
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
    _, line = (tmp_path / 'frames.jsonl').read_text().splitlines()
    assert json.loads(line)['stamp_ns'] == 7


def written(path: Path) -> list[Any]:
    """What each line of a frame log says: 'opened', or the stamp of a frame."""
    return ['opened' if 'opened_ns' in entry else entry['stamp_ns']
            for entry in map(json.loads, path.read_text().splitlines())]


def keep(path: Path, *stamps: int) -> None:
    """Write a frame log with a line for each stamp."""
    log = FrameLog(str(path), pytest.fail)
    for stamp in stamps:
        log.log_drop('', stamp, 'superseded')
    log.close()


def test_a_frame_log_starts_a_new_file_and_goes_on_in_one_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / 'frames.jsonl'
    keep(path, 1, 2)
    assert written(path) == ['opened', 1, 2]
    keep(path, 3)
    assert written(path) == ['opened', 1, 2, 'opened', 3]


def test_a_frame_log_that_a_killed_process_left_goes_on_in_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / 'frames.jsonl'
    keep(path, 1)
    with path.open('a') as file:
        file.write('{"stamp_ns": 2, "do')
    keep(path, 3)
    lines = path.read_text().splitlines()
    assert lines[2] == '{"stamp_ns": 2, "do' and len(lines) == 5
    assert json.loads(lines[4])['stamp_ns'] == 3


@pytest.mark.parametrize('what', ['words', 'empty', 'fifo', 'link', 'dangling link', 'folder',
                                  'device'])
def test_what_is_no_frame_log_is_refused_and_left_as_it_is(tmp_path: Path, what: str) -> None:
    path, other = tmp_path / 'frames.jsonl', tmp_path / 'diary'
    other.write_text('dear diary\n')
    if what in ('words', 'empty'):
        path.write_text('dear diary\n' if what == 'words' else '')
    elif what == 'fifo':
        os.mkfifo(path)  # nobody reads it: opening it for writing would wait for ever
    elif what in ('link', 'dangling link'):
        path.symlink_to(other if what == 'link' else tmp_path / 'absent')
    elif what == 'folder':
        path.mkdir()
    else:
        path = Path('/dev/null')
    before = path.lstat()
    with pytest.raises(FrameLogError, match=f'cannot use {path}: .*; name a new file'):
        FrameLog(str(path), pytest.fail)
    assert path.lstat().st_mtime_ns == before.st_mtime_ns
    assert other.read_text() == 'dear diary\n' and not (tmp_path / 'absent').exists()


@pytest.mark.parametrize(('place', 'words'), [
    ('absent/frames.jsonl', 'No such file'), ('nul\0', 'null byte')])
def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path, place: str, words: str) -> None:
    with pytest.raises(FrameLogError, match=f'frame_log: cannot open .*{words}'):
        FrameLog(f'{tmp_path}/{place}', pytest.fail)


def test_a_frame_log_may_go_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """Which stays open when the log is closed."""
    keep(Path('/dev/stdout'), 1)
    print('still open', flush=True)
    opened, line, last = capfd.readouterr().out.splitlines()
    assert 'opened_ns' in json.loads(opened) and json.loads(line)['stamp_ns'] == 1
    assert last == 'still open'


def test_a_frame_log_that_is_refused_fails_configure_in_one_line(
        make_rig: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    rig = make_rig(f'frame_log:={tmp_path / "pipe"}', start=False)
    assert rig.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert rig.node.trouble.startswith('cannot configure: frame_log: cannot use ')
