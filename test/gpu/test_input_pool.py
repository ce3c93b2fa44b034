# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""An input buffer is free after its last holder has released it. These tests need no GPU."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip('cuda.core', reason='needs cuda-python (pip install cuda-core[cu13])')

from trt_segmentation.gpu.allocator import Pinned
from trt_segmentation.gpu.input_pool import InputPool

MIB = 2**20


class HostMemory:
    """Stands for a GpuAllocator, but its memory is not pinned."""

    def __init__(self):
        self.blocks: dict[int, Any] = {}

    def make_current(self):
        pass

    def allocate_pinned(self, nbytes, write_combined=False):
        array = np.zeros(nbytes, np.uint8)
        self.blocks[array.ctypes.data] = array
        return Pinned(array.ctypes.data, array.ctypes.data, nbytes, write_combined)

    def free(self, block):
        del self.blocks[block.address]


@pytest.fixture
def memory() -> Any:
    return HostMemory()


def test_a_buffer_is_lent_again_after_its_last_release(memory):
    pool = InputPool(memory)
    buffer = pool.take(100)
    buffer.add_holder()
    buffer.release()
    ends = (buffer.address, buffer.address + buffer.capacity - 1)
    assert [pool.find_buffer(address) for address in ends] == [buffer, buffer]
    assert pool.find_buffer(ends[0] - 1) is pool.find_buffer(ends[1] + 1) is None
    assert pool.is_lending and pool.take(100) is not buffer
    buffer.release()
    assert pool.find_buffer(ends[0]) is None
    with pytest.raises(ValueError, match='has no holder'):
        buffer.release()
    assert pool.take(100) is buffer and len(memory.blocks) == 2


def test_only_the_one_holder_of_a_buffer_can_reallocate_it(memory):
    pool = InputPool(memory)
    buffer = pool.take(3)
    buffer.array[:3] = 1, 2, 3
    buffer.reallocate(MIB + 1)
    assert buffer.capacity == 2 * MIB and list(buffer.array[:4]) == [1, 2, 3, 0]
    assert list(memory.blocks) == [buffer.address]
    address = buffer.address
    buffer.reallocate(MIB)
    assert (buffer.address, buffer.capacity) == (address, 2 * MIB)
    buffer.add_holder()
    with pytest.raises(ValueError, match='with 2 holders cannot be reallocated'):
        buffer.reallocate(3 * MIB)


def test_a_free_buffer_that_is_too_small_grows_without_its_content(memory):
    pool = InputPool(memory)
    buffer = pool.take(1)
    buffer.array[:] = 7
    buffer.release()
    assert pool.take(MIB + 1) is buffer
    assert buffer.capacity == 2 * MIB and not buffer.array.any()


def test_allocated_memory_is_released_with_its_last_view(memory):
    pool = InputPool(memory)
    lent = pool.allocate(10)
    view = lent.view[2:5]
    del lent
    assert pool.is_lending
    del view
    assert not pool.is_lending
