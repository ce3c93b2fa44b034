# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Allocates and frees the GPU memory and the pinned host memory of one pipeline."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
import threading
from typing import Any

from cuda.bindings import driver
from cuda.core import Device
import numpy as np
import numpy.typing as npt

from ..engines.cuda_driver import call
from ..engines.nvidia_driver import ask_driver
from ..errors import EngineError, GpuError
from ..untrusted.terminal_text import count_noun

_lost: dict[int, str] = {}
"""Maps the index of a GPU to an error message, if this process can no longer use this GPU."""


@dataclass(frozen=True)
class Pinned:
    """A block of pinned host memory, which its :class:`GpuAllocator` frees.

    :param address: host address of the first byte.
    :param mapped: the address that kernels must use for the same byte.
    :param write_combined: see :meth:`GpuAllocator.allocate_pinned`.
    """

    address: int
    mapped: int
    nbytes: int
    write_combined: bool = False

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        """(nbytes,) uint8 view of the block. Do not use the view after the block is freed."""
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        array: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)
        return array


class GpuAllocator:
    """Owns memory on one GPU, and pinned host memory.

    A thread may call the methods after it has called :meth:`make_current`.

    :param gpu: index of the GPU in CUDA's order.
    :raises EngineError: if there is no driver or no such GPU, or if this GPU failed earlier in
        this process.
    """

    def __init__(self, gpu: int = 0) -> None:
        self.device = open_device(gpu)
        self._index = gpu
        self._gpu = call(driver.cuDeviceGet, gpu)
        self._context = call(driver.cuDevicePrimaryCtxRetain, self._gpu)
        self._lock = threading.Lock()
        self._pinned: dict[int, Pinned] = {}
        self._on_device: dict[int, int] = {}
        self._is_closed = False
        self.make_current()

    def make_current(self) -> None:
        """Make this GPU current in the calling thread. The call takes about a microsecond."""
        call(driver.cuCtxSetCurrent, self._context)

    def synchronize(self) -> None:
        """Wait until the GPU has finished all work of this process."""
        call(driver.cuCtxSynchronize)

    @property
    def device_bytes(self) -> int:
        """Bytes of GPU memory that this object has allocated."""
        return sum(self._on_device.values())

    @property
    def pinned_bytes(self) -> int:
        """Bytes of pinned host memory that this object has allocated."""
        return sum(block.nbytes for block in self._pinned.values())

    @property
    def used_bytes(self) -> int:
        """Bytes of GPU memory that all processes together use."""
        self.make_current()
        free, total = call(driver.cuMemGetInfo)
        return int(total - free)

    def allocate_pinned(self, nbytes: int, write_combined: bool = False) -> Pinned:
        """Allocate pinned host memory. Kernels can access this memory too.

        :param write_combined: whether the memory bypasses the CPU's caches. Choose True only if
            the CPU writes the memory from the first byte to the last, and never reads it. Writes
            are faster on some machines, but reads are about a hundred times slower. In our
            measurements, uploads to the GPU did not become faster.
        :raises GpuError: if no more memory can be pinned.
        """
        flags = driver.CU_MEMHOSTALLOC_PORTABLE | driver.CU_MEMHOSTALLOC_DEVICEMAP
        if write_combined:
            flags |= driver.CU_MEMHOSTALLOC_WRITECOMBINED
        address = int(call(driver.cuMemHostAlloc, nbytes, flags))
        block = Pinned(address, int(call(driver.cuMemHostGetDevicePointer, address, 0)), nbytes,
                       write_combined)
        with self._lock:
            self._pinned[address] = block
        return block

    def allocate_on_device(self, nbytes: int) -> int:
        """Allocate GPU memory, and return the address of its first byte, a multiple of 256.

        :raises GpuError: if the GPU has too little memory.
        """
        address = int(call(driver.cuMemAlloc, nbytes))
        with self._lock:
            self._on_device[address] = nbytes
        return address

    def free(self, block: Pinned | int) -> None:
        """Free pinned memory, or GPU memory at an address. The GPU must not use the memory."""
        with self._lock:
            if isinstance(block, Pinned):
                del self._pinned[block.address]
            else:
                del self._on_device[block]
        if isinstance(block, Pinned):
            call(driver.cuMemFreeHost, block.address)
        else:
            call(driver.cuMemFree, block)

    def mark_lost(self, error: GpuError) -> None:
        """Record a sticky error: an error after which this process cannot use the GPU any more.

        From now on, :func:`open_device` refuses the GPU. The process cannot replace the broken
        CUDA context, because other libraries use it too. No memory of this context can be freed.
        """
        _lost.setdefault(self._index, str(error))
        self._is_closed = True

    def close(self) -> None:
        """Free all memory. A second call or a call after :meth:`mark_lost` does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self.make_current()
        for pinned in list(self._pinned.values()):
            self.free(pinned)
        for address in list(self._on_device):
            self.free(address)
        call(driver.cuDevicePrimaryCtxRelease, self._gpu)


def open_device(gpu: int) -> Device:
    """Open a GPU. The parameter and the errors are the same as for :class:`GpuAllocator`."""
    if gpu in _lost:
        lost = EngineError(
            f'GPU {gpu} failed in this process ({_lost[gpu]}). CUDA cannot use this GPU again '
            f'before the process is restarted. A launch file with `respawn` restarts the process')
        lost.sticky = True
        raise lost
    try:
        call(driver.cuInit, 0)
        count = call(driver.cuDeviceGetCount)
    except (GpuError, RuntimeError) as error:
        # If the driver library is missing, cuda-python's message is long and names no cause.
        reason = ask_driver().why_not or str(error).rstrip('.')
        raise EngineError(
            f'no NVIDIA GPU can be used here: {reason}. `nvidia-smi` lists the '
            f'GPUs that the driver finds. If there is no GPU, use the engine '
            f'onnxruntime-cpu') from error
    if not 0 <= gpu < count:
        raise EngineError(f'`gpu` is {gpu}, but this machine has {count_noun(count, "GPU")}. '
                          'The index of the first GPU is 0')
    return Device(gpu)
