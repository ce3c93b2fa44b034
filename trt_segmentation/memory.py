# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Blocks of host memory for frames."""

from __future__ import annotations

from collections.abc import Callable
import ctypes
import mmap
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Memory(Protocol):
    """A block of host memory. The block exists as long as this object or its view exists.

    :class:`ArrayMemory` is an exception. The blocks of the GPU pipeline are pinned, so the GPU can
    read them without a copy.
    """

    address: int
    """Address of the first byte."""
    nbytes: int
    """Number of usable bytes, counted from :attr:`address`."""
    view: npt.NDArray[np.uint8]
    """(nbytes,) uint8, a writable view of the whole block. The view keeps the memory alive."""


Allocate = Callable[[int], Memory]
"""A function that allocates at least the given number of bytes.

If there is too little memory, the function raises MemoryError or a more specific error. The thread
that receives a message from the middleware calls the function. This thread holds Python's lock
(GIL) during the call.
"""


class PageMemory:
    """Page-aligned memory, filled with zeros. The memory is freed when no view of it exists."""

    def __init__(self, nbytes: int) -> None:
        self.view = np.frombuffer(mmap.mmap(-1, max(nbytes, 1)), np.uint8)
        self.address = int(self.view.ctypes.data)
        self.nbytes = self.view.nbytes


class ArrayMemory:
    """The memory of an array and of the free bytes before the array.

    :param pixels: a C-contiguous array. The caller must keep a reference to the array while this
        object or its view is used.
    :param headroom: number of free bytes directly before the array, in the same memory block.
    """

    def __init__(self, pixels: npt.NDArray[Any], headroom: int) -> None:
        self.address = int(pixels.ctypes.data) - headroom
        self.nbytes = headroom + pixels.nbytes
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        self.view: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)
