# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Pinned host memory that camera messages are received into."""

from __future__ import annotations

import ctypes
import logging
import threading
from typing import Any
import weakref

import numpy as np
import numpy.typing as npt

from .allocator import GpuAllocator, Pinned

log = logging.getLogger(__name__)


class InputBuffer:
    """One camera message in pinned memory, on loan from an :class:`InputPool`.

    A frame whose data lies in :attr:`array`, at any offset, is uploaded from there without a
    copy. Who took the buffer calls :meth:`release` when it has no more use for it, which may
    be right after ``submit``: the pipeline holds what it reads until it has answered.
    """

    def __init__(self, pool: InputPool, block: Pinned) -> None:
        self._pool = pool
        self.block = block
        self.holders = 0

    @property
    def address(self) -> int:
        """First byte."""
        return self.block.address

    @property
    def capacity(self) -> int:
        """Bytes there are."""
        return self.block.nbytes

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        """(capacity,) uint8 view, until :meth:`reallocate` or the pipeline's close."""
        return self.block.array

    def holds(self, address: int) -> bool:
        """Whether an address lies in it."""
        return self.block.address <= address < self.block.address + self.block.nbytes

    def reallocate(self, nbytes: int) -> None:
        """Grow to at least that many bytes, elsewhere; what it held is kept.

        Only for who took it, before any frame in it was submitted.
        """
        self._pool.grow(self, nbytes)

    def hold(self) -> None:
        """Keep it from being lent again until one more :meth:`release`."""
        self._pool.hold(self)

    def release(self) -> None:
        """Give it back; the memory stays and is lent again."""
        self._pool.give_back(self)


class LentMemory:
    """A buffer of the pool as :class:`trt_segmentation.memory.Memory`.

    It goes back to the pool when nothing refers to its view any more.
    """

    def __init__(self, buffer: InputBuffer) -> None:
        self.address, self.nbytes = buffer.address, buffer.capacity
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        # the memory under every view, so that a view of the view keeps it too
        weakref.finalize(block, buffer.release).atexit = False
        self.view: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)


class InputPool:
    """Lends pinned buffers and keeps them; grows visibly, never shrinks. Any thread may call.

    :param write_combined: see :meth:`trt_segmentation.gpu.allocator.GpuAllocator.pinned`; until
        :meth:`cache` is called.
    """

    def __init__(self, memory: GpuAllocator, write_combined: bool = False) -> None:
        self._memory = memory
        self._write_combined = write_combined
        # a buffer may come back by the garbage collector, in the middle of anything here
        self._lock = threading.RLock()
        self._buffers: list[InputBuffer] = []

    def take(self, nbytes: int) -> InputBuffer:
        """Lend a buffer of at least that many bytes, the one given back last if it will do.

        :raises GpuError: when no more memory can be pinned.
        """
        with self._lock:
            free = [b for b in self._buffers if not b.holders]
            fitting = [b for b in free if b.capacity >= nbytes
                       and b.block.write_combined == self._write_combined]
            if fitting:
                buffer = fitting[-1]
                self._buffers.remove(buffer)
                self._buffers.append(buffer)
            elif free:
                buffer = free[-1]
                self._grow(buffer, nbytes, keep=False)
            else:
                buffer = InputBuffer(self, self._allocate(nbytes))
                self._buffers.append(buffer)
                log.info('input buffer %d: %d bytes pinned', len(self._buffers), buffer.capacity)
            buffer.holders = 1
            return buffer

    def allocate(self, nbytes: int) -> LentMemory:
        """As :meth:`take`, given back when nothing refers to the memory any more."""
        return LentMemory(self.take(nbytes))

    def cache(self) -> None:
        """Lend ordinary pinned memory from now on, as the CPU has to read what comes."""
        with self._lock:
            if self._write_combined:
                self._write_combined = False
                log.info('input buffers are cached from now on: frames are decoded on the CPU')

    def holding(self, address: int) -> InputBuffer | None:
        """The lent buffer an address lies in, if any."""
        with self._lock:
            for buffer in self._buffers:
                if buffer.holders and buffer.holds(address):
                    return buffer
        return None

    def hold(self, buffer: InputBuffer) -> None:
        """See :meth:`InputBuffer.hold`."""
        with self._lock:
            buffer.holders += 1

    def give_back(self, buffer: InputBuffer) -> None:
        """See :meth:`InputBuffer.release`."""
        with self._lock:
            if not buffer.holders:
                raise ValueError('an input buffer was released more often than held')
            buffer.holders -= 1

    def grow(self, buffer: InputBuffer, nbytes: int) -> None:
        """See :meth:`InputBuffer.reallocate`."""
        with self._lock:
            if buffer.holders != 1:
                raise ValueError(
                    f'an input buffer with {buffer.holders} holders cannot move; reallocate it '
                    f'before a frame in it is submitted')
            if nbytes > buffer.capacity:
                self._grow(buffer, nbytes, keep=True)

    def _grow(self, buffer: InputBuffer, nbytes: int, keep: bool) -> None:
        old, new = buffer.block, self._allocate(nbytes)
        if keep:
            new.array[:old.nbytes] = old.array
        buffer.block = new
        self._memory.free(old)
        log.info('input buffer grown from %d to %d bytes', old.nbytes, new.nbytes)

    def _allocate(self, nbytes: int) -> Pinned:
        # whole megabytes, so that a message a few bytes longer needs no other memory
        self._memory.enter()
        return self._memory.pinned(-(-max(nbytes, 1) // 2**20) * 2**20, self._write_combined)
