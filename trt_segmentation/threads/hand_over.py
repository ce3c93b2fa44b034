# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Hands items from one thread to another thread through a bounded queue."""

from __future__ import annotations

from collections import deque
import threading
from typing import Generic, TypeVar

Item = TypeVar('Item')


class HandOver(Generic[Item]):
    """A bounded queue. One thread puts items in, and another thread takes them out.

    :param most: largest number of items in the queue, ≥ 1.
    :param keep_newest: True to drop the oldest item if the queue is full; False to wait in
        :meth:`put` until there is room.
    :ivar dropped: number of items that were dropped because the queue was full.
    """

    def __init__(self, most: int, keep_newest: bool = False) -> None:
        self.dropped = 0
        self._most = most
        self._keep_newest = keep_newest
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._is_finished = False
        self._is_stopped = False
        self._is_cut = False
        self._error: BaseException | None = None

    @property
    def waiting(self) -> int:
        """Number of items in the queue."""
        with self._changed:
            return len(self._items)

    @property
    def is_cut(self) -> bool:
        """Whether :meth:`stop` was called before the last item was taken out."""
        return self._is_cut

    def put(self, item: Item) -> bool:
        """Add an item. If :meth:`stop` was called, do not add the item, and return False."""
        with self._changed:
            if self._keep_newest and len(self._items) >= self._most:
                self._items.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: len(self._items) < self._most or self._is_stopped)
            if not self._is_stopped:
                self._items.append(item)
                self._changed.notify_all()
            return not self._is_stopped

    def finish(self, error: BaseException | None = None) -> None:
        """Tell the receiving thread that no more items will come.

        :param error: exception that :meth:`get` raises after the last item; None for no exception.
        """
        with self._changed:
            self._is_finished, self._error = True, error
            self._changed.notify_all()

    def stop(self) -> None:
        """Drop all items, and wake both threads. Any thread may call this method."""
        with self._changed:
            self._is_cut = self._is_cut or not self._is_finished or bool(self._items)
            self._is_stopped = True
            self._items.clear()
            self._changed.notify_all()

    def get(self) -> Item | None:
        """Wait for the next item.

        :returns: the item; None after the last item, or if :meth:`stop` was called.
        :raises BaseException: the exception that was passed to :meth:`finish`.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._items or self._is_finished or self._is_stopped)
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None and not self._is_stopped:
                raise self._error
            return None
