# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the pipeline of a node running. An engine that fails too often is reopened.

A pipeline passes frames through the engine, which runs the network. A worker is the object that
gives the frames to the pipeline and publishes the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import time
from typing import Any

from ..errors import EngineError
from ..memory import Memory, PageMemory
from ..pipeline import Pipeline
from .engine_state import EngineState, EngineStatus
from .protocols import IncomingImage, ServedCamera
from .recovery import EngineHealth, Reopening
from .worker import Worker

TICK_SECONDS = 0.1
"""Seconds between two calls of :meth:`Supervisor.tick`."""

STALLED_SECONDS = 10.0
"""If one batch takes longer than this many seconds, diagnostics report that the engine hangs."""


PAUSE_SECONDS = 0.25
"""Longest time in seconds that :meth:`Supervisor.wait_for_pause` waits."""


def buffers_per_camera(pipeline: Pipeline) -> int:
    """Return how many images of one camera may be held at the same time.

    One image waits, one image is being decoded, and ``pipeline.depth`` images are in the pipeline.
    """
    return 2 + pipeline.depth


class CameraSink:
    """Takes the images of one camera as a :class:`.FrameSink`, and gives them to the worker.

    :meth:`Supervisor.sink` makes this object while the pipeline is open.
    """

    def __init__(self, supervisor: Supervisor, camera: ServedCamera) -> None:
        self.allocate: Callable[[int], Memory] = supervisor.allocate
        self._supervisor = supervisor
        self._camera = camera

    @property
    def buffers(self) -> int:
        """See :attr:`.FrameSink.buffers`. A new pipeline may change this number."""
        assert self._supervisor.pipeline is not None
        return buffers_per_camera(self._supervisor.pipeline)

    def offer(self, image: IncomingImage) -> None:
        """See :meth:`.Worker.offer`."""
        assert self._supervisor.worker is not None
        self._supervisor.worker.offer(self._camera, image)

    def not_taken(self, reason: str, text: str, stamp_ns: int | None = None) -> None:
        """See :meth:`.Worker.not_taken`."""
        assert self._supervisor.worker is not None
        self._supervisor.worker.not_taken(self._camera, reason, text, stamp_ns)


class Supervisor:
    """Owns the pipeline of a configured node, and the :class:`.Worker` of an active node.

    Use this object in the executor's thread. Only :attr:`status`, :meth:`allocate` and
    :meth:`wait_for_pause` may be used in any thread. While a failed engine is being reopened,
    :attr:`pipeline` is the old pipeline, which is closed, and :attr:`worker` is the old worker.
    The threads of this worker have ended, so the worker only counts and drops new frames.

    :param make_worker: a function that makes a worker for the given pipeline. If
        :meth:`exchange` calls this function, the parameters ``newest`` and ``begin`` of
        :class:`.Worker` are passed too.
    :param reopen: opens a new pipeline with the settings of the given pipeline. Another thread
        calls this function.
    :param logger: the node's logger.
    """

    def __init__(self, make_worker: Callable[..., Worker],
                 reopen: Callable[[Pipeline], Pipeline], logger: Any) -> None:
        self.pipeline: Pipeline | None = None
        self.worker: Worker | None = None
        self.health = EngineHealth()
        self.must_end_process = False
        """Whether this process must end because it cannot use the engine any more."""
        self._make_worker = make_worker
        self._reopen_like = reopen
        self._logger = logger
        self._cameras: Sequence[ServedCamera] = ()
        self._reopening: Reopening | None = None
        self._was_failing = False

    @property
    def status(self) -> EngineStatus:
        """The engine's state. It is RUNNING or LOST if the node is not active."""
        status, failures, worker = self.health.status, self.health.failures, self.worker
        if status.state is EngineState.LOST:
            return status
        if worker is None:
            return EngineStatus()
        if status.state is EngineState.REOPENING:
            return EngineStatus(status.state, (
                f'reopening the engine after {failures} failures in a row; the newest error: '
                f'{status.reason}'))
        if status.state is EngineState.FAILING:
            row = f' ({failures} failures in a row)' if failures > 1 else ''
            return EngineStatus(status.state, status.reason + row)
        since = worker.busy_since
        waited = time.monotonic() - since if since else 0.0
        if waited <= STALLED_SECONDS:
            return status
        return EngineStatus(EngineState.STALLED, (
            f'the engine has not answered for {waited:.0f} s; if it never answers, restart the '
            'process'))

    def start(self, cameras: Sequence[ServedCamera]) -> None:
        """Start a worker. Subscribe to the cameras only after this call."""
        assert self.pipeline is not None
        self._cameras = cameras
        if self._reopening is None:
            self.health.start_afresh()
        self.worker = self._make_worker(self.pipeline)
        if self._reopening:
            self.worker.end()

    def sink(self, camera: ServedCamera) -> CameraSink:
        """Return the sink of a camera's images. Call this after :meth:`start`."""
        return CameraSink(self, camera)

    def allocate(self, nbytes: int) -> Memory:
        """Return memory for images: memory of the open pipeline, or else ordinary memory.

        :raises EngineError: if the pipeline cannot allocate the memory.
        """
        pipeline = self.pipeline
        if self._reopening or pipeline is None or pipeline.allocate is None:
            return PageMemory(nbytes)
        try:
            return pipeline.allocate(nbytes)
        except EngineError as error:
            if error.sticky:
                self.health.note_lost(str(error))
            raise

    def tick(self) -> None:
        """Reopen an engine that failed too often. When a new engine is open, start a worker."""
        state = self.health.status.state
        if state is EngineState.LOST:
            self._announce_loss('the GPU')
        elif self.worker is None:
            return
        elif self._reopening is None:
            if state is EngineState.REOPENING:
                self.worker.end()
                if self.worker.has_ended:
                    self._reopen(self.worker)
        elif pipeline := self._reopening.pipeline:
            self._resume(pipeline)
        is_failing = self.health.failures > 0
        if self._was_failing and not is_failing:
            self._logger.info('the engine answers again')
        self._was_failing = is_failing

    @property
    def can_exchange(self) -> bool:
        """Whether :meth:`exchange` may be called now.

        An exchange is not possible if the node is not active, if the GPU is lost, or while a
        failed engine waits for the end of its worker.
        """
        state = self.health.status.state
        return self.worker is not None and (
            self._reopening is not None
            or state not in (EngineState.REOPENING, EngineState.LOST))

    def exchange(self, pipeline: Pipeline, change_model: Callable[[], None]) -> None:
        """Let another pipeline segment all frames from now on. No frame is lost.

        The old worker publishes the frames that it has fetched. Then the worker of the new
        pipeline fetches the waiting frames. :attr:`can_exchange` must be True. The caller must
        close the old pipeline after the old worker has ended. If the old pipeline is being
        reopened, this method gives up the reopening.

        :param change_model: called once between the last frame of the old pipeline and the first
            frame of the new pipeline, usually in the new worker's thread.
        """
        old = self.worker
        assert old is not None
        if self._reopening:
            self._reopening.give_up()
            change_model()
            self._resume(pipeline)
            return

        def begin() -> None:
            old.join()
            change_model()

        worker = self._make_worker(pipeline, newest=old.newest, begin=begin)
        old.retire()
        old.newest.pause(0.0)  # end a pause after failures of the old pipeline
        self.pipeline, self.worker = pipeline, worker
        self._reallocate()

    def wait_for_pause(self) -> None:
        """Wait until the worker has published its next batch.

        Between this batch and the next frame, other work delays no frame. The wait ends after
        :data:`PAUSE_SECONDS` even if no batch was published. Only one thread at a time may call
        this method.
        """
        if worker := self.worker:
            worker.wait_for_batch_end(PAUSE_SECONDS)

    def stop(self, timeout: float, attend: Callable[[], bool] = lambda: False) -> bool:
        """End the worker. Returns False if the worker did not finish its frames in time.

        In this case, the worker still uses the pipeline, so do not close the pipeline.
        :meth:`.Worker.stop` describes the parameters.
        """
        if self.worker and not self.worker.stop(timeout, attend):
            return False
        self.worker = None
        return True

    def give_up(self, seconds: float) -> None:
        """Let the process end, because :meth:`stop` waited ``seconds`` and returned False."""
        self.health.note_lost(f'it has not finished its frames for {seconds:g} s')
        self._announce_loss('the engine')

    def close(self) -> None:
        """Close the pipeline.

        If the engine is being reopened, the new pipeline is closed as soon as it is open.
        """
        if self._reopening:
            self._reopening.give_up()
        if self.pipeline:
            self.pipeline.close()
        self.pipeline = self._reopening = None
        self.health.start_afresh()
        self.health.reset_failures()
        self._was_failing = False

    def _reopen(self, ended: Worker) -> None:
        assert self.pipeline is not None
        old = self.pipeline
        ended.drop_unfinished()
        self._logger.warning(f'the engine failed {self.health.failures} times in a row and is '
                             f'reopened; the newest error: {self.health.status.reason}')
        # When the old pipeline is closed, nothing may refer to its memory any more. Until the new
        # pipeline is open, images are received into ordinary memory.
        self._reallocate()
        self._reopening = Reopening(old, lambda: self._reopen_like(old), self.health)

    def _resume(self, pipeline: Pipeline) -> None:
        self._logger.info('the engine was reopened')
        self.pipeline, self._reopening = pipeline, None
        self._reallocate()
        self.health.note_reopened()
        self.worker = self._make_worker(pipeline)

    def _reallocate(self) -> None:
        for camera in self._cameras:
            camera.reallocate()

    def _announce_loss(self, what: str) -> None:
        if self.worker:
            self.worker.end()
        if self.must_end_process:
            return
        self.must_end_process = True
        self._logger.fatal(
            f'this process has lost {what}: {self.health.status.reason}. Only a new process '
            f'can use {what} again. This process ends with exit code 75, and seg.launch.py starts '
            'a new process')
