# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Output arrays with free bytes in front, so that a message header fits before the pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

HEADROOM = 512
"""Free bytes before every array: enough for a ROS image header, and whole cache lines."""


def allocate_output(shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
    """Allocate a C-contiguous array of undefined content that starts HEADROOM bytes in."""
    kind = np.dtype(dtype)
    memory = np.empty(HEADROOM + int(np.prod(shape)) * kind.itemsize, np.uint8)
    array: npt.NDArray[Any] = memory[HEADROOM:].view(kind).reshape(shape)
    return array
