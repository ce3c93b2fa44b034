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

"""Arrays that a message's header fits in front of."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

HEADROOM = 512
"""Bytes before every array; what a ROS image's header needs, and a whole number of cache lines."""


def output(shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
    """C-contiguous array of undefined content, HEADROOM bytes into memory of its own."""
    kind = np.dtype(dtype)
    memory = np.empty(HEADROOM + int(np.prod(shape)) * kind.itemsize, np.uint8)
    array: npt.NDArray[Any] = memory[HEADROOM:].view(kind).reshape(shape)
    return array
