# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The threads that send the newest frames through the pipeline and publish the segmentations."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
import threading
import time

from ..errors import FrameError, TransportError
from ..frame import Segmentation
from ..pipeline import Pipeline
from ..tracing.stages import stage
from .background import POLL_SECONDS
from .drop_reasons import DEACTIVATED, ENGINE_DOWN, INTERNAL_ERROR, SUPERSEDED, TOO_OLD
from .engine_state import EngineState
from .fetched_frames import FetchedFrames
from .frame_log import FrameLog
from .job import Job, measure_age_ms
from .newest import NewestFrames
from .protocols import IncomingImage, LiveSettings, ServedCamera, ServingClock
from .recovery import EngineHealth
from .stopping import leave_running

WaitingFrames = NewestFrames[ServedCamera, IncomingImage]


class Worker:
    """Segments the newest frames and publishes the results.

    Every frame is counted exactly once, as published or as dropped.

    One thread forms batches and submits them. Another thread collects the results and publishes
    them. Therefore the engine can compute one batch while another batch is being published.

    :param cameras: number of cameras. A batch holds at most one frame of each camera.
    :param settings: the worker reads these settings before each batch and before each frame.
    :param warn: called with the name of a camera, the kind of its problem, and the exception.
    :param health: the worker tells this object whether each batch succeeded.
    :param newest: the queue of the previous worker, with its waiting frames; None for a new queue.
    :param begin: called once in the submitting thread, before this thread fetches a frame.
    """

    def __init__(self, pipeline: Pipeline, cameras: int, settings: LiveSettings,
                 clock: ServingClock, warn: Callable[[str, str, Exception], None], log: FrameLog,
                 health: EngineHealth, newest: WaitingFrames | None = None,
                 begin: Callable[[], None] = lambda: None) -> None:
        self._submitting = self._collecting = 0.0  # see busy_since
        self._pipeline = pipeline
        self._cameras = cameras
        self._settings = settings
        self._clock = clock
        self._warn = warn
        self._log = log
        self._health = health
        self._begin = begin
        self.newest: WaitingFrames = NewestFrames() if newest is None else newest
        """The frames that wait for this worker."""
        self._room = threading.Semaphore(pipeline.depth)
        self._submitted: SimpleQueue[list[Job]] = SimpleQueue()
        self._is_given_up = False  # stop() timed out, so nothing is published any more
        self._is_retired = False  # the waiting frames and the health belong to the next worker
        self._fetched = FetchedFrames(log, warn, health)
        self._batch_ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=[run], name=run.__name__.strip('_'),
                             daemon=True)
            for run in (self._submit_batches, self._collect_batches)]
        for thread in self._threads:
            thread.start()

    @property
    def busy_since(self) -> float:
        """time.monotonic() when the running call to the pipeline began; 0 if no call runs."""
        return min(filter(None, (self._submitting, self._collecting)), default=0.0)

    def offer(self, camera: ServedCamera, image: IncomingImage) -> None:
        """Accept an image. If an older image of this camera still waits, drop the older image.

        Two threads must not call this method for the same camera at the same time.
        """
        camera.count_frame_in(self._clock.seconds(), image.arrived)
        if (older := self.newest.put(camera, image)) is not None:
            self._fetched.drop(camera, older, ENGINE_DOWN if self.newest.is_paused else SUPERSEDED)

    def not_taken(self, camera: ServedCamera, reason: str, text: str,
                  stamp_ns: int | None = None) -> None:
        """See :meth:`.FrameSink.not_taken`. Any thread may call this method."""
        camera.count_frame_in(self._clock.seconds(), time.monotonic())
        camera.frame_error = text
        camera.count_frame_dropped(reason)
        self._log.log_drop(camera.name, stamp_ns, reason)
        self._warn(camera.name, reason, TransportError(text))

    @property
    def has_ended(self) -> bool:
        """Whether all threads of the worker have ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def wait_for_batch_end(self, seconds: float) -> bool:
        """Wait until the next batch is published.

        Return False if no batch is published within ``seconds``. Only one thread at a time may
        call this method.
        """
        self._batch_ended.clear()
        return self._batch_ended.wait(seconds)

    def end(self, reason: str = ENGINE_DOWN) -> None:
        """Accept no more frames. This method does not wait until the threads end.

        :param reason: why the waiting frames are dropped.
        """
        for camera, image in self.newest.close():
            self._fetched.drop(camera, image, reason)

    def retire(self) -> None:
        """Fetch no more frames. The waiting frames stay in :attr:`newest` for the next worker."""
        self._is_retired = True
        self.newest.wake()

    def join(self) -> None:
        """Wait until the threads of a retired worker have ended, and drop unfinished frames."""
        for thread in self._threads:
            thread.join()
        self.drop_unfinished()

    def drop_unfinished(self) -> None:
        """Drop the frames that an exception left unfinished. :attr:`has_ended` must be True."""
        self._fetched.drop_all(INTERNAL_ERROR)

    def stop(self, timeout: float, attend: Callable[[], bool] = lambda: False) -> bool:
        """Finish the fetched frames and end. Returns False if the threads did not end.

        :param timeout: longest wait in seconds. After this time, nothing is published any more.
        :param attend: called again and again during the wait. If it returns True, the wait ends.
        """
        self.end(DEACTIVATED)
        until = time.monotonic() + timeout
        for thread in self._threads:
            while thread.is_alive() and (left := until - time.monotonic()) > 0 and not attend():
                thread.join(min(left, POLL_SECONDS))
        self._is_given_up = time.monotonic() >= until and not self.has_ended
        for thread in self._threads:
            thread.join(POLL_SECONDS)  # give a running call of publish() time to end
            if thread.is_alive():
                leave_running(thread)
        if not self.has_ended:
            return False
        self.drop_unfinished()
        return True

    def _run(self, work: Callable[[], None]) -> None:
        # An unexpected exception stops both threads. Then the supervisor reopens the engine.
        try:
            work()
        except Exception as error:
            self._warn('', INTERNAL_ERROR, error)
            if not self._is_retired:
                self._health.require_reopening(error)
                self.end()
            self._submitted.put([])
            self._room.release(self._pipeline.depth + 1)

    def _submit_batches(self) -> None:
        self._submitting = time.monotonic()
        self._begin()
        self._begin = lambda: None  # begin() may keep the previous worker in memory
        self._submitting = 0.0
        while self._submit_next():
            pass  # each call has new variables, so no variable keeps an old image

    def _submit_next(self) -> bool:
        self._wait_for_room()
        limits = self._settings.batch_limits()
        batch = self.newest.fetch(min(limits.most, self._cameras), limits.patience,
                                  lambda: self._is_retired)
        self._fetched.add(batch)
        jobs = [job for camera, image in batch if (job := self._open(camera, image))]
        for wanted in dict.fromkeys(job.wanted for job in jobs):
            self._submit([job for job in jobs if job.wanted == wanted])
        if not batch:
            self._submitted.put([])
        return bool(batch)

    def _open(self, camera: ServedCamera, image: IncomingImage) -> Job | None:
        fetched = time.monotonic()
        try:
            self._settings.apply_colours()
            with stage('decode'):
                frame = camera.set_viewport(image.frame(camera.name))
                wanted = self._settings.schedule_outputs(camera)
                return Job(camera, image, image.header, frame, wanted, fetched, time.monotonic())
        except Exception as error:  # a bad frame must not end the node
            self._fetched.fail(camera, image, error)
            return None

    def _wait_for_room(self) -> None:
        """Wait until the pipeline can accept a batch.

        Frames are fetched only after this wait, so that they are as new as possible. No other
        thread submits batches. So the pipeline can still accept a batch after the fetch.
        """
        self._room.acquire()
        self._room.release()

    def _submit(self, jobs: list[Job]) -> None:
        self._room.acquire()
        self._submitting = time.monotonic()
        try:
            with stage('submit'):
                self._pipeline.submit([job.frame for job in jobs], jobs[0].wanted)
        except Exception as error:
            self._submitting = 0.0
            self._room.release()
            if isinstance(error, FrameError) and len(jobs) > 1:
                for job in jobs:  # only the bad frame fails, and the other frames are segmented
                    self._submit([job])
            else:
                self._fail_batch(jobs, error)
        else:
            self._submitting = 0.0
            self._submitted.put(jobs)

    def _collect_batches(self) -> None:
        while self._collect(self._submitted.get()):
            self._batch_ended.set()

    def _collect(self, jobs: list[Job]) -> bool:
        if not jobs:
            return False
        self._collecting = time.monotonic()
        try:
            with stage('collect'):
                segmentations = self._pipeline.collect()
        except Exception as error:
            self._fail_batch(jobs, error)
            return True
        else:
            for job in jobs:
                job.image.release()  # before publishing, so that the image's memory is free early
        finally:
            self._collecting = 0.0
            self._room.release()
        self._health.reset_failures()
        collected = time.monotonic()
        for job, segmentation in zip(jobs, segmentations, strict=True):
            self._finish(job, segmentation, collected)
        return True

    def _finish(self, job: Job, segmentation: Segmentation, collected: float) -> None:
        if self._is_given_up:
            segmentation.release()
            self._fetched.drop(job.camera, job.image, DEACTIVATED, job.frame.stamp_ns)
            return
        age = measure_age_ms(job.frame.stamp_ns, self._clock.now_ns())
        job.camera.stamps_are_foreign = age is None
        if job.is_too_old(age, time.monotonic(), self._settings.max_age_ms()):
            segmentation.release()
            self._fetched.drop(job.camera, job.image, TOO_OLD, job.frame.stamp_ns)
            return
        try:
            with stage('publish'):
                job.camera.publish(segmentation, job.header)
        except Exception as error:
            self._fetched.fail(job.camera, job.image, error, job.frame.stamp_ns)
            return
        finally:
            segmentation.release()
        timings = {**segmentation.timings, **job.stage_times(collected, time.monotonic()),
                   **({} if age is None else {'age': age})}
        self._health.clear_error()
        job.camera.count_frame_out(self._clock.seconds(), timings)
        self._fetched.remove(job.image)
        self._log.log_segmentation(job.camera.name, job.frame.stamp_ns, timings)

    def _fail_batch(self, jobs: list[Job], error: Exception) -> None:
        if not (isinstance(error, FrameError) or self._is_retired):
            self._health.count_failure(error)
            self.newest.pause(self._health.wait_seconds)
            if self._health.status.state in (EngineState.REOPENING, EngineState.LOST):
                self.end()
        for job in jobs:
            self._fetched.fail(job.camera, job.image, error)
