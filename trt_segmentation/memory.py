# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks of host memory for frames, and settings of malloc for freed memory."""

from __future__ import annotations

from collections.abc import Callable
import ctypes
import mmap
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGEST_BLOCK = 32 << 20
"""Size in bytes of the largest block that malloc keeps. glibc does not accept a larger size."""
ARENAS = 2
"""Number of malloc's arenas. An arena is a part of malloc's memory that has its own lock."""


class Memory(Protocol):
    """A block of host memory. The block exists as long as this object or its view exists.

    :class:`ArrayMemory` is an exception: its caller must keep the block alive. The blocks of
    the GPU pipeline are pinned, so the GPU can read them without a copy.
    """

    address: int
    """Address of the first byte."""
    nbytes: int
    """Number of usable bytes, counted from :attr:`address`."""
    view: npt.NDArray[np.uint8]
    """(nbytes,) uint8, a writable view of the whole block. The view keeps the memory
    alive, except the view of an :class:`ArrayMemory`."""


Allocate = Callable[[int], Memory]
"""A function that allocates at least the given number of bytes.

If there is too little memory, the function raises MemoryError or a more specific error. Any thread
may call the function. For example, the executor's thread calls it to receive an image.
"""


def place_bytes(data: npt.NDArray[np.uint8], allocate: Allocate) -> npt.NDArray[np.uint8]:
    """Copy (n,) uint8 bytes into new memory, and return a view of the copy."""
    place = allocate(data.size).view[:data.size]
    np.copyto(place, data)
    return place


class PageMemory:
    """Page-aligned memory, filled with zeros. The memory is freed when no view of it exists."""

    def __init__(self, nbytes: int) -> None:
        self.view = np.frombuffer(mmap.mmap(-1, max(nbytes, 1)), np.uint8)
        self.address = int(self.view.ctypes.data)
        self.nbytes = self.view.nbytes


class ArrayMemory:
    """The memory of an array, and of the free bytes directly before the array.

    A publisher can write the header of a message into the free bytes. Then it publishes the header
    and the array without a copy.

    :param pixels: a C-contiguous array. The caller must keep a reference to the array while this
        object or its view is used.
    :param headroom: number of the free bytes. They belong to the same memory block as the array.
    """

    def __init__(self, pixels: npt.NDArray[Any], headroom: int) -> None:
        self.address = int(pixels.ctypes.data) - headroom
        self.nbytes = headroom + pixels.nbytes
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        self.view: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)


def limit_arenas() -> None:
    """Let all threads of the process share a few arenas. Call this function before threads start.

    By default, glibc makes up to eight arenas for each core. A new thread may get any arena, and
    an arena keeps memory that its thread has freed. So a process that starts new threads again
    and again would grow for a long time.
    """
    if mallopt := _libc('mallopt'):
        mallopt(M_ARENA_MAX, ARENAS)


def keep_freed_memory() -> bool:
    """Let malloc keep freed blocks for later use. Return False if malloc refuses this.

    By default, glibc's malloc often gets new pages from the kernel for a large image, and gives
    the pages back when the image is freed. The sizes of the blocks freed so far decide this. The
    kernel clears each new page. When rclpy copies a ROS image, this clearing takes most of the
    time. While malloc gives pages back, the thread holds Python's lock (GIL). This function lets
    malloc keep blocks smaller than :data:`LARGEST_BLOCK`. Only glibc's malloc can do this.
    """
    mallopt = _libc('mallopt')
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK)
                and mallopt(M_TRIM_THRESHOLD, 1 << 30))


def give_back_freed_memory() -> None:
    """Return freed memory to the system. Otherwise malloc would keep some of it."""
    if trim := _libc('malloc_trim'):
        trim(0)


def _libc(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
