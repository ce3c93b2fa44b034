# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A frame log whose disk is full."""

from __future__ import annotations

import os

from trt_segmentation.serving.frame_log import FrameLog


def fill_disk(log: FrameLog) -> None:
    """Leave no room for a single byte more."""
    assert log._file
    full = os.open('/dev/full', os.O_WRONLY)
    os.dup2(full, log._file.fileno())
    os.close(full)
