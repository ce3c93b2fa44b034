# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Memory that messages are taken into and published from."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from ..memory import Allocate, Memory

__all__ = ['Allocate', 'ArrayMemory', 'Memory', 'PageMemory']


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
