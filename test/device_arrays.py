# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays on the GPU for tests. Output memory is filled with 0xA5 before a kernel writes."""

from __future__ import annotations

from contextlib import contextmanager

from cuda.bindings import driver
import numpy as np

from trt_segmentation.engines.cuda_driver import call

POISON = 0xA5


class DeviceArrays:
    """Allocates arrays of exact sizes on the current GPU, and frees all of them."""

    def __init__(self, memory):
        self._memory = memory
        self._addresses = []

    def send(self, array, offset=0):
        """Copy an array to ``offset`` bytes after an aligned address. Return its address."""
        data = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        address = self.room(data.nbytes + offset) + offset
        call(driver.cuMemcpyHtoD, address, data.ctypes.data, data.nbytes)
        return address

    def room(self, nbytes):
        """Allocate memory, fill it with POISON, and return its address."""
        address = self._memory.allocate_on_device(nbytes)
        self._addresses.append(address)
        call(driver.cuMemsetD8, address, POISON, nbytes)
        return address

    def fetch(self, address, shape, dtype):
        """Wait for the GPU, and return a copy of an array on the GPU."""
        array = np.empty(shape, dtype)
        self._memory.synchronize()
        call(driver.cuMemcpyDtoH, array.ctypes.data, address, array.nbytes)
        return array

    def free(self):
        for address in self._addresses:
            self._memory.free(address)


@contextmanager
def device_arrays(memory):
    arrays = DeviceArrays(memory)
    try:
        yield arrays
    finally:
        memory.synchronize()
        arrays.free()
