# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Memory that frames lie in, whoever provides it."""

from __future__ import annotations

from collections.abc import Callable
import ctypes
import mmap
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Memory(Protocol):
    """A block of host memory that stays where it is while this object or its view lives.

    What the GPU pipeline gives here is pinned, so that the GPU can read it without a copy.
    """

    address: int
    """Address of the first byte."""
    nbytes: int
    """Bytes usable from there on."""
    view: npt.NDArray[np.uint8]
    """(nbytes,) uint8 over all of it, writable; keeps the memory alive."""


Allocate = Callable[[int], Memory]
"""Allocate at least so many bytes, or raise: MemoryError, or whatever says best why not.

It is called in the middle of a take, in the thread that takes and with the GIL held.
"""


class PageMemory:
    """Page-aligned memory, zero-filled and given back when nothing refers to its view."""

    def __init__(self, nbytes: int) -> None:
        self.view = np.frombuffer(mmap.mmap(-1, max(nbytes, 1)), np.uint8)
        self.address = int(self.view.ctypes.data)
        self.nbytes = self.view.nbytes


class ArrayMemory:
    """The memory of an array and the room before it; does not keep it alive.

    :param pixels: C-contiguous.
    :param headroom: bytes before its first one that belong to the same memory.
    """

    def __init__(self, pixels: npt.NDArray[Any], headroom: int) -> None:
        self.address = int(pixels.ctypes.data) - headroom
        self.nbytes = headroom + pixels.nbytes
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        self.view: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)
