# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of remote bags are read without a copy of the bags."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from recordings import compressed, FIRST, image_messages, Message, pictures, TOPIC, write_bag

from trt_segmentation.errors import SourceError
from trt_segmentation.fleet.recordings import find_recordings
from trt_segmentation.fleet.remote_topics import read_remote_topics


def upload(path: Path, name: str) -> None:
    """Copy a file or a folder to a folder in memory that has nothing else."""
    store = fsspec.filesystem('memory')
    store.store.clear()
    store.put(str(path), f'/bucket/{name}', recursive=path.is_dir())


def read(name: str) -> dict[str, int]:
    (recording,) = find_recordings([f'memory://bucket/{name}'])
    return read_remote_topics(recording)


@pytest.mark.parametrize('is_folder', [True, False])
def test_the_summary_of_an_mcap_file_has_the_topics(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_folder: bool) -> None:
    jpeg = TOPIC + '/compressed'
    path = write_bag(tmp_path / 'a', [
        *image_messages(pictures(40, 480, 640)),
        *(Message(jpeg, 'sensor_msgs/msg/CompressedImage', FIRST + n, compressed(
            pictures(1)[0], 'jpeg', FIRST + n)) for n in range(2)),
        Message('/text', 'std_msgs/msg/String', FIRST, b'\0\1\0\0\1\0\0\0\0')])
    (file,) = path.glob('*.mcap')
    upload(path if is_folder else file, 'a' if is_folder else 'a.mcap')
    read_bytes: list[int] = []
    real = fsspec.implementations.memory.MemoryFile.read
    monkeypatch.setattr(fsspec.implementations.memory.MemoryFile, 'read', lambda self, size=-1: (
        read_bytes.append(size), real(self, size))[1])
    assert read('a' if is_folder else 'a.mcap') == {TOPIC: 40, jpeg: 2}
    assert 0 < sum(read_bytes) < 5000 < file.stat().st_size / 1000


def test_a_video_has_no_topics(tmp_path: Path) -> None:
    (tmp_path / 'a.mp4').write_bytes(b'1')
    upload(tmp_path / 'a.mp4', 'a.mp4')
    assert read('a.mp4') == {}


@pytest.mark.parametrize(('name', 'reason'), [
    ('a.db3', 'only an .mcap file has a summary'), ('a.mcap', 'File magic is invalid')])
def test_a_bag_without_a_summary_is_an_error(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).write_bytes(b'x' * 99)
    upload(tmp_path / name, name)
    with pytest.raises(SourceError, match=rf'^{reason}$'):
        read(name)


def test_a_file_that_was_cut_off_is_not_scanned(tmp_path: Path) -> None:
    """An MCAP file without its summary can only be read from its start to its end."""
    (file,) = write_bag(tmp_path / 'a', image_messages(pictures(9))).glob('*.mcap')
    data = bytearray(file.read_bytes())
    data[-28:-20] = bytes(8)        # the footer names no summary
    file.write_bytes(data)
    upload(file, 'a.mcap')
    with pytest.raises(SourceError, match='an MCAP file has no summary'):
        read('a.mcap')
