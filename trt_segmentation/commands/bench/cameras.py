# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras at their own rate on one pipeline, served as the node serves them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
import threading
from time import monotonic, sleep

import numpy as np

from ...frame import Frame, Wanted
from ...pipeline import Pipeline
from ...serving.newest import NewestFrames

_LEAD = 0.05
"""Seconds until the first frame is due, for the threads to be there."""


@dataclass(frozen=True)
class Due:
    """A frame of a camera that came when it was due, by time.monotonic()."""

    frame: Frame
    arrived: float


@dataclass
class Served:
    """What became of the frames of some cameras: offered = answered + dropped.

    :param latency_ms: of every frame answered, from when it was due.
    :param seconds: that frames came for, and more where the last answer was later.
    """

    cameras: int
    offered: int = 0
    dropped: int = 0
    seconds: float = 0.0
    latency_ms: list[float] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """Frames that got an answer."""
        return len(self.latency_ms)


def serve_cameras(pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted, seconds: float,
                  fps: float) -> Served:
    """Let a camera a frame send it again and again for that long, and answer what can be.

    Cameras are out of step with each other. The newest frame of each waits, one that is
    displaced is dropped, and what waits goes in batches of at most ``pipeline.batch``: the
    node's policy, in two threads like its, without taking and publishing.

    :param fps: frames a second of each camera.
    :raises EngineError: when the engine failed.
    """
    return _Cameras(pipeline, frames, wanted).run(seconds, fps)


class _Cameras:
    def __init__(self, pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted) -> None:
        self._pipeline = pipeline
        self._frames = frames
        self._wanted = wanted
        self._newest: NewestFrames[int, Due] = NewestFrames()
        self._room = threading.Semaphore(pipeline.depth)
        self._submitted: SimpleQueue[list[Due]] = SimpleQueue()
        self._served = Served(len(frames))
        self._ended = 0.0

    def run(self, seconds: float, fps: float) -> Served:
        phases = np.random.default_rng(0).random(len(self._frames))
        start = monotonic() + _LEAD
        times = sorted((start + (turn + phases[camera]) / fps, camera)
                       for camera in range(len(self._frames))
                       for turn in range(max(round(seconds * fps), 1)))
        with ThreadPoolExecutor(2) as threads:
            work = [threads.submit(self._submit), threads.submit(self._collect)]
            try:
                for when, camera in times:
                    sleep(max(when - monotonic(), 0.0))
                    due = Due(self._frames[camera], when)
                    displaced = self._newest.put(camera, due)
                    if displaced is due:  # closed: a thread failed
                        break
                    self._served.offered += 1
                    self._served.dropped += displaced is not None
                else:
                    sleep(1 / fps)  # the last frames may wait as long as the others did
            finally:
                left = self._newest.close()
        for future in work:
            future.result()
        self._served.offered -= len(left)  # neither answered nor dropped when time was up
        self._served.seconds = max(seconds, self._ended - start)
        return self._served

    def _submit(self) -> None:
        try:
            while True:
                with self._room:  # a frame fetched later is a newer one
                    pass
                batch = self._newest.fetch(self._pipeline.batch)
                if not batch:
                    return
                self._room.acquire()
                self._pipeline.submit([due.frame for _, due in batch], self._wanted)
                self._submitted.put([due for _, due in batch])
        finally:
            self._submitted.put([])
            self._newest.close()

    def _collect(self) -> None:
        try:
            while batch := self._submitted.get():
                answers = self._pipeline.collect()
                self._room.release()
                self._ended = monotonic()
                self._served.latency_ms += [(self._ended - due.arrived) * 1e3 for due in batch]
                for answer in answers:
                    answer.release()
        finally:
            self._newest.close()
            self._room.release()  # nobody waits for room that never comes
