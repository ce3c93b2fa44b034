# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the image topics of a remote MCAP file. Downloads only its beginning and its summary."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import Any

from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.storage_mcap import McapReader

from .reader import IMAGE_TYPES

_BLOCK = 1 << 16
"""One request reads at least this number of bytes."""


class _RemoteFile:
    """A remote file. rosbags opens it like a path."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path

    def open(self, mode: str) -> Any:
        return self._fs.open(self._path, mode, block_size=_BLOCK)


class _SummaryReader(McapReader):
    def meta_scan(self) -> None:    # rosbags would read the whole file
        raise ReaderError('an MCAP file has no summary')


def count_images(fs: Any, path: str) -> Counter[str]:
    """Return a mapping from each image topic to its number of messages.

    :param fs: file system of fsspec.
    :raises Exception: if the file cannot be read, or if it has no summary. Each file system
        has its own error classes.
    """
    if not path.endswith('.mcap'):
        raise ReaderError('only an .mcap file has a summary')
    reader = _SummaryReader(_RemoteFile(fs, path))  # type: ignore[arg-type]
    reader.open()
    counts: Counter[str] = Counter()
    with closing(reader):
        for connection in reader.connections:
            if connection.msgtype in IMAGE_TYPES:
                counts[connection.topic] += connection.msgcount
    return counts
