# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Simulates a full disk for a frame log."""

from __future__ import annotations

import os

from trt_segmentation.serving.frame_log import FrameLog


def fill_disk(log: FrameLog) -> None:
    """Let every further write to the file of the log fail."""
    assert log._file
    full = os.open('/dev/full', os.O_WRONLY)
    os.dup2(full, log._file.fileno())
    os.close(full)
