# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segments every frame of a source once, in order, and keeps the network busy.

A source gives items, for example the messages of a bag. An item has one frame or none. An
answer is made from an item and the segmentation of its frame. The receiver is the code that
iterates over the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
import threading
from typing import Generic, NamedTuple, TypeVar

from ..errors import EngineError, FrameError
from ..frame import Frame, Segmentation, Wanted
from ..pipeline import Pipeline
from ..threads.hand_over import HandOver

Item = TypeVar('Item')
Answer = TypeVar('Answer')

AHEAD = 4
"""At most this many items wait for the network. At most the same number of answers wait for the
receiver. If a full batch has more frames, both limits are the number of frames in a full batch."""
MOST_ITEMS = 64
"""Largest number of items in a batch. Items without a frame count too."""
PATIENCE = 10.0
""":meth:`EveryFrame.close` waits at most this many seconds for the end of the reading thread."""


class _Member(NamedTuple, Generic[Item]):
    item: Item
    frame: Frame | None


class _Batch(NamedTuple, Generic[Item]):
    """Items that the submitting thread passes to the collecting thread.

    :param items: each item, and whether the pipeline holds its frame.
    :param refused: the error if the batch has only one frame and the pipeline refused this frame.
    """

    items: list[tuple[Item, bool]]
    refused: FrameError | None = None


class EveryFrame(Generic[Item, Answer]):
    """Segments the items of a source, and yields one answer for each item, in order.

    Three threads do the work: one reads the source, one submits frames, and one collects
    segmentations and makes the answers. The network therefore does not wait while the receiver
    uses an answer. The object can be iterated only once. Until the last answer was yielded or
    :meth:`close` has returned, no other code may use the pipeline.

    :param items: the source. The reading thread iterates over the source. If the source is a
        generator, the reading thread also closes it.
    :param read_frame: returns the frame of an item, or None if the item has no frame.
    :param make_answer: makes an answer from an item and its segmentation. The segmentation is
        None if the item has no frame. If the pipeline refused the frame, the error is passed
        instead of the segmentation. The arrays of the segmentation are valid only during the call.
    :param stop_source: wakes the reading thread if this thread waits for a camera. Any thread must
        be able to call this function.
    :param batch: number of frames in a full batch. A batch that has a frame waits until it is
        full, until it has :data:`MOST_ITEMS` items, or until the source ends. So the batches of a
        recording are the same in each run. Use 1 for a camera.
    :param describe: returns a name for the items of a batch. If the engine fails, the message of
        the error begins with this name. None for messages without a name.
    """

    def __init__(self, pipeline: Pipeline, items: Iterable[Item], wanted: Wanted,
                 read_frame: Callable[[Item], Frame | None],
                 make_answer: Callable[[Item, Segmentation | FrameError | None], Answer],
                 stop_source: Callable[[], None] = lambda: None, batch: int = 1,
                 describe: Callable[[Sequence[Item]], str] | None = None) -> None:
        self._pipeline = pipeline
        self._source = items
        self._wanted = wanted
        self._read_frame = read_frame
        self._make_answer = make_answer
        self._stop_source = stop_source
        self._batch = batch
        self._describe = describe
        self._room = threading.Semaphore(pipeline.depth)
        self._items: HandOver[Item] = HandOver(max(AHEAD, batch))
        self._batches: HandOver[_Batch[Item]] = HandOver(pipeline.depth + 1)
        self._answers: HandOver[Answer] = HandOver(max(AHEAD, batch))
        self._threads = [threading.Thread(target=work, name=work.__name__.strip('_'), daemon=True)
                         for work in (self._read_items, self._submit_items, self._collect_items)]
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Generator[Answer, None, None]:
        """Yield the answers. The iteration ends early if another thread calls :meth:`close`.

        :raises EngineError: if the engine failed on an item. The answers to all items before this
            item are yielded first.
        :raises Exception: if the source raised this exception. The answers to all items that the
            source gave are yielded first.
        """
        while (answer := self._answers.get()) is not None:
            yield answer
            del answer      # the receiver alone decides how long the answer lives

    @property
    def is_cut(self) -> bool:
        """Whether :meth:`close` was called before the last answer was taken."""
        return self._answers.is_cut

    def close(self) -> None:
        """Stop the threads. When this method has returned, other code may use the pipeline.

        A second call does nothing.
        """
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
                del item        # this thread must not keep the frame while the source waits
        except Exception as error:
            self._items.finish(error)
        else:
            self._items.finish()
        finally:
            if close := getattr(self._source, 'close', None):
                close()

    def _submit_items(self) -> None:
        failed: Exception | None = None
        try:
            self._submit_batches()
        except Exception as error:
            failed = error
        self._batches.finish(failed)

    def _submit_batches(self) -> None:
        parts: list[_Member[Item]] = []
        failed: Exception | None = None
        while True:
            try:
                item = self._items.get()
            except Exception as error:      # an error of the source, raised after its last items
                failed = error
                break
            if item is None:
                break
            parts.append(_Member(item, self._read_frame(item)))
            del item
            frames = sum(part.frame is not None for part in parts)
            if frames in (0, self._batch) or len(parts) == MOST_ITEMS:
                self._submit(parts)
                parts = []
        self._submit(parts)
        if failed is not None:
            raise failed

    def _submit(self, parts: list[_Member[Item]]) -> None:
        frames = [part.frame for part in parts if part.frame is not None]
        refused = None
        if frames:
            self._room.acquire()
            try:
                with self._name_errors([part.item for part in parts]):
                    self._pipeline.submit(frames, self._wanted)
            except Exception as error:
                self._room.release()
                if not isinstance(error, FrameError):
                    raise
                refused = error
        if refused and len(parts) > 1:
            for part in parts:              # submit each frame alone to find the refused frame
                self._submit([part])
        else:
            self._batches.put(_Batch([(part.item, part.frame is not None and not refused)
                                      for part in parts], refused))

    def _collect_items(self) -> None:
        failed: Exception | None = None
        try:
            while (batch := self._batches.get()) is not None:
                try:
                    self._collect(batch, is_wanted=failed is None)
                except Exception as error:
                    failed = failed or error
                    self._items.stop()      # the loop still collects the frames in the pipeline
                del batch
        except Exception as error:          # an error of the source or of submit()
            failed = failed or error
        self._answers.finish(failed)

    def _collect(self, batch: _Batch[Item], is_wanted: bool) -> None:
        segmentations: list[Segmentation] = []
        if any(has_frame for _, has_frame in batch.items):
            # Allow one more batch to be submitted before this batch is collected, so that the
            # network does not wait. The pipeline has memory for one more batch, because the
            # segmentations of all earlier batches were released.
            self._room.release()
            with self._name_errors([item for item, _ in batch.items]):
                segmentations = self._pipeline.collect()
        try:
            waiting = iter(segmentations)
            for item, has_frame in batch.items if is_wanted else ():
                segmentation = next(waiting) if has_frame else batch.refused
                self._answers.put(self._make_answer(item, segmentation))
        finally:
            for done in segmentations:
                done.release()

    @contextmanager
    def _name_errors(self, items: Sequence[Item]) -> Iterator[None]:
        try:
            yield
        except EngineError as error:
            if self._describe is None:
                raise
            raise EngineError(f'{self._describe(items)}: {error}') from error
