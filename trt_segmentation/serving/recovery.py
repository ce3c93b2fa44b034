# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Recovers from a failing engine: counts failures, and reopens the pipeline.

A pipeline passes frames through the engine, which runs the network.
"""

from __future__ import annotations

from collections.abc import Callable
import threading

from ..errors import EngineError, SegmentationError
from ..pipeline import Pipeline
from .engine_state import EngineState, EngineStatus
from .stopping import start_unstoppable

FIRST_SECONDS, MOST_SECONDS = 0.1, 5.0
"""Shortest and longest wait in seconds after two or more failures in a row. After the wait, the
next batch is computed, or the next attempt to open the pipeline begins."""

REOPEN_AFTER = 5
"""After this many failures in a row, the pipeline is reopened before the next batch."""


def describe_error(error: Exception) -> str:
    """Return an error as one line for the user."""
    if isinstance(error, SegmentationError):
        return str(error)
    if isinstance(error, MemoryError):
        return (f'the system has too little free memory{": " if str(error) else ""}{error}; end '
                'other programs, or use smaller images, fewer cameras or a smaller network')
    return f'{type(error).__name__}: {error}'


class EngineHealth:
    """Counts failures in a row and keeps the engine's state. Any thread may use this object.

    The state LOST is final. Only :meth:`note_reopened`, :meth:`start_afresh`, :meth:`note_lost`
    and a sticky :class:`.EngineError` end the state REOPENING. An error is sticky if only a new
    process can use the GPU again. A batch that was submitted before the failure and succeeds later
    does not end REOPENING.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures = 0
        self._status = EngineStatus()

    @property
    def status(self) -> EngineStatus:
        """The engine's state, with the newest error that led to this state."""
        return self._status

    @property
    def failures(self) -> int:
        """Number of failures in a row."""
        return self._failures

    @property
    def wait_seconds(self) -> float:
        """Seconds to wait after the newest failure.

        The first failure needs no wait, because most errors come from one bad frame. The waits
        after the next failures in a row are 0.1, 0.2, 0.4 and so on, up to 5.
        """
        if self._failures < 2:
            return 0.0
        return min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self._failures - 2, 16))

    def count_failure(self, error: Exception) -> None:
        """Count a failed batch, or a failed attempt to open the pipeline.

        The state becomes FAILING, or REOPENING after :data:`REOPEN_AFTER` failures in a row.
        """
        with self._lock:
            self._failures += 1
            is_hopeless = (self._failures >= REOPEN_AFTER
                           or self._status.state is EngineState.REOPENING)
            self._escalate(error, EngineState.REOPENING if is_hopeless else EngineState.FAILING)

    def note_error(self, error: Exception) -> None:
        """Change to FAILING, or to LOST after a sticky error. Count no failure."""
        with self._lock:
            self._escalate(error, EngineState.FAILING)

    def require_reopening(self, error: Exception) -> None:
        """Count a failure after which the pipeline is useless, and change to REOPENING."""
        with self._lock:
            self._failures += 1
            self._escalate(error, EngineState.REOPENING)

    def note_lost(self, reason: str) -> None:
        """Change to LOST. The first reason is kept."""
        with self._lock:
            self._change_to(EngineState.LOST, reason)

    def reset_failures(self) -> None:
        """Count from 0 again, because a batch succeeded. Does nothing in REOPENING."""
        with self._lock:
            if self._status.state is not EngineState.REOPENING:
                self._failures = 0

    def clear_error(self) -> None:
        """Change to RUNNING. Does nothing in REOPENING and in LOST."""
        with self._lock:
            self._change_to(EngineState.RUNNING)

    def note_reopened(self) -> None:
        """Change to FAILING, because a new pipeline is open but has computed nothing yet."""
        with self._lock:
            if self._status.state is EngineState.REOPENING:
                self._status = EngineStatus(EngineState.FAILING, self._status.reason)

    def start_afresh(self) -> None:
        """Change to RUNNING, except from LOST. The number of failures does not change."""
        with self._lock:
            if self._status.state is not EngineState.LOST:
                self._status = EngineStatus()

    def _escalate(self, error: Exception, state: EngineState) -> None:
        sticky = isinstance(error, EngineError) and error.sticky
        self._change_to(EngineState.LOST if sticky else state, describe_error(error))

    def _change_to(self, state: EngineState, reason: str = '') -> None:
        """Change the state. This function never ends LOST. It changes REOPENING only to LOST."""
        present = self._status.state
        is_milder = state in (EngineState.RUNNING, EngineState.FAILING)
        if present is EngineState.LOST or (present is EngineState.REOPENING and is_milder):
            return
        self._status = EngineStatus(state, reason)


class Reopening:
    """Closes a pipeline, then tries again and again to open a new pipeline.

    This object has its own thread, because opening a pipeline may take minutes and cannot be
    interrupted. Any thread may use this object.

    :param old: the pipeline to close. Nothing may refer to its memory any more.
    :param open_pipeline: opens the new pipeline, in the thread of this object.
    :param health: counts the attempts that fail, and gives the wait before the next attempt. After
        a sticky error, there is no next attempt.
    """

    def __init__(self, old: Pipeline, open_pipeline: Callable[[], Pipeline],
                 health: EngineHealth) -> None:
        self._old = old
        self._open_pipeline = open_pipeline
        self._health = health
        self._lock = threading.Lock()
        self._given_up = threading.Event()
        self._pipeline: Pipeline | None = None
        start_unstoppable(self._run)

    @property
    def pipeline(self) -> Pipeline | None:
        """The new pipeline, which the caller must close; None if no pipeline is open yet."""
        with self._lock:
            return self._pipeline

    def give_up(self) -> None:
        """End the attempts, and close the new pipeline if it is open, or as soon as it is open."""
        with self._lock:
            self._given_up.set()
            pipeline, self._pipeline = self._pipeline, None
        if pipeline:
            pipeline.close()

    def _tell(self, count: Callable[[Exception], None], error: Exception) -> None:
        # After give_up(), the health describes another pipeline.
        with self._lock:
            if not self._given_up.is_set():
                count(error)

    def _run(self) -> None:
        try:
            self._old.close()
        except Exception as error:  # closing a broken pipeline may fail
            self._tell(self._health.require_reopening, error)
        while not self._given_up.wait(self._health.wait_seconds):
            try:
                pipeline = self._open_pipeline()
            except Exception as error:
                self._tell(self._health.count_failure, error)
                if self._health.status.state is EngineState.LOST:
                    return
            else:
                with self._lock:
                    if not self._given_up.is_set():
                        self._pipeline = pipeline
                        return
                pipeline.close()
