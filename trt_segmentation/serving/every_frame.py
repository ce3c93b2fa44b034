# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segments every frame of a source once, in order, and keeps the network busy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
import threading
from typing import Generic, TypeVar

from ..errors import EngineError, FrameError
from ..frame import Frame, Segmentation, Wanted
from ..pipeline import Pipeline
from ..video.hand_over import HandOver

Item = TypeVar('Item')
Answer = TypeVar('Answer')

AHEAD = 4
"""Most items that wait for the network, and most answers that wait for the receiver."""
PATIENCE = 10.0
"""Most seconds that :meth:`EveryFrame.close` waits for a source that does not respond."""


class EveryFrame(Generic[Item, Answer]):
    """Iterates over the answers to the items of a source, once, in the order of the items.

    Two threads do the work: one thread reads the source, and one thread runs the pipeline. The
    network therefore does not wait while the receiver uses an answer. No other thread may use the
    pipeline until :meth:`close`, or until the last answer.

    :param items: the source. The thread that reads calls it, and closes it if it is a generator.
    :param read_frame: returns the frame of an item, or None if the item has no frame.
    :param make_answer: makes an answer from an item and its segmentation. The arrays of the
        segmentation are valid only during the call. The second argument is None if the item has
        no frame, and an error if the pipeline refused the frame.
    :param stop_source: wakes the thread that reads, if the thread waits for a camera. Any thread
        may call it.
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
        self._pending: deque[Item] = deque()
        self._items: HandOver[Item] = HandOver(AHEAD)
        self._answers: HandOver[Answer] = HandOver(AHEAD)
        self._threads = [threading.Thread(target=work, name=work.__name__.strip('_'), daemon=True)
                         for work in (self._segment_items, self._read_items)]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Iterator[Answer]:
        """Yield the answers. The iteration ends early if another thread calls :meth:`close`.

        :raises EngineError: if the engine failed. The answers to all earlier frames came before.
        :raises Exception: an exception of the source, after the answers to all its items.
        """
        while (answer := self._answers.get()) is not None:
            yield answer

    def close(self) -> None:
        """Stop the threads. The pipeline is then free. A second call does nothing."""
        self._items.stop()
        self._answers.stop()
        self._stop_source()
        segmenting, reading = self._threads
        segmenting.join()
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

    def _segment_items(self) -> None:
        error: Exception | None = None
        try:
            while (item := self._items.get()) is not None:
                self._submit(item)
                # If no frame waits, the source may be slow. Its last answer must not wait for it.
                if len(self._pending) >= self._pipeline.depth or not self._items.waiting:
                    self._collect()
        except Exception as raised:
            error = raised
        # After an error of the engine, the answers to later frames would leave a gap.
        is_wanted = not isinstance(error, EngineError)
        while self._pending:
            try:
                self._collect(is_wanted)
            except Exception as raised:
                error, is_wanted = error or raised, False
        self._items.stop()
        self._answers.finish(error)

    def _submit(self, item: Item) -> None:
        """Submit the frame of an item. If there is no frame to submit, hand the answer over."""
        frame, refused = self._read_frame(item), None
        if frame is not None:
            try:
                self._pipeline.submit([frame], self._wanted)
            except FrameError as error:
                refused = error
            else:
                self._pending.append(item)
                return
        while self._pending:
            self._collect()
        self._answers.put(self._make_answer(item, refused))

    def _collect(self, is_wanted: bool = True) -> None:
        """Collect the oldest batch, if one is pending, and hand its answer over if wanted."""
        if not self._pending:
            return
        item = self._pending.popleft()
        (segmentation,) = self._pipeline.collect()
        try:
            if is_wanted:
                self._answers.put(self._make_answer(item, segmentation))
        finally:
            segmentation.release()
