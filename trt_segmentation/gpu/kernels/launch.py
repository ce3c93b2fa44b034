# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One launch of a CUDA kernel."""

from __future__ import annotations

import ctypes
from typing import Any

from cuda.bindings import driver

from ...engines.cuda_driver import call


class Launch:
    """One kernel launch.

    :param params: all parameters of the kernel, as one structure in host memory. After
        :meth:`enqueue`, the caller may change the structure.
    """

    def __init__(self, params: ctypes.Structure) -> None:
        self.params: Any = params
        self.function: Any = None
        self.grid = self.block = (1, 1, 1)
        self._pointers = (ctypes.c_void_p * 1)(ctypes.addressof(params))

    @property
    def pointers(self) -> int:
        """Host address of the array that holds the host address of :attr:`params`."""
        return ctypes.addressof(self._pointers)

    def enqueue(self, stream: int) -> None:
        """Launch the kernel on a stream."""
        call(driver.cuLaunchKernel, self.function, *self.grid, *self.block, 0, stream,
             self.pointers, 0)
