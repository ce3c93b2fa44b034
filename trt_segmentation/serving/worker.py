# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The threads between newest frames and publishers, and where a frame's error is caught."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
import threading
import time

from std_msgs.msg import Header

from ..errors import EngineError, FrameError, TransportError
from ..frame import Frame, Segmentation, Wanted
from ..pipeline import Pipeline
from ..ros.camera import Camera
from ..ros.process.clock import ForwardClock
from ..ros.transport.messages import stamp_ns, Taken
from . import stopping
from .background import ASK_SECONDS
from .frame_log import FrameLog
from .newest import NewestFrames
from .recovery import BackOff

BAD_FRAME = 'bad frame'
ENGINE_ERROR = 'engine error'
INTERNAL_ERROR = 'internal error'
SUPERSEDED = 'superseded'
ENGINE_DOWN = 'engine down'
DEACTIVATED = 'deactivated'


@dataclass(frozen=True)
class Batching:
    """How many frames go into one batch.

    :param most: frames in a batch.
    :param patience: seconds that the first waits for others.
    """

    most: int
    patience: float


@dataclass(frozen=True)
class _Job:
    """One frame on its way through; times are time.monotonic()."""

    camera: Camera
    taken: Taken
    header: Header
    frame: Frame
    wanted: Wanted
    fetched: float
    opened: float


class Worker:
    """Runs the pipeline on the newest frames and publishes; counts every frame taken once.

    One thread forms batches and submits them, as many at once as the pipeline can use; another
    collects and publishes. So the engine works on the next batch while one is published.

    :param cameras: whose frames will be offered.
    :param batching: asked before every batch.
    :param wanted: asked before every frame what to compute.
    :param warn: takes a camera's name, the kind of a problem and its exception.
    :param backoff: told of every batch the engine failed on or answered.
    """

    def __init__(self, pipeline: Pipeline, cameras: int, batching: Callable[[], Batching],
                 wanted: Callable[[Camera], Wanted], clock: ForwardClock,
                 warn: Callable[[str, str, Exception], None], log: FrameLog,
                 backoff: BackOff) -> None:
        self.engine_error = ''
        """The newest batch's engine or internal error, '' after an answer; any thread reads."""
        self.lost = ''
        """The error that was the end of the GPU for this process; '' where none was."""
        self.broken = ''
        """The error from which on no frame is taken, and the pipeline has to be opened anew."""
        self._submitting = self._collecting = 0.0
        self._pipeline = pipeline
        self._cameras = cameras
        self._batching = batching
        self._wanted = wanted
        self._clock = clock
        self._warn = warn
        self._log = log
        self._backoff = backoff
        self._newest: NewestFrames[Camera, Taken] = NewestFrames()
        self._room = threading.Semaphore(pipeline.depth)
        self._submitted: SimpleQueue[list[_Job]] = SimpleQueue()
        self._at_work: dict[Taken, Camera] = {}  # fetched, and not yet answered or dropped
        self._threads = [
            threading.Thread(target=self._run, args=[run], name=run.__name__.strip('_'),
                             daemon=True)
            for run in (self._submit_batches, self._collect_batches)]
        for thread in self._threads:
            thread.start()

    @property
    def began(self) -> float:
        """time.monotonic() when the engine was given what it is at; 0 where that is nothing."""
        return min(filter(None, (self._submitting, self._collecting)), default=0.0)

    def offer(self, camera: Camera, taken: Taken) -> None:
        """Take a frame in and drop the one that waits; in the executor's thread."""
        camera.came(self._clock.seconds())
        if (older := self._newest.put(camera, taken)) is not None:
            self._drop(camera, older, ENGINE_DOWN if self._newest.held else SUPERSEDED)

    def not_taken(self, camera: Camera, reason: str, text: str) -> None:
        """Count a frame that was delivered and could not be taken; in the executor's thread."""
        camera.came(self._clock.seconds())
        camera.dropped(reason)
        self._log.dropped(camera.name, None, reason)
        self._warn(camera.name, reason, TransportError(text))

    def end(self, reason: str = ENGINE_DOWN) -> bool:
        """Take no frame any more; whether those at work are finished. Waits for nothing."""
        for camera, taken in self._newest.close():
            self._drop(camera, taken, reason)
        return self._finished()

    def stop(self, timeout: float, hurry: Callable[[], bool] = lambda: False) -> bool:
        """Finish the frames at work and end; False where that took longer than the timeout.

        :param hurry: asked all the while; True ends the wait.
        """
        self.end(DEACTIVATED)
        until = time.monotonic() + timeout
        for thread in self._threads:
            while thread.is_alive() and (left := until - time.monotonic()) > 0 and not hurry():
                thread.join(min(left, ASK_SECONDS))
        for thread in self._threads:
            if thread.is_alive():
                thread.name = stopping.UNENDING
        return self._finished()

    def _finished(self) -> bool:
        """Whether both threads have ended. Frames that one left behind by failing are counted."""
        if any(thread.is_alive() for thread in self._threads):
            return False
        for taken, camera in list(self._at_work.items()):
            self._drop(camera, taken, INTERNAL_ERROR)
        return True

    def _run(self, work: Callable[[], None]) -> None:
        """Do the work of a thread; what nobody thought of ends both, so that others take over."""
        try:
            work()
        except Exception as error:
            self.engine_error = self.broken = f'{type(error).__name__}: {error}'
            self._warn('', INTERNAL_ERROR, error)
            self.end()
            self._submitted.put([])
            self._room.release(self._pipeline.depth + 1)

    def _submit_batches(self) -> None:
        while True:
            with self._room:  # only wait for it: a frame fetched later is a newer one
                pass
            batching = self._batching()
            batch = self._newest.fetch(min(batching.most, self._cameras), batching.patience)
            if not batch:
                self._submitted.put([])
                return
            self._at_work.update((taken, camera) for camera, taken in batch)
            jobs = [job for camera, taken in batch if (job := self._open(camera, taken))]
            for wanted in dict.fromkeys(job.wanted for job in jobs):
                self._submit([job for job in jobs if job.wanted == wanted])

    def _open(self, camera: Camera, taken: Taken) -> _Job | None:
        """Look at a frame; None where it is bad, which is its camera's affair alone."""
        fetched = time.monotonic()
        try:
            return _Job(camera, taken, taken.header, taken.frame(camera.name),
                        self._wanted(camera), fetched, time.monotonic())
        except Exception as error:  # the node lives on whatever a frame did
            self._failed(camera, taken, error)
            return None

    def _submit(self, jobs: list[_Job]) -> None:
        self._room.acquire()
        self._submitting = time.monotonic()
        try:
            self._pipeline.submit([job.frame for job in jobs], jobs[0].wanted)
        except Exception as error:
            self._submitting = 0.0
            self._room.release()
            if isinstance(error, FrameError) and len(jobs) > 1:
                for job in jobs:  # whose frame it was, and the others get their answer
                    self._submit([job])
            else:
                self._batch_failed(jobs, error)
        else:
            self._submitting = 0.0
            self._submitted.put(jobs)

    def _collect_batches(self) -> None:
        while jobs := self._submitted.get():
            self._collecting = time.monotonic()
            try:
                answers = self._pipeline.collect()
            except Exception as error:
                self._batch_failed(jobs, error)
                continue
            else:
                for job in jobs:
                    job.taken.release()  # so that its memory takes another while it is published
            finally:
                self._collecting = 0.0
                self._room.release()
            if not self.broken:
                self._backoff.worked()
            collected = time.monotonic()
            for job, answer in zip(jobs, answers, strict=True):
                self._finish(job, answer, collected)

    def _finish(self, job: _Job, answer: Segmentation, collected: float) -> None:
        """Publish and count an answer."""
        stamp = stamp_ns(job.header)
        age = self._clock.age_ms(stamp)
        job.camera.foreign_stamps = age is None
        try:
            job.camera.publish(answer, job.header)
        except Exception as error:
            self._failed(job.camera, job.taken, error, stamp)
            return
        finally:
            answer.release()
        now = time.monotonic()
        seconds = {'wait': job.fetched - job.taken.arrived, 'decode': job.opened - job.fetched,
                   'publish': now - collected, 'total': now - job.taken.arrived}
        timings = {**answer.timings, **{stage: s * 1e3 for stage, s in seconds.items()},
                   **({} if age is None else {'age': age})}
        if not self.broken:
            self.engine_error = ''
        job.camera.answered(self._clock.seconds(), timings)
        self._at_work.pop(job.taken)
        self._log.answered(job.camera.name, stamp, timings)

    def _batch_failed(self, jobs: list[_Job], error: Exception) -> None:
        """Count and report a batch without answers, and wait before the next one or end."""
        if not isinstance(error, FrameError):
            self._backoff.failed()
            self._newest.hold(self._backoff.seconds)
            if isinstance(error, EngineError) and error.sticky:
                self.lost = self.lost or str(error)
            if self._backoff.hopeless:
                self.broken = self.broken or str(error)
            if self.lost or self.broken:
                self.end()
        for job in jobs:
            self._failed(job.camera, job.taken, error)

    def _failed(self, camera: Camera, taken: Taken, error: Exception,
                stamp: int | None = None) -> None:
        """Count and report the one error of a frame."""
        if isinstance(error, FrameError):
            camera.frame_error, reason = str(error), BAD_FRAME
        elif isinstance(error, EngineError):
            self.engine_error, reason = str(error), ENGINE_ERROR
        else:
            self.engine_error, reason = f'{type(error).__name__}: {error}', INTERNAL_ERROR
        self._drop(camera, taken, reason, stamp)
        if not self.lost:  # that is said once, by whoever ends the process
            self._warn(camera.name, reason, error)

    def _drop(self, camera: Camera, taken: Taken, reason: str, stamp: int | None = None) -> None:
        """Count a frame without an answer and give its memory back.

        :param stamp: where the frame was released already.
        """
        if self._log.on and stamp is None:
            with suppress(FrameError):  # no header to read it from
                stamp = stamp_ns(taken.header)
        taken.release()
        self._at_work.pop(taken, None)
        camera.dropped(reason)
        self._log.dropped(camera.name, stamp, reason)
