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
    """Pinned memory for one camera message, lent by an :class:`InputPool`.

    If the data of a frame lies in :attr:`array`, at any offset, the GPU reads the frame from this
    memory without a copy. The borrower must call :meth:`release` once. The borrower may call it
    right after ``submit``, because the pipeline keeps the buffer until the frame's batch is
    collected.
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
        """(capacity,) uint8 view, valid until :meth:`reallocate` or the close of the pipeline."""
        return self.block.array

    def contains(self, address: int) -> bool:
        """Whether an address lies in this buffer."""
        return self.block.address <= address < self.block.address + self.block.nbytes

    def reallocate(self, nbytes: int) -> None:
        """Replace the memory by memory of at least this many bytes, and keep the content.

        Only the borrower may call this method, and only before a frame in the buffer is submitted.

        :raises ValueError: if the buffer has more than one holder.
        """
        self._pool.grow(self, nbytes)

    def add_holder(self) -> None:
        """Add a holder, so that the buffer needs one more :meth:`release` to become free."""
        self._pool.add_holder(self)

    def release(self) -> None:
        """Remove a holder. When the buffer has no holder left, the pool may lend it again.

        :raises ValueError: if the buffer has no holder.
        """
        self._pool.remove_holder(self)


class LentMemory:
    """A buffer of the pool, as a :class:`trt_segmentation.memory.Memory`.

    When nothing refers to the view any more, the buffer is released.
    """

    def __init__(self, buffer: InputBuffer) -> None:
        self.address, self.nbytes = buffer.address, buffer.capacity
        block: Any = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        # Every view, and every view of a view, keeps this block alive.
        weakref.finalize(block, buffer.release).atexit = False
        self.view: npt.NDArray[np.uint8] = np.frombuffer(block, np.uint8)


class InputPool:
    """Lends pinned buffers. The pool logs when it grows, and never shrinks.

    Any thread may call the methods.

    :param memory: allocates and frees the pinned memory.
    :param write_combined: see :meth:`.allocator.GpuAllocator.allocate_pinned`. After
        :meth:`stop_write_combining`, the pool uses ordinary pinned memory.
    """

    def __init__(self, memory: GpuAllocator, write_combined: bool = False) -> None:
        self._memory = memory
        self._write_combined = write_combined
        # The garbage collector may release a buffer in this thread while the thread has the lock.
        self._lock = threading.RLock()
        self._buffers: list[InputBuffer] = []

    def take(self, nbytes: int) -> InputBuffer:
        """Lend a buffer with at least this many bytes.

        Of the free buffers that are large enough, the most recently lent buffer is lent.

        :raises GpuError: if no more memory can be pinned.
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
        """Lend a buffer until nothing refers to its view any more. See :meth:`take`."""
        return LentMemory(self.take(nbytes))

    def stop_write_combining(self) -> None:
        """Lend ordinary pinned memory from now on, because the CPU must read the frames."""
        with self._lock:
            if self._write_combined:
                self._write_combined = False
                log.info('input buffers are cached from now on: frames are decoded on the CPU')

    def find_buffer(self, address: int) -> InputBuffer | None:
        """Return the lent buffer that contains an address, or None."""
        with self._lock:
            for buffer in self._buffers:
                if buffer.holders and buffer.contains(address):
                    return buffer
        return None

    def add_holder(self, buffer: InputBuffer) -> None:
        """See :meth:`InputBuffer.add_holder`."""
        with self._lock:
            buffer.holders += 1

    def remove_holder(self, buffer: InputBuffer) -> None:
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
        # The size is rounded up to whole megabytes, so that a message that is a few bytes longer
        # needs no new memory.
        self._memory.make_current()
        return self._memory.allocate_pinned(
            -(-max(nbytes, 1) // 2**20) * 2**20, self._write_combined)
