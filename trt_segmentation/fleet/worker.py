# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A worker does the tasks of a run, one after the other.

A task is to divide a recording into parts, or to process one part. The parts are called shards.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
import errno
from pathlib import Path
import shutil
import socket
import time
from typing import Any, TypeAlias

from ..errors import EngineError, FleetError, OutputError
from ..memory import keep_freed_memory
from ..model.card import load_card
from ..segmenter import Segmenter
from ..threads.ordered_map import open_pool
from .recordings import Recording, RecordingCopies, shorten_error
from .run_folder import open_store
from .scratch import ScratchFolder
from .shards import FleetJob, Shard, ShardPlan

REPORT_SECONDS = 1.0
"""While a worker processes a shard, the worker reports its progress once in this many seconds."""


@dataclass(frozen=True)
class Ready:
    """The worker has opened its model. ``device`` names the engine and the GPU."""

    device: str


@dataclass(frozen=True)
class Progress:
    """The worker is alive, and has processed ``frames`` frames since its last report."""

    frames: int = 0


@dataclass(frozen=True)
class Planned:
    """The worker has divided a recording into shards."""

    plan: ShardPlan


@dataclass(frozen=True)
class Committed:
    """The worker has processed a shard and stored its results."""


@dataclass(frozen=True)
class Failed:
    """A task or the opening of the model failed.

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
Event: TypeAlias = Ready | Progress | Planned | Committed | Failed | Lost
"""A message about a worker."""


class FleetWorker:
    """Opens a model once, and then does one task after the other. Use this object in one thread.

    :param gpu: CUDA index of the GPU.
    """

    def __init__(self, job: FleetJob, gpu: int = 0) -> None:
        self._job = job
        self._gpu = gpu

    def open(self) -> Iterator[Event]:
        """Open the model. The last event is Ready or Failed."""
        job = self._job
        try:
            keep_freed_memory()
            self._scratch = ScratchFolder()
            self._copies = RecordingCopies(self._scratch.path / 'copy')
            self._store = open_store(job.out, self._scratch.path)
            card = load_card(job.model)
            if job.make_key(card) != job.key:
                raise FleetError(f'{socket.gethostname()} has another version of the model '
                                 f'{job.model} or of trt_segmentation than the machine that '
                                 'started the run. Install the same versions on all machines')
            self._segmenter = Segmenter(card, engine=job.engine, gpu=self._gpu,
                                        precision=job.precision, overlay=False)
            self._pool = open_pool('decode and encode')
        except Exception as error:
            yield Failed(f'{socket.gethostname()}: {error}', can_go_on=False)
            return
        identity = self._segmenter.identity
        yield Ready(f'{identity.engine}, {identity.device}')

    def work(self, task: Task) -> Iterator[Event]:
        """Do one task. The last event is Planned, Committed or Failed."""
        try:
            if isinstance(task, Recording):
                path = yield from self._fetch(task)
                yield Planned(self._job.plan(task, path))
            else:
                path = yield from self._fetch(task.recording)
                yield from self._process(task, path)
                yield Committed()
        except EngineError as error:
            yield Failed(str(error), can_go_on=False)
        except Exception as error:
            # FFmpeg, rosbags and object stores raise many classes of errors.
            full = isinstance(error, OutputError) or getattr(error, 'errno', 0) == errno.ENOSPC
            yield Failed(shorten_error(error, names_file=True), ends_run=full)

    def close(self) -> None:
        """Close the model, and delete the temporary files."""
        if segmenter := getattr(self, '_segmenter', None):
            segmenter.close()
        if pool := getattr(self, '_pool', None):
            pool.shutdown()
        if scratch := getattr(self, '_scratch', None):
            scratch.close()

    def _fetch(self, recording: Recording) -> Generator[Event, None, Path]:
        path = None
        for path in self._copies.fetch(recording):
            if path is None:
                yield Progress()
        assert path
        return path

    def _process(self, shard: Shard, path: Path) -> Iterator[Event]:
        name = shard.name(self._job)
        folder = self._store.make_folder(name)
        try:
            with closing(self._job.process(shard, path, folder, self._segmenter, self._pool)
                         ) as work:
                facts = yield from _count_frames(work)
            self._store.commit(folder, name, facts)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _count_frames(work: Generator[None, None, dict[str, Any]]
                  ) -> Generator[Event, None, dict[str, Any]]:
    """Report the number of frames once a second, and return the result of the generator."""
    told, done = time.monotonic(), 0
    while True:
        try:
            next(work)
        except StopIteration as end:
            yield Progress(done)
            facts: dict[str, Any] = end.value
            return facts
        done += 1
        if time.monotonic() - told >= REPORT_SECONDS:
            yield Progress(done)
            told, done = time.monotonic(), 0
