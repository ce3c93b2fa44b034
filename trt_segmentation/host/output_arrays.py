# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Output arrays with free bytes before the pixels. A message header fits into these bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

HEADROOM = 512
"""Number of free bytes before every array. The pixels after these bytes are aligned."""


def allocate_output(shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
    """Allocate a C-contiguous array of undefined values, after HEADROOM free bytes."""
    kind = np.dtype(dtype)
    memory = np.empty(HEADROOM + int(np.prod(shape)) * kind.itemsize, np.uint8)
    array: npt.NDArray[Any] = memory[HEADROOM:].view(kind).reshape(shape)
    return array
