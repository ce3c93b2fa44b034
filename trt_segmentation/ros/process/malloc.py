# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What glibc's malloc does with large blocks that were freed; nothing where it is not glibc."""

from __future__ import annotations

import ctypes
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 32 << 20
"""Bytes that malloc may keep instead of giving them back; it takes no larger threshold."""


def keep_freed_memory() -> bool:
    """Let this process keep freed blocks for the next time; False where it cannot be told.

    Most of what a typed image costs is the kernel clearing fresh pages for it, every time, and
    the arrays of the host pipeline are no different.
    """
    mallopt = _libc('mallopt')
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
                and mallopt(M_TRIM_THRESHOLD, 1 << 30))


def give_back_freed_memory() -> None:
    """Return to the system what a network has freed; without it some of it stays for long."""
    if trim := _libc('malloc_trim'):
        trim(0)


def _libc(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
