# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
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
