# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps a pipeline at work: watches its engine and opens it anew where that fails and fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import time
from typing import Any

from ..errors import EngineError
from ..memory import Memory, PageMemory
from ..pipeline import Pipeline
from ..ros.camera import Camera
from ..ros.transport.messages import Taken
from .recovery import BackOff, Reopening
from .worker import Worker

TICK_SECONDS = 0.1
"""How often :meth:`Supervisor.tick` is to be called."""

STALLED_SECONDS = 10.0
"""How long a batch may take before diagnostics say that the engine does not answer."""


def buffers(pipeline: Pipeline) -> int:
    """Images of one camera that are held at once: one waits, one is opened, others in flight."""
    return 2 + pipeline.depth


class Supervisor:
    """The pipeline of a node from configure to cleanup, and its worker while active.

    In the executor's thread, but for :attr:`engine_error` and :meth:`allocate`, which are any
    thread's. While the pipeline is being opened anew the old one, closed, stands in its place,
    and a worker that has ended counts the frames that come.

    :param make_worker: makes the worker of a pipeline.
    :param open_again: opens a pipeline like the one given; in a thread of its own.
    :param logger: the node's.
    """

    def __init__(self, make_worker: Callable[[Pipeline], Worker],
                 open_again: Callable[[Pipeline], Pipeline], logger: Any) -> None:
        self.pipeline: Pipeline | None = None
        self.worker: Worker | None = None
        self.backoff = BackOff()
        self.lost = ''
        """Why this process cannot use its GPU or its engine any more; '' where it can."""
        self._make_worker = make_worker
        self._open_again = open_again
        self._logger = logger
        self._cameras: Sequence[Camera] = ()
        self._reopening: Reopening | None = None
        self._failed_before = False
        self._error = ''
        self._end = ''  # set in any thread, where no worker is told

    @property
    def engine_error(self) -> str:
        """Why there is no answer; '' while there are some, or nothing to answer."""
        worker, failures = self.worker, self.backoff.failures
        if self.lost or worker is None:
            return self.lost
        if self._reopening:
            return (f'opening the engine anew after {failures} failures in a row, the newest: '
                    f'{self._error}')
        if worker.engine_error:
            return worker.engine_error + (
                f' ({failures} failures in a row)' if failures > 1 else '')
        began = worker.began
        waited = time.monotonic() - began if began else 0.0
        return (f'the engine has not answered for {waited:.0f} s; if it never does, restart the '
                'process') if waited > STALLED_SECONDS else ''

    def start(self, cameras: Sequence[Camera]) -> None:
        """Start a worker; cameras may be subscribed then."""
        assert self.pipeline is not None
        self._cameras = cameras
        self.worker = self._make_worker(self.pipeline)
        if self._reopening:
            self.worker.end()

    def offer(self, camera: Camera, taken: Taken) -> None:
        """See :meth:`Worker.offer`."""
        assert self.worker is not None
        self.worker.offer(camera, taken)

    def not_taken(self, camera: Camera, reason: str, text: str) -> None:
        """See :meth:`Worker.not_taken`."""
        assert self.worker is not None
        self.worker.not_taken(camera, reason, text)

    def allocate(self, nbytes: int) -> Memory:
        """Memory to take images into: the pipeline's own where it has some and is open."""
        pipeline = self.pipeline
        if self._reopening or pipeline is None or pipeline.allocate is None:
            return PageMemory(nbytes)
        try:
            return pipeline.allocate(nbytes)
        except EngineError as error:
            if error.sticky:
                self._end = str(error)
            raise

    def tick(self) -> None:
        """Look after the pipeline; to be called every :data:`TICK_SECONDS` or so."""
        worker = self.worker
        if end := self._end or (worker and worker.lost):
            self._lose(end)
        elif worker is None:
            return
        elif self._reopening is None:
            if worker.broken and worker.end():
                self._reopen(worker)
        elif pipeline := self._reopening.pipeline:
            self._resume(pipeline)
        failed = self.backoff.failures > 0
        if self._failed_before and not failed:
            self._logger.info('the engine answers again')
        self._failed_before = failed

    def stop(self, timeout: float, hurry: Callable[[], bool] = lambda: False) -> bool:
        """End the worker; False where it is still at a frame after so many seconds.

        It is kept then, and so is the pipeline, which nobody may close.

        :param hurry: see :meth:`Worker.stop`.
        """
        if self.worker and not self.worker.stop(timeout, hurry):
            return False
        self.worker = None
        return True

    def hung(self, seconds: float) -> None:
        """Give the process up, as :meth:`stop` was to no avail for so many seconds."""
        self._lose(f'it has not finished its frames for {seconds:g} s', 'the engine')

    def close(self) -> None:
        """Close the pipeline; one that is being opened anew is closed as soon as it is there."""
        if self._reopening:
            self._reopening.give_up()
        if self.pipeline:
            self.pipeline.close()
        self.pipeline = self._reopening = None
        self.backoff.worked()
        self._failed_before = False

    def _reopen(self, worker: Worker) -> None:
        """Close the pipeline, which nobody uses any more, and open another one."""
        assert self.pipeline is not None
        old, self._error = self.pipeline, worker.broken
        self._logger.warning(f'the engine failed {self.backoff.failures} times in a row and is '
                             f'opened anew; the newest error: {self._error}')
        # now, so that nothing refers to the pipeline's memory when it is closed; what comes
        # meanwhile is taken into other memory
        self._renew()
        self._reopening = Reopening(
            old, lambda: self._open_again(old), self.backoff, self._reopening_failed)

    def _resume(self, pipeline: Pipeline) -> None:
        self._logger.info('the engine was opened anew')
        self.pipeline, self._reopening = pipeline, None
        self._renew()
        self.worker = self._make_worker(pipeline)
        self.worker.engine_error = self._error  # until it has answered

    def _renew(self) -> None:
        for camera in self._cameras:
            camera.renew()

    def _reopening_failed(self, error: Exception) -> None:
        """Told in the thread that opens."""
        self._error = f'{type(error).__name__}: {error}'
        if isinstance(error, EngineError):
            self._error = str(error)
            if error.sticky:
                self._end = self._error

    def _lose(self, error: str, what: str = 'the GPU') -> None:
        if self.worker:
            self.worker.end()
        if self.lost:
            return
        self.lost = error
        self._logger.fatal(
            f'{what} is lost to this process: {error}. Only a new process can use it again '
            '(this one ends with exit code 75, and seg.launch.py starts another)')
