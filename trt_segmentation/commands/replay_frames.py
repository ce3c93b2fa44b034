# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segments the frames of a bag for ``trt_seg replay``. Several threads work at the same time."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
import time
from typing import TypeAlias

from ..bags.frames_ahead import read_frames, RecordedFrame
from ..bags.golden import Expectation
from ..bags.reader import BagReader, Recorded, stamp_text
from ..bags.writer import BagWriter, EncodedResult
from ..errors import BagError, EngineError, FrameError
from ..frame import Segmentation, Wanted
from ..pipeline import Pipeline
from ..serving.every_frame import EveryFrame
from ..serving.stopping import StopSignals
from ..threads.ordered_map import map_ahead, open_pool
from ..view.progress import ProgressBars

ShowSegmentation: TypeAlias = Callable[[Segmentation], None]


@dataclass
class ReplayResult:
    """The result of a replay.

    :param total: number of frames on the topic.
    :param bad: one line for each frame that could not be read.
    :param agreement: a sentence about the comparison with the expected label maps.
    :param difference: the first difference from the expected label maps; None if there is none.
    :param stopped_by: number of the signal that stopped the replay.
    :param seconds: seconds from the start of the replay until the last result was written.
    :param latency_ms: for each stage, the milliseconds of every segmented frame.
    """

    total: int
    segmented: int = 0
    bad: list[str] = field(default_factory=list)
    agreement: str | None = None
    difference: str | None = None
    stopped_by: int | None = None
    seconds: float = 0.0
    latency_ms: dict[str, array[float]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 if every frame was segmented as expected; 128 + N after signal number N; else 1."""
        if self.stopped_by:
            return 128 + self.stopped_by
        return 1 if self.bad or self.difference else 0


@dataclass(frozen=True)
class _Answer:
    """The result for one message, which is an image or a camera info.

    :param bad: why an image has no segmentation; otherwise empty.
    """

    message: Recorded
    bad: str = ''
    segmentation: Segmentation | None = None
    result: EncodedResult | None = None

    @property
    def nbytes(self) -> int:
        if not self.segmentation or not self.result:
            return len(self.message.data)
        return sum(array.nbytes for array in (
            self.segmentation.labels, self.segmentation.overlay) if array is not None) + sum(
                len(data) for _, data in self.result.messages)


@dataclass(frozen=True)
class Replay:
    """Reads one topic of a bag, segments the frames and writes the results.

    Other threads read, decode, segment and encode. The thread that calls :meth:`run` compares,
    shows and writes the results.

    :param camera_info: topic of the camera infos; None if there is none.
    :param show: called with each segmentation; None for no view.
    """

    bag: BagReader
    topic: str
    camera_info: str | None
    pipeline: Pipeline
    writer: BagWriter
    expectation: Expectation | None
    wanted: Wanted
    show: ShowSegmentation | None

    def run(self, stop: StopSignals, bars: ProgressBars) -> ReplayResult:
        """Segment every frame once, in order. Copy the camera infos to the new bag.

        Frames that cannot be read are skipped. The replay stops at the first difference from the
        expected label maps, or after a signal. If an error ends the replay, the new bag contains
        the results of all earlier frames.

        :raises BagError: if the bag cannot be read.
        :raises OutputError: if the new bag cannot be written.
        :raises EngineError: if the engine failed. The message names the frame.
        """
        done = ReplayResult(self.bag.image_topics()[self.topic])
        step = bars.add_bar(self.topic, done.total)
        try:
            self._segment_all(done, stop, step, bars.print_line)
        except (BagError, EngineError) as error:
            kind = BagError if isinstance(error, BagError) else EngineError
            raise kind(f'{error}. {self.writer.path} holds the {done.segmented} results '
                       'that came before this error') from error
        if self.expectation and not done.difference:
            done.agreement = self.expectation.summary()
            done.difference = None if done.stopped_by else self.expectation.describe_missing()
        return done

    def _segment_all(self, done: ReplayResult, stop: StopSignals, step: Callable[[float], None],
                     print_line: Callable[[str], None]) -> None:
        def describe(items: Sequence[RecordedFrame]) -> str:
            named = [self._name(item.message, done) for item in items if item.frame]
            return named[0] if len(named) == 1 else f'{named[0]} to {named[-1]}'

        printed: set[str] = set()
        start = time.monotonic()
        topics = [self.topic] + ([self.camera_info] if self.camera_info else [])
        with open_pool('decode and encode') as pool, closing(EveryFrame(
                self.pipeline, read_frames(self.bag, topics, self.pipeline.allocate, pool),
                self.wanted, lambda item: item.frame, self._answer, batch=self.pipeline.batch,
                describe=describe)) as stream, closing(map_ahead(
                    self._encode, iter(stream), pool=pool,
                    size_of=lambda answer: answer.nbytes)) as answers:
            for answer in answers:
                if stop.caught:
                    done.stopped_by = stop.caught
                    return
                self._take(answer, done)
                if answer.bad and answer.bad not in printed:
                    printed.add(answer.bad)
                    print_line(done.bad[-1])
                if answer.message.topic == self.topic:
                    done.seconds = time.monotonic() - start
                    step(done.segmented + len(done.bad))
                if done.difference:
                    return

    def _answer(self, item: RecordedFrame, result: Segmentation | FrameError | None) -> _Answer:
        if isinstance(result, Segmentation):
            return _Answer(item.message, segmentation=result.keep(self.show is not None))
        error = result or item.error
        return _Answer(item.message, str(error) if error else '')

    def _encode(self, answer: _Answer) -> _Answer:
        if not answer.segmentation:
            return answer
        return replace(answer, result=self.writer.encode(
            answer.message.log_time_ns, answer.segmentation))

    def _take(self, answer: _Answer, done: ReplayResult) -> None:
        message, segmentation = answer.message, answer.segmentation
        if message.topic == self.camera_info:
            self.writer.write_camera_info(message)
        elif answer.bad:
            done.bad.append(f'{self._name(message, done)}: {answer.bad}')
        elif answer.result and segmentation:
            self.writer.write(answer.result)
            done.segmented += 1
            for stage, ms in segmentation.timings.items():
                done.latency_ms.setdefault(stage, array('d')).append(ms)
            if self.show:
                self.show(segmentation)
            if self.expectation and (difference := self.expectation.compare(
                    segmentation.frame.stamp_ns, segmentation.labels)):
                done.difference = f'{self._name(message, done)}: {difference}'

    def _name(self, message: Recorded, done: ReplayResult) -> str:
        return f'frame {message.number} of {done.total} (stamp {stamp_text(message.stamp_ns)})'
