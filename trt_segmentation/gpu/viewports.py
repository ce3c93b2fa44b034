# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the arrays of viewports in GPU memory.

A viewport is the part of an image that the network sees; see :mod:`trt_segmentation.viewport`.
"""

from __future__ import annotations

from typing import NamedTuple
import weakref

from cuda.bindings import driver
import numpy as np
import numpy.typing as npt

from ..engines.cuda_driver import call
from ..viewport import Viewport
from .allocator import GpuAllocator


class ViewportArrays(NamedTuple):
    """GPU addresses of a viewport's arrays.

    :param hidden: address of the mask of hidden pixels; 0 if the viewport has no mask.
    :param lookup: address of the table for rectification; 0 if the viewport has no table.
    """

    hidden: int = 0
    lookup: int = 0


class Viewports:
    """Copies the arrays of each viewport to the GPU once.

    Before a copy, the arrays of viewports that no longer exist are freed. The GPU no longer reads
    these arrays, because each batch keeps its viewports until the batch is done. Only one thread
    may call :meth:`find`. The CUDA context of the GPU must be current in this thread.

    :param stream: CUDA stream for the copies.
    """

    def __init__(self, memory: GpuAllocator, stream: int) -> None:
        self._memory = memory
        self._stream = stream
        self._arrays: weakref.WeakKeyDictionary[Viewport, ViewportArrays] = (
            weakref.WeakKeyDictionary())
        self._unused: list[ViewportArrays] = []

    def find(self, viewport: Viewport | None) -> ViewportArrays:
        """Return the addresses of a viewport's arrays. Copy the arrays of a new viewport.

        :raises GpuError: if the GPU has too little memory.
        """
        if viewport is None:
            return ViewportArrays()
        if (known := self._arrays.get(viewport)) is not None:
            return known
        self._free_unused()
        arrays = ViewportArrays(self._copy(viewport.hidden), self._copy(viewport.lookup))
        call(driver.cuStreamSynchronize, self._stream)
        self._arrays[viewport] = arrays
        weakref.finalize(viewport, self._unused.append, arrays).atexit = False
        return arrays

    def _copy(self, array: npt.NDArray[np.uint8] | npt.NDArray[np.float32] | None) -> int:
        if array is None:
            return 0
        address = self._memory.allocate_on_device(array.nbytes)
        call(driver.cuMemcpyHtoDAsync, address, array.ctypes.data, array.nbytes, self._stream)
        return address

    def _free_unused(self) -> None:
        while self._unused:
            for address in filter(None, self._unused.pop()):
                self._memory.free(address)
