# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Controls what glibc's malloc does with freed memory. Other C libraries stay unchanged."""

from __future__ import annotations

import ctypes
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST_BLOCK = 32 << 20
"""Size in bytes of the largest block that malloc keeps. glibc does not accept a larger size."""

ARENAS = 2
"""Number of malloc's arenas. An arena is memory for which a thread needs one lock."""


def limit_arenas() -> None:
    """Let all threads of this process share a few arenas. Call this before threads are started.

    By default, glibc makes up to eight arenas for each core. A new thread may get any arena, and
    an arena keeps memory that its thread has freed. So a process that starts new threads again
    and again would grow for a long time.
    """
    if mallopt := _libc('mallopt'):
        mallopt(M_ARENA_MAX, ARENAS)


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
