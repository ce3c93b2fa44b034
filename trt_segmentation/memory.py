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
"""Memory that frames lie in, whoever provides it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

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
