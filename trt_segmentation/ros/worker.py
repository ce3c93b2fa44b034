# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The thread between newest frame and publishers, and the one place a frame's error is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import threading
import time

from ..engines import EngineError
from ..frame import FrameError, Segmentation, Wanted
from ..pipeline import Pipeline
from ..stats import Stats
from .camera import NewestFrame
from .clock import ForwardClock
from .frame_log import FrameLog
from .messages import stamp_ns, Taken

BAD_FRAME = 'bad frame'
ENGINE_ERROR = 'engine error'
INTERNAL_ERROR = 'internal error'
SUPERSEDED = 'superseded'
DEACTIVATED = 'deactivated'


@dataclass
class Health:
    """What went wrong last; written by the worker, read by diagnostics.

    :param engine_error: the newest frame's engine or internal error, '' after an answer.
    :param frame_error: text of the newest bad frame, '' where there was none.
    :param foreign_stamps: whether the newest stamp and the node's clock share no time base.
    """

    engine_error: str = ''
    frame_error: str = ''
    foreign_stamps: bool = False


class Worker:
    """Runs the pipeline on the newest frame and publishes; counts every frame taken once.

    :param wanted: asked before every frame what to compute.
    :param publish: called in this thread with every answer.
    :param warn: takes the kind of a problem, its text and an exception where its trace is news.
    """

    def __init__(self, pipeline: Pipeline, wanted: Callable[[], Wanted],
                 publish: Callable[[Segmentation, Taken], None], stats: Stats, health: Health,
                 clock: ForwardClock, warn: Callable[[str, Exception], None],
                 log: FrameLog) -> None:
        self._pipeline = pipeline
        self._wanted = wanted
        self._publish = publish
        self._stats = stats
        self._health = health
        self._clock = clock
        self._warn = warn
        self._log = log
        self._log_lock = threading.Lock()  # frames are dropped in the executor's thread too
        self._newest = NewestFrame()
        self._thread = threading.Thread(target=self._run, name='segmentation', daemon=True)
        self._thread.start()

    def offer(self, taken: Taken) -> None:
        """Take a frame in, dropping the one still waiting; called in the executor's thread."""
        self._stats.frame_in(self._clock.seconds())
        if (older := self._newest.put(taken)) is not None:
            self._drop(older, SUPERSEDED)

    def stop(self, timeout: float | None = None) -> bool:
        """Finish the frame at work and end; False where that took longer than the timeout."""
        if (waiting := self._newest.close()) is not None:
            self._drop(waiting, DEACTIVATED)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (taken := self._newest.fetch()) is not None:
            try:
                timings = self._answer(taken)
            except Exception as error:  # the node lives on whatever a frame did
                self._failed(taken, error)
            else:
                self._health.engine_error = ''
                self._stats.frame_out(self._clock.seconds(), timings)
                with self._log_lock:
                    self._log.answered(stamp_ns(taken.header), timings)

    def _answer(self, taken: Taken) -> dict[str, float]:
        """One frame from bytes to published; returns its milliseconds by stage."""
        started = time.monotonic()
        frame = taken.frame()
        decoded = time.monotonic()
        self._pipeline.submit([frame], self._wanted())
        (answer,) = self._pipeline.collect()
        answered = time.monotonic()
        age = self._clock.age_ms(stamp_ns(taken.header))
        self._health.foreign_stamps = age is None
        try:
            self._publish(answer, taken)
        finally:
            answer.release()
        published = time.monotonic()
        timings = {'wait': started - taken.arrived, 'decode': decoded - started,
                   'publish': published - answered, 'total': published - taken.arrived}
        timings = {stage: seconds * 1e3 for stage, seconds in timings.items()}
        return {**answer.timings, **timings, **({} if age is None else {'age': age})}

    def _failed(self, taken: Taken, error: Exception) -> None:
        """Count and report the one error of a frame."""
        if isinstance(error, FrameError):
            self._health.frame_error, reason = str(error), BAD_FRAME
        elif isinstance(error, EngineError):
            self._health.engine_error, reason = str(error), ENGINE_ERROR
        else:
            self._health.engine_error = f'{type(error).__name__}: {error}'
            reason = INTERNAL_ERROR
        self._drop(taken, reason)
        self._warn(reason, error)

    def _drop(self, taken: Taken, reason: str) -> None:
        self._stats.frame_dropped(reason)
        with self._log_lock:
            self._log.dropped(stamp_ns(taken.header), reason)
