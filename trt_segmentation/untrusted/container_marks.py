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
"""Number of bytes at the end of an MCAP file: the footer, which starts with the offset of the
summary section, and 8 magic bytes."""
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
        # The metadata of rosbag2 comes just before the summary.
        file.seek(-_MCAP_END, os.SEEK_END)
        summary = int.from_bytes(file.read(8), 'little')
        if summary <= size:
            file.seek(max(0, summary - _BAG_METADATA))
            return file.read(min(summary, _BAG_METADATA))
    if path.suffix == '.mp4':
        # The metadata is at the end of a complete file, or at the start of an incomplete file.
        file.seek(0)
        head = file.read(_MP4_METADATA)
        file.seek(max(0, size - _MP4_METADATA))
        return head + file.read(_MP4_METADATA)
    return b''
