# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segment the images of several simulated cameras with one pipeline, as the node does."""

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
"""Seconds before the measurement begins. In this time, the threads that use the pipeline start."""


@dataclass(frozen=True)
class DueFrame:
    """A frame of a simulated camera.

    :param arrived: the due time: the time.monotonic() at which the camera sends the frame.
    """

    frame: Frame
    arrived: float


@dataclass
class CameraCounts:
    """Numbers of frames in one measurement: offered = segmented + dropped.

    :param offered: number of frames that the cameras sent. Frames that still waited at the end do
        not count.
    :param dropped: number of frames that were not segmented, because a newer frame of the same
        camera replaced them.
    :param seconds: length of the measurement. The measurement ends when the cameras stop, or with
        the last result if this result comes later.
    :param latency_ms: milliseconds from due time to result, for every segmented frame.
    """

    cameras: int
    offered: int = 0
    dropped: int = 0
    seconds: float = 0.0
    latency_ms: list[float] = field(default_factory=list)

    @property
    def segmented(self) -> int:
        """Number of frames that were segmented."""
        return len(self.latency_ms)


def serve_cameras(pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted, seconds: float,
                  fps: float) -> CameraCounts:
    """Simulate cameras that send frames, and segment as many of these frames as possible.

    As in the node, two threads use the pipeline, and only the newest frame of each camera waits.
    Waiting frames go through the network in batches of at most ``pipeline.batch``. The cameras
    do not send at the same moment.

    :param frames: one frame for each camera. The camera sends this frame again and again.
    :param seconds: seconds during which each camera sends ``fps`` frames per second.
    :raises EngineError: if the engine failed.
    """
    return _CameraRun(pipeline, frames, wanted).run(seconds, fps)


class _CameraRun:
    def __init__(self, pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted) -> None:
        self._pipeline = pipeline
        self._frames = frames
        self._wanted = wanted
        self._newest: NewestFrames[int, DueFrame] = NewestFrames()
        self._room = threading.Semaphore(pipeline.depth)
        self._submitted: SimpleQueue[list[DueFrame]] = SimpleQueue()
        self._served = CameraCounts(len(frames))
        self._ended = 0.0

    def run(self, seconds: float, fps: float) -> CameraCounts:
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
                    due = DueFrame(self._frames[camera], when)
                    displaced = self._newest.put(camera, due)
                    # A thread that fails calls close(). After close(), put() returns its argument.
                    if displaced is due:
                        break
                    self._served.offered += 1
                    self._served.dropped += displaced is not None
                else:
                    sleep(1 / fps)  # Give the last frames as much time as the earlier frames.
            finally:
                left = self._newest.close()
        for future in work:
            future.result()
        self._served.offered -= len(left)  # These frames still waited at the end.
        self._served.seconds = max(seconds, self._ended - start)
        return self._served

    def _submit(self) -> None:
        try:
            while True:
                # Wait until the pipeline has room, so that fetch() then takes the newest frames.
                with self._room:
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
                segmentations = self._pipeline.collect()
                self._room.release()
                self._ended = monotonic()
                self._served.latency_ms += [(self._ended - due.arrived) * 1e3 for due in batch]
                for segmentation in segmentations:
                    segmentation.release()
        finally:
            self._newest.close()
            self._room.release()  # Wake the submitting thread if it waits for room.
