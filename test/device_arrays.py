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

"""Arrays on the GPU for tests: each exactly as large as what it holds, poisoned where written."""

from __future__ import annotations

from contextlib import contextmanager

from cuda.bindings import driver
import numpy as np

from trt_segmentation.gpu.driver import call

POISON = 0xA5


class DeviceArrays:
    """Allocates on the current GPU and frees all at the end."""

    def __init__(self, memory):
        self._memory = memory
        self._addresses = []

    def send(self, array, offset=0):
        """Address of a copy of an array's bytes, that many bytes after an aligned one."""
        data = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
        address = self.room(data.nbytes + offset) + offset
        call(driver.cuMemcpyHtoD, address, data.ctypes.data, data.nbytes)
        return address

    def room(self, nbytes):
        """Address of poisoned memory."""
        address = self._memory.on_device(nbytes)
        self._addresses.append(address)
        call(driver.cuMemsetD8, address, POISON, nbytes)
        return address

    def fetch(self, address, shape, dtype):
        """Wait for the GPU and copy an array back."""
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
