# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the part of an MCAP or MP4 file that can hold the marker of trt_segmentation.

The marker is a text. A file with this text was written by trt_segmentation.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_MCAP_END = 20 + 8
"""Number of bytes from the footer to the end of an MCAP file. The footer starts with the offset of
the summary section. The last 8 bytes are the magic bytes."""
_BAG_METADATA = 1 << 20
"""In an MCAP file, the marker is searched for in this number of bytes before the summary."""
_MP4_METADATA = 4096
"""In an MP4 file, the marker is searched for in this number of bytes at each end of the file."""


def read_metadata(file: BinaryIO, path: Path) -> bytes:
    """Return the metadata bytes of an .mcap or .mp4 file; empty for any other file.

    :param file: the file, opened from ``path``.
    :raises OSError: if the file cannot be read.
    """
    size = path.stat().st_size
    if path.suffix == '.mcap' and size >= _MCAP_END:
        return _read_mcap(file, size)
    if path.suffix == '.mp4':
        # A complete file has its metadata at the end. An incomplete file has its metadata at the
        # beginning.
        file.seek(0)
        head = file.read(_MP4_METADATA)
        file.seek(max(0, size - _MP4_METADATA))
        return head + file.read(_MP4_METADATA)
    return b''


def _read_mcap(file: BinaryIO, size: int) -> bytes:
    """Return the bytes before the summary. These bytes hold the metadata of rosbag2."""
    file.seek(-_MCAP_END, os.SEEK_END)
    summary = int.from_bytes(file.read(8), 'little')
    if summary > size:
        return b''
    file.seek(max(0, summary - _BAG_METADATA))
    return file.read(min(summary, _BAG_METADATA))
