# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A worker of a run. It divides recordings into shards and labels shards, one task at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
import errno
from pathlib import Path
import shutil
import socket
import time
from typing import Any, NamedTuple, TypeAlias

from ..errors import EngineError, FleetError, OutputError
from ..memory import keep_freed_memory
from ..model.card import load_card
from ..segmented_image import SegmentedImage
from ..segmenter import Segmenter
from ..sources.image import AnyImage, BadImage
from ..threads.ordered_map import map_ahead, open_pool
from .formats import LabelWriter, open_writer
from .frames import read_shard, ShardFrame
from .manifest import FRAMES, measure_frame, ShardTable
from .recordings import copy_recording, Recording, remove_copy
from .run_folder import open_store
from .scratch import ScratchFolder
from .shards import LabelJob, plan_shards, run_key, Shard

REPORT_SECONDS = 1.0
"""While a worker labels, it reports its progress at this interval in seconds."""


@dataclass(frozen=True)
class Ready:
    """The worker has opened its model. ``device`` names the engine and the GPU."""

    device: str


@dataclass(frozen=True)
class Progress:
    """The worker is alive. It has processed ``frames`` frames since its last report."""

    frames: int = 0


@dataclass(frozen=True)
class Planned:
    """The worker has divided a recording into ``shards``."""

    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class Labelled:
    """The worker has labelled and committed a shard."""


@dataclass(frozen=True)
class Failed:
    """The task failed.

    :param can_go_on: whether the worker can do other tasks; False if its engine failed.
    :param ends_run: whether all other tasks would fail too, for example because the disk is full.
    """

    reason: str
    can_go_on: bool = True
    ends_run: bool = False


@dataclass(frozen=True)
class Lost:
    """The worker ended before its task was finished."""

    reason: str


Task: TypeAlias = Recording | Shard
Event: TypeAlias = Ready | Progress | Planned | Labelled | Failed | Lost


class _Encoded(NamedTuple):
    """The results of a frame, ready to be written."""

    frame: ShardFrame
    labels: Any
    measured: Mapping[str, Any]
    error: str = ''


class FleetWorker:
    """Opens the model once, and does one task after the other. Use it in one thread.

    :param gpu: CUDA index of the GPU.
    """

    def __init__(self, job: LabelJob, gpu: int = 0) -> None:
        self._job = job
        self._gpu = gpu
        self._copy: tuple[str, Path] | None = None

    def open(self) -> Iterator[Event]:
        """Open the model. The last event is Ready or Failed."""
        job = self._job
        try:
            keep_freed_memory()
            self._scratch = ScratchFolder()
            self._store = open_store(job.out, self._scratch.path)
            self._card = load_card(job.model)
            key = run_key(self._card, job.engine, job.precision, job.label_format)
            if key != job.key:
                raise FleetError(f'{socket.gethostname()} has another version of the model '
                                 f'{job.model} or of trt_segmentation. Install the same versions '
                                 'on all machines')
            self._segmenter = Segmenter(self._card, engine=job.engine, gpu=self._gpu,
                                        precision=job.precision, overlay=False)
            self._pool = open_pool('decode and encode')
        except Exception as error:
            yield Failed(f'{socket.gethostname()}: {error}', can_go_on=False)
            return
        identity = self._segmenter.identity
        yield Ready(f'{identity.engine}, {identity.device}')

    def work(self, task: Task) -> Iterator[Event]:
        """Do one task. The last event is Planned, Labelled or Failed."""
        try:
            if isinstance(task, Recording):
                path = yield from self._fetch(task)
                yield Planned(tuple(plan_shards(task, path, self._job)))
            else:
                path = yield from self._fetch(task.recording)
                yield from self._label(task, path)
                yield Labelled()
        except EngineError as error:
            yield Failed(str(error), can_go_on=False)
        except Exception as error:
            # FFmpeg, rosbags and object stores raise many classes of errors.
            full = isinstance(error, OutputError) or getattr(error, 'errno', 0) == errno.ENOSPC
            yield Failed(str(error) or type(error).__name__, ends_run=full)

    def close(self) -> None:
        """Close the model, and delete the temporary files."""
        if segmenter := getattr(self, '_segmenter', None):
            segmenter.close()
        if pool := getattr(self, '_pool', None):
            pool.shutdown()
        if scratch := getattr(self, '_scratch', None):
            scratch.close()

    def _fetch(self, recording: Recording) -> Generator[Event, None, Path]:
        """Return the path of a recording on this machine.

        A remote recording is copied. The copy is kept until another remote recording is fetched.
        """
        if (local := recording.local) is not None:
            return local
        if self._copy and self._copy[0] == recording.identity:
            return self._copy[1]
        folder = self._scratch.path / 'copy'
        self._copy = None
        remove_copy(folder)
        for path in copy_recording(recording, folder):
            yield Progress()
            if path is not None:    # the last item
                self._copy = recording.identity, path
        assert self._copy
        return self._copy[1]

    def _label(self, shard: Shard, path: Path) -> Iterator[Event]:
        name = shard.name(self._job)
        folder = self._store.make_folder(name)
        try:
            table = ShardTable(shard, name)
            with closing(open_writer(self._job.label_format, folder, self._card)) as writer:
                yield from self._segment(shard, path, table, writer)
            table.write(folder / FRAMES, self._card.classes)
            bad = sum(row['decode_error'] is not None for row in table.rows)
            self._store.commit(folder, name, {'frames': len(table.rows), 'bad': bad})
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _segment(self, shard: Shard, path: Path, table: ShardTable, writer: LabelWriter
                 ) -> Iterator[Event]:
        waiting: deque[ShardFrame] = deque()

        def images() -> Iterator[AnyImage]:
            with closing(read_shard(shard, path, self._segmenter.allocate, self._pool)) as frames:
                for frame, image in frames:
                    waiting.append(frame)
                    yield image

        def pairs() -> Iterator[tuple[ShardFrame, SegmentedImage | BadImage]]:
            with closing(self._segmenter.segment_images(images())) as answers:
                for answer in answers:
                    yield waiting.popleft(), answer

        def encode(pair: tuple[ShardFrame, SegmentedImage | BadImage]) -> _Encoded:
            frame, answer = pair
            if isinstance(answer, SegmentedImage):
                return _Encoded(frame, writer.encode(frame, answer), measure_frame(answer))
            return _Encoded(frame, None, {}, str(answer.error))

        told, done = time.monotonic(), 0
        with closing(map_ahead(encode, pairs(), pool=self._pool)) as results:
            for result in results:
                if not result.error:
                    writer.write(result.frame, result.labels)
                table.add(result.frame, result.measured, result.error)
                done += 1
                if time.monotonic() - told >= REPORT_SECONDS:
                    yield Progress(done)
                    told, done = time.monotonic(), 0
        yield Progress(done)
