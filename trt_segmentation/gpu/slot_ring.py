# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The slots of one pipeline, and their states. A slot holds the memory of one batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
import threading

from ..errors import CLOSED_PIPELINE, EngineError, GpuError, NOTHING_PENDING
from .slots import Slot

PATIENCE = 5.0
"""Seconds that :meth:`SlotRing.take` waits for a free slot."""


class SlotRing:
    """Keeps the slots of one pipeline and their states. Any thread may call every method.

    A slot is free at first. ``submit`` of the pipeline takes a free slot and puts a batch into the
    slot. The slot is then pending until ``collect`` of the pipeline returns the segmentations of
    the batch. After that, the slot is lent until the last of these segmentations is released. Then
    the slot is free again.

    :ivar fatal_error: the first sticky GPU error; None if there was none. An error is sticky if
        this process cannot use the GPU after the error.
    """

    def __init__(self) -> None:
        self.slots: Sequence[Slot] = ()
        self._streams: Sequence[int] = ()
        self._turn = 0
        self._changed = threading.Condition()
        self._free: list[Slot] = []
        self._pending: deque[Slot | None] = deque()
        self._is_closed = False
        self.fatal_error: GpuError | None = None

    def fill(self, slots: Sequence[Slot], streams: Sequence[int]) -> None:
        """Put the slots into the ring. Before this call, only :meth:`close` may be called.

        :param streams: the stream of each network. The networks take turns in this order.
        """
        self.slots, self._streams = slots, streams
        self._free = list(reversed(slots))

    def take(self) -> Slot:
        """Wait for a free slot and return it. The slot is then taken.

        :raises EngineError: if no slot is free in time, or if the pipeline has ended.
        """
        with self._changed:
            self.check_usable()
            if not self._changed.wait_for(
                    lambda: self._free or self._is_closed or self.fatal_error, PATIENCE):
                raise EngineError(
                    f'all {len(self.slots)} slots are in use. {len(self._pending)} submitted '
                    f'batches wait for collect(). Any other slot is in use until release() of its '
                    f'segmentations. Call these methods earlier, or open the pipeline with more '
                    f'slots')
            self.check_usable()
            # The networks take turns. A slot allocates its memory when it is used for the first
            # time. So a slot that was used before is preferred to a slot that was never used.
            stream = self._streams[self._turn % len(self._streams)]
            self._turn += 1
            slot = next((s for s in reversed(self._free) if s.stream == stream), self._free[-1])
            self._free.remove(slot)
            return slot

    def append_pending(self, slot: Slot | None) -> None:
        """Append the slot of a submitted batch to the pending slots. None means an empty batch."""
        with self._changed:
            self._pending.append(slot)
            self._changed.notify_all()

    def lend_next(self) -> Slot | None:
        """Return the slot of the oldest pending batch, or None for an empty batch.

        The slot is then lent until the segmentation of each of its images is released.

        :raises EngineError: if no batch is pending, or if the pipeline has ended.
        """
        with self._changed:
            self.check_usable()
            if not self._pending:
                raise EngineError(NOTHING_PENDING)
            slot = self._pending.popleft()
            if slot is not None:
                slot.lent = slot.count
            return slot

    def release_one(self, slot: Slot) -> None:
        """Count one released segmentation of a slot. After the last one, the slot is free."""
        with self._changed:
            slot.lent -= 1
            if not slot.lent:
                self.put_back(slot)

    def put_back(self, slot: Slot) -> None:
        """Make a slot free again. The GPU must no longer use the slot."""
        with self._changed:
            self._free.append(slot)
            self._changed.notify_all()

    def record_fatal_error(self, error: GpuError) -> None:
        """Record a sticky GPU error, and refuse all work from now on."""
        with self._changed:
            self.fatal_error = error
            self._changed.notify_all()

    def close(self) -> bool:
        """Wake all threads and refuse all work. Return False if the ring was closed before."""
        with self._changed:
            if self._is_closed:
                return False
            self._is_closed = True
            self._changed.notify_all()
            return True

    def check_usable(self) -> None:
        """Check that the pipeline has not ended.

        :raises EngineError: if the pipeline is closed, or if a sticky GPU error ended it.
        """
        if self._is_closed:
            raise EngineError(CLOSED_PIPELINE)
        if self.fatal_error is not None:
            error = EngineError(
                f'the pipeline ended with an error of the GPU ({self.fatal_error}). This process '
                f'cannot use this GPU again. Restart the process')
            error.sticky = True
            raise error from self.fatal_error
