# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Controls what glibc's malloc does with freed memory. Other C libraries stay unchanged."""

from __future__ import annotations

import ctypes
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_BLOCK = 32 << 20
"""Size in bytes of the largest block that malloc keeps. glibc does not accept a larger size."""


def keep_freed_memory() -> bool:
    """Let this process keep freed blocks for later use. Returns False if that is not possible.

    By default, malloc gets new pages from the kernel for each typed image, and for each array of
    the host pipeline. The kernel clears these pages. For a typed image, this takes most of the
    time.
    """
    mallopt = _libc('mallopt')
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
                and mallopt(M_TRIM_THRESHOLD, 1 << 30))


def give_back_freed_memory() -> None:
    """Return freed memory to the system. Otherwise malloc would keep some of it."""
    if trim := _libc('malloc_trim'):
        trim(0)


def _libc(name: str) -> Any:
    """Return a function of the C library. None if there is no such function."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
