# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The frame log appends to its own files, refuses other files, and survives a full disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest
from serving.full_disk import fill_disk

from trt_segmentation.errors import FrameLogError
from trt_segmentation.serving.frame_log import FrameLog


def test_a_file_that_cannot_be_written_is_closed_and_reported_once(tmp_path: Path) -> None:
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


def test_an_error_of_close_is_reported(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network file system may report a failed write only when the file is closed."""
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
    """Return for each line 'opened' or the stamp of the frame."""
    return ['opened' if 'opened_ns' in entry else entry['stamp_ns']
            for entry in map(json.loads, path.read_text().splitlines())]


def keep(path: Path, *stamps: int) -> None:
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


def test_an_empty_file_that_a_full_disk_left_behind_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / 'frames.jsonl'
    code = ('import resource, sys\n'
            'from trt_segmentation.serving.frame_log import FrameLog\n'
            'resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n'
            'FrameLog(sys.argv[1], print).log_drop("", 1, "superseded")')
    done = subprocess.run([sys.executable, '-c', code, path], capture_output=True, text=True,
                          timeout=60, check=True)
    assert 'cannot write' in done.stdout and path.stat().st_size == 0
    inode = path.stat().st_ino
    keep(path, 1, 2)
    assert written(path) == ['opened', 1, 2] and path.stat().st_ino == inode


@pytest.mark.parametrize('what', ['words', 'fifo', 'link', 'dangling link', 'folder', 'device'])
def test_a_file_that_is_no_frame_log_is_refused_and_not_changed(tmp_path: Path, what: str) -> None:
    path, other = tmp_path / 'frames.jsonl', tmp_path / 'diary'
    other.write_text('dear diary\n')
    if what == 'words':
        path.write_text('dear diary\n')
    elif what == 'fifo':
        os.mkfifo(path)  # without a reader, opening a fifo for writing would block for ever
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
    """Standard output stays open after the log is closed."""
    keep(Path('/dev/stdout'), 1)
    print('still open', flush=True)
    opened, line, last = capfd.readouterr().out.splitlines()
    assert 'opened_ns' in json.loads(opened) and json.loads(line)['stamp_ns'] == 1
    assert last == 'still open'


def test_a_reader_that_reads_nothing_does_not_block_the_node() -> None:
    """The log is in another process. Nobody reads the pipe of its standard output."""
    code = ('from trt_segmentation.serving.frame_log import FrameLog\n'
            'import sys\n'
            'log = FrameLog("/dev/stdout", lambda text: print(text, file=sys.stderr))\n'
            'for number in range(3000):\n'
            '    log.log_drop("", number, "superseded")\n'
            'print(log.is_open, file=sys.stderr)')
    reader, writer = os.pipe()
    done = subprocess.run([sys.executable, '-c', code], stdout=writer, stderr=subprocess.PIPE,
                          text=True, timeout=60)
    os.close(reader)
    os.close(writer)
    warning, is_open = done.stderr.splitlines()[:2]
    assert 'cannot write /dev/stdout: the program that reads it is too slow.' in warning
    assert is_open == 'False'
