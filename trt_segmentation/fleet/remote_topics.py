# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the image topics of a remote bag without a copy of the bag.

An MCAP file has a summary at its end. Only this summary and the first bytes of the file are read.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import PurePosixPath
import re
from typing import Any

from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.storage_mcap import McapReader

from ..bags.reader import IMAGE_TYPES
from ..errors import SourceError
from ..video.source import VIDEO_SUFFIXES
from .recordings import open_filesystem, Recording, shorten_error

_BLOCK = 1 << 16
"""One request reads at least this number of bytes."""


class _RemoteFile:
    """A remote file. rosbags opens it like a path."""

    def __init__(self, fs: Any, path: str) -> None:
        self._fs, self._path = fs, path

    def open(self, mode: str) -> Any:
        return self._fs.open(self._path, mode, block_size=_BLOCK)


class _SummaryReader(McapReader):
    def meta_scan(self) -> None:
        raise ReaderError('an MCAP file has no summary')


def read_remote_topics(recording: Recording) -> dict[str, int]:
    """Return a mapping from each image topic to its number of messages; empty for a video.

    :raises SourceError: if the topics cannot be read without a copy.
    """
    try:
        fs, root = open_filesystem(recording.url)
        if PurePosixPath(root).suffix.lower() in VIDEO_SUFFIXES:
            return {}
        files = [file for file in fs.find(root) or [root] if re.search(r'\.(mcap|db3)', file)]
        counts: Counter[str] = Counter()
        for file in files:
            if not file.endswith('.mcap'):
                raise ReaderError('only an .mcap file has a summary')
            reader = _SummaryReader(_RemoteFile(fs, file))  # type: ignore[arg-type]
            reader.open()
            with closing(reader):
                for connection in reader.connections:
                    if connection.msgtype in IMAGE_TYPES:
                        counts[connection.topic] += connection.msgcount
    except Exception as error:      # each object store has its own error classes
        raise SourceError(shorten_error(error)) from error
    return dict(counts)
