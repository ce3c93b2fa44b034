# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of a remote MCAP file are read without a copy of the file."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from recordings import compressed, FIRST, image_messages, Message, pictures, TOPIC, write_bag
from rosbags.rosbag2 import ReaderError

from trt_segmentation.bags.mcap_summary import count_images

fsspec = pytest.importorskip('fsspec', reason='the package fsspec is missing')
NAME = '/bucket/a.mcap'


def count(data: bytes, name: str = NAME) -> dict[str, int]:
    """Write a file to a file system in memory, and count its images."""
    fs = fsspec.filesystem('memory')
    fs.store.clear()
    fs.pipe(name, data)
    return dict(count_images(fs, name))


def test_only_the_summary_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jpeg = TOPIC + '/compressed'
    (file,) = write_bag(tmp_path / 'a', [
        *image_messages(pictures(9, 480, 640)),
        *(Message(jpeg, 'sensor_msgs/msg/CompressedImage', FIRST + n, compressed(
            pictures(1)[0], 'jpeg', FIRST + n)) for n in range(2)),
        Message('/text', 'std_msgs/msg/String', FIRST, b'\0\1\0\0\1\0\0\0\0')]).glob('*.mcap')
    memory_file = importlib.import_module('fsspec.implementations.memory').MemoryFile
    sizes: list[int] = []
    read = memory_file.read

    def read_and_count(self: object, size: int = -1) -> bytes:
        data: bytes = read(self, size)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(memory_file, 'read', read_and_count)
    assert count(file.read_bytes()) == {TOPIC: 9, jpeg: 2}
    assert 0 < sum(sizes) < 100_000 < file.stat().st_size / 50


def test_a_file_without_a_summary_is_not_scanned(tmp_path: Path) -> None:
    (file,) = write_bag(tmp_path / 'a', image_messages(pictures(9))).glob('*.mcap')
    data = bytearray(file.read_bytes())
    data[-28:-20] = bytes(8)        # the footer names no summary
    with pytest.raises(ReaderError, match=r'^an MCAP file has no summary$'):
        count(bytes(data))


@pytest.mark.parametrize(('name', 'reason'), [
    ('/bucket/a.db3', 'only an .mcap file has a summary'), (NAME, 'File magic is invalid.')])
def test_another_file_is_an_error(name: str, reason: str) -> None:
    with pytest.raises(ReaderError, match=f'^{reason}$'):
        count(b'x' * 99, name)
