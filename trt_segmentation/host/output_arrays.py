# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Output arrays with free bytes before the pixels, so that a message header fits there."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

HEADROOM = 512
"""Free bytes before every array: room for a ROS image header, in whole cache lines."""


def allocate_output(shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
    """Allocate a C-contiguous array of undefined content, with HEADROOM free bytes before it."""
    kind = np.dtype(dtype)
    memory = np.empty(HEADROOM + int(np.prod(shape)) * kind.itemsize, np.uint8)
    array: npt.NDArray[Any] = memory[HEADROOM:].view(kind).reshape(shape)
    return array
