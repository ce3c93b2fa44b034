# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Pinned host memory that receives camera messages."""

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
    """Pinned memory for one camera message. An :class:`InputPool` lends this memory.

    If the data of a frame lies anywhere in :attr:`array`, the GPU reads the frame there without a
    copy. A holder is code that still needs the buffer. While the buffer has a holder, the pool
    does not lend it again. The borrower is the first holder. The borrower must call
    :meth:`release` once, and may do so right after ``submit``. The pipeline is a second holder
    from ``submit`` until the frame's batch is collected.
    """

    def __init__(self, pool: InputPool, block: Pinned) -> None:
        self._pool = pool
        self.block = block
        self.holders = 0

    @property
    def address(self) -> int:
        """Host address of the first byte."""
        return self.block.address

    @property
    def capacity(self) -> int:
        """Size in bytes."""
        return self.block.nbytes

    @property
    def array(self) -> npt.NDArray[np.uint8]:
        """(capacity,) uint8 view. Do not use an old view after a call of :meth:`reallocate`."""
        return self.block.array

    def reallocate(self, nbytes: int) -> None:
        """Move the content into new memory with at least this many bytes.

        Only the borrower may call this method, and only before a frame in the buffer is submitted.

        :raises ValueError: if the buffer has more than one holder.
        """
        with self._pool.lock:
            if self.holders != 1:
                raise ValueError(
                    f'an input buffer with {self.holders} holders cannot be reallocated. Call '
                    f'reallocate() before a frame in this buffer is submitted')
            if nbytes > self.capacity:
                self._pool.grow(self, nbytes, keep=True)

    def add_holder(self) -> None:
        """Add a holder. The buffer then needs one more :meth:`release` before it is free."""
        with self._pool.lock:
            self.holders += 1

    def release(self) -> None:
        """Remove a holder. If the buffer has no holder left, the pool may lend it again.

        :raises ValueError: if the buffer has no holder.
        """
        with self._pool.lock:
            if not self.holders:
                raise ValueError('an input buffer that has no holder was released')
            self.holders -= 1


class LentMemory:
    """A lent buffer as a :class:`trt_segmentation.memory.Memory`.

    When no view of the buffer exists any more, the buffer is released.
    """

    def __init__(self, buffer: InputBuffer) -> None:
        self.address, self.nbytes = buffer.address, buffer.capacity
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        # Every view of this block, and every view of such a view, keeps the block alive.
        weakref.finalize(block, buffer.release).atexit = False
        self.view: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)


class InputPool:
    """Lends pinned buffers. Any thread may call the methods.

    The pool keeps released buffers and lends them again. It logs each allocation.

    :param write_combined: see :meth:`.allocator.GpuAllocator.allocate_pinned`.
    """

    def __init__(self, memory: GpuAllocator, write_combined: bool = False) -> None:
        self._memory = memory
        self._write_combined = write_combined
        # The garbage collector may release a buffer in a thread that already holds this lock. So
        # the same thread must be able to acquire the lock again.
        self.lock = threading.RLock()
        self._buffers: list[InputBuffer] = []

    @property
    def is_lending(self) -> bool:
        """Whether any buffer is lent now."""
        with self.lock:
            return any(buffer.holders for buffer in self._buffers)

    def take(self, nbytes: int) -> InputBuffer:
        """Lend a buffer with at least this many bytes.

        If several free buffers are large enough, the pool lends the most recently used buffer.

        :raises GpuError: if no more memory can be pinned.
        """
        with self.lock:
            free = [b for b in self._buffers if not b.holders]
            fitting = [b for b in free if b.capacity >= nbytes
                       and b.block.write_combined == self._write_combined]
            if fitting:
                buffer = fitting[-1]
                self._buffers.remove(buffer)
                self._buffers.append(buffer)
            elif free:
                buffer = free[-1]
                self.grow(buffer, nbytes, keep=False)
            else:
                buffer = InputBuffer(self, self._allocate(nbytes))
                self._buffers.append(buffer)
                log.info('input buffer %d: %d bytes pinned', len(self._buffers), buffer.capacity)
            buffer.holders = 1
            return buffer

    def allocate(self, nbytes: int) -> LentMemory:
        """Lend a buffer until no view of the buffer exists any more. See :meth:`take`."""
        return LentMemory(self.take(nbytes))

    def stop_write_combining(self) -> None:
        """Lend ordinary pinned memory from now on. Call this method if the CPU reads frames."""
        with self.lock:
            if self._write_combined:
                self._write_combined = False
                log.info('new input buffers use the CPU caches, because frames are decoded on '
                         'the CPU')

    def find_buffer(self, address: int) -> InputBuffer | None:
        """Return the lent buffer that contains an address, or None."""
        with self.lock:
            return next((buffer for buffer in self._buffers if buffer.holders
                         and 0 <= address - buffer.address < buffer.capacity), None)

    def grow(self, buffer: InputBuffer, nbytes: int, keep: bool) -> None:
        """Give a buffer new memory. If ``keep``, copy the content. The caller holds the lock."""
        old, new = buffer.block, self._allocate(nbytes)
        if keep:
            new.array[:old.nbytes] = old.array
        buffer.block = new
        self._memory.free(old)
        log.info('input buffer grown from %d to %d bytes', old.nbytes, new.nbytes)

    def _allocate(self, nbytes: int) -> Pinned:
        # The size is rounded up to whole MiB, so that a slightly larger frame needs no new memory.
        self._memory.make_current()
        return self._memory.allocate_pinned(
            -(-max(nbytes, 1) // 2**20) * 2**20, self._write_combined)
