# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segments every frame of a source once, in order, and keeps the network busy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
import threading
from typing import Generic, NamedTuple, TypeVar

from ..errors import FrameError
from ..frame import Frame, Segmentation, Wanted
from ..pipeline import Pipeline
from ..threads.hand_over import HandOver

Item = TypeVar('Item')
Answer = TypeVar('Answer')

AHEAD = 4
"""At most this many items wait for the network, and at most this many answers wait for the
receiver."""
PATIENCE = 10.0
"""Longest time in seconds that :meth:`EveryFrame.close` waits for the thread of the source."""


class _Entry(NamedTuple, Generic[Item]):
    """An item on its way from the thread that submits to the thread that collects.

    :param is_pending: whether the pipeline holds the frame of the item.
    :param refused: the error, if the pipeline refused the frame; otherwise None.
    """

    item: Item
    is_pending: bool
    refused: FrameError | None = None


class EveryFrame(Generic[Item, Answer]):
    """Segments the items of a source, and yields one answer for each item, in order.

    Three threads do the work: one reads the source, one submits frames, and one collects
    segmentations and makes the answers. The network therefore does not wait while the receiver
    uses an answer. The object can be iterated only once. Until the last answer was yielded or
    :meth:`close` has returned, no other code may use the pipeline.

    :param items: the source. The reading thread iterates over it. If it is a generator, this
        thread also closes it.
    :param read_frame: returns the frame of an item, or None if the item has no frame.
    :param make_answer: makes an answer from an item and its segmentation. The segmentation is
        None if the item has no frame. If the pipeline refused the frame, the error is passed
        instead of the segmentation. The arrays of the segmentation are valid only during the call.
    :param stop_source: wakes the reading thread if it waits for a camera. Any thread must be able
        to call this function.
    """

    def __init__(self, pipeline: Pipeline, items: Iterable[Item], wanted: Wanted,
                 read_frame: Callable[[Item], Frame | None],
                 make_answer: Callable[[Item, Segmentation | FrameError | None], Answer],
                 stop_source: Callable[[], None] = lambda: None) -> None:
        self._pipeline = pipeline
        self._source = items
        self._wanted = wanted
        self._read_frame = read_frame
        self._make_answer = make_answer
        self._stop_source = stop_source
        self._room = threading.Semaphore(pipeline.depth)
        self._items: HandOver[Item] = HandOver(AHEAD)
        self._entries: HandOver[_Entry[Item]] = HandOver(pipeline.depth + 1)
        self._answers: HandOver[Answer] = HandOver(AHEAD)
        self._threads = [threading.Thread(target=work, name=work.__name__.strip('_'), daemon=True)
                         for work in (self._read_items, self._submit_items, self._collect_items)]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[Answer]:
        """Yield the answers. The iteration ends early if another thread calls :meth:`close`.

        :raises EngineError: if the engine failed. The answers to all earlier items are yielded
            before the error is raised.
        :raises Exception: the exception that the source raised. The answers to all items that the
            source gave are yielded before.
        """
        while (answer := self._answers.get()) is not None:
            yield answer

    @property
    def is_cut(self) -> bool:
        """Whether :meth:`close` was called before the last answer was taken."""
        return self._answers.is_cut

    def close(self) -> None:
        """Stop the threads. Other code may then use the pipeline. A second call does nothing."""
        self._items.stop()
        self._answers.stop()
        self._stop_source()
        reading, *others = self._threads
        for thread in others:
            thread.join()
        reading.join(PATIENCE)

    def _read_items(self) -> None:
        try:
            for item in self._source:
                if not self._items.put(item):
                    break
        except Exception as error:
            self._items.finish(error)
        else:
            self._items.finish()
        finally:
            if close := getattr(self._source, 'close', None):
                close()

    def _submit_items(self) -> None:
        try:
            while (item := self._items.get()) is not None:
                self._entries.put(self._submit(item))
        except Exception as error:
            self._entries.finish(error)
        else:
            self._entries.finish()

    def _submit(self, item: Item) -> _Entry[Item]:
        frame = self._read_frame(item)
        if frame is None:
            return _Entry(item, is_pending=False)
        self._room.acquire()
        try:
            self._pipeline.submit([frame], self._wanted)
        except Exception as error:
            self._room.release()
            if isinstance(error, FrameError):
                return _Entry(item, False, error)
            raise
        return _Entry(item, is_pending=True)

    def _collect_items(self) -> None:
        failed: Exception | None = None
        try:
            while (entry := self._entries.get()) is not None:
                try:
                    self._collect(entry, is_wanted=failed is None)
                except Exception as error:
                    failed = failed or error
                    self._items.stop()      # the loop still collects the frames in the pipeline
        except Exception as error:          # an error of the source or of submit()
            failed = failed or error
        self._answers.finish(failed)

    def _collect(self, entry: _Entry[Item], is_wanted: bool) -> None:
        """Collect the segmentation of an entry, and hand the answer over if it is wanted."""
        if not entry.is_pending:
            if is_wanted:
                self._answers.put(self._make_answer(entry.item, entry.refused))
            return
        try:
            (segmentation,) = self._pipeline.collect()
        finally:
            self._room.release()
        try:
            if is_wanted:
                self._answers.put(self._make_answer(entry.item, segmentation))
        finally:
            segmentation.release()
