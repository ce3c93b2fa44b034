# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Device memory and pinned host memory: one owner, one close."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
import logging
import threading
from typing import Any

from cuda.bindings import driver
from cuda.core import Device
import numpy as np
import numpy.typing as npt

from ..engines.cuda_driver import call
from ..errors import EngineError, GpuError

log = logging.getLogger(__name__)

_lost: dict[int, str] = {}
"""GPUs this process cannot use any more, and the error that was the end."""


@dataclass(frozen=True)
class Pinned:
    """Host memory the GPU reaches by DMA, and kernels at ``mapped``; freed by its owner.

    :param address: first byte.
    :param mapped: the same byte as kernels address it.
    :param write_combined: see :meth:`GpuAllocator.pinned`.
    """

    address: int
    mapped: int
    nbytes: int
    write_combined: bool = False

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        """(nbytes,) uint8 view; must not outlive the memory."""
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        array: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)
        return array


class GpuAllocator:
    """Everything a pipeline has allocated, on one GPU and in host memory pinned for it.

    Any thread may call, once it has called :meth:`enter`.

    :param gpu: index of the GPU as CUDA counts.
    :raises EngineError: when there is no driver or no such GPU.
    """

    def __init__(self, gpu: int = 0) -> None:
        self.device = open_device(gpu)
        self._index = gpu
        self._gpu = call(driver.cuDeviceGet, gpu)
        self._context = call(driver.cuDevicePrimaryCtxRetain, self._gpu)
        self._lock = threading.Lock()
        self._pinned: dict[int, Pinned] = {}
        self._on_device: dict[int, int] = {}
        self._closed = False
        self.enter()

    def enter(self) -> None:
        """Make this GPU the calling thread's; costs about a microsecond."""
        call(driver.cuCtxSetCurrent, self._context)

    def synchronize(self) -> None:
        """Wait until the GPU has done everything this process gave it."""
        call(driver.cuCtxSynchronize)

    @property
    def device_bytes(self) -> int:
        """Bytes allocated here on the GPU."""
        return sum(self._on_device.values())

    @property
    def pinned_bytes(self) -> int:
        """Bytes allocated here in pinned host memory."""
        return sum(block.nbytes for block in self._pinned.values())

    @property
    def used_bytes(self) -> int:
        """Bytes in use on the GPU, by every process there."""
        self.enter()
        free, total = call(driver.cuMemGetInfo)
        return int(total - free)

    def pinned(self, nbytes: int, write_combined: bool = False) -> Pinned:
        """Allocate pinned host memory that kernels reach too; its pages are touched already.

        :param write_combined: bypass the CPU's caches: for memory the CPU only writes, in
            order, as it reads it about a hundred times slower. Whether writing gets faster
            depends on the machine; uploads measured no faster.
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

    def on_device(self, nbytes: int) -> int:
        """Allocate GPU memory; the address of its first byte, aligned to 256."""
        address = int(call(driver.cuMemAlloc, nbytes))
        with self._lock:
            self._on_device[address] = nbytes
        return address

    def free(self, block: Pinned | int) -> None:
        """Free what :meth:`pinned` or :meth:`on_device` gave; the GPU must be done with it."""
        with self._lock:
            if isinstance(block, Pinned):
                del self._pinned[block.address]
            else:
                del self._on_device[block]
        if isinstance(block, Pinned):
            call(driver.cuMemFreeHost, block.address)
        else:
            call(driver.cuMemFree, block)

    def lose(self, error: GpuError) -> None:
        """Note a sticky error: from now on this process cannot use the GPU.

        CUDA has no way back within a process, as other libraries hold the broken context too;
        nothing can be freed on it, and opening the GPU again says so.
        """
        _lost.setdefault(self._index, str(error))
        self._closed = True

    def close(self) -> None:
        """Free everything; a second call does nothing, nor one after :meth:`lose`."""
        if self._closed:
            return
        self._closed = True
        self.enter()
        for pinned in list(self._pinned.values()):
            self.free(pinned)
        for address in list(self._on_device):
            self.free(address)
        call(driver.cuDevicePrimaryCtxRelease, self._gpu)


def open_device(gpu: int) -> Device:
    """The GPU of that index.

    :raises EngineError: saying whether it is the driver or the index that is missing, or that
        the GPU failed in this process before.
    """
    if gpu in _lost:
        lost = EngineError(
            f'GPU {gpu} failed in this process ({_lost[gpu]}), and CUDA cannot be used on it '
            f'again before the process is restarted (a launch file does that with '
            f'respawn: true)')
        lost.sticky = True
        raise lost
    try:
        call(driver.cuInit, 0)
        count = call(driver.cuDeviceGetCount)
    except (GpuError, RuntimeError) as error:
        raise EngineError(
            f'no NVIDIA GPU can be used here: {str(error).rstrip(".")}. `nvidia-smi` shows what '
            f'the driver sees; without a GPU use engine: onnxruntime-cpu') from error
    if not 0 <= gpu < count:
        raise EngineError(f'gpu: {gpu}, but this machine has {count}, counted from 0')
    return Device(gpu)
