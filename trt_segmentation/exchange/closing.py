# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Closes an old pipeline in its own thread, as soon as nothing uses the pipeline any more."""

from __future__ import annotations

from collections.abc import Callable
import threading

from ..pipeline import Pipeline
from ..serving.recovery import describe_error
from ..serving.stopping import start_unstoppable

POLL_SECONDS = 0.02
"""Seconds between two checks whether the pipeline is still used."""


class Closing:
    """Closes one pipeline in its own thread, because closing takes some milliseconds.

    This object first waits until ``has_ended`` returns True, and until all images in the memory of
    the pipeline are released.

    :param has_ended: returns True if no thread uses the pipeline any more.
    :param warn: called with one line if the pipeline cannot be closed.
    :param then: called at the end, in the same thread, even if the pipeline cannot be closed.
    """

    def __init__(self, pipeline: Pipeline, has_ended: Callable[[], bool],
                 warn: Callable[[str], None], then: Callable[[], None]) -> None:
        self._pipeline: Pipeline | None = pipeline
        self._has_ended = has_ended
        self._warn, self._then = warn, then
        self._is_closed = threading.Event()
        start_unstoppable(self._run)

    def wait(self, seconds: float) -> bool:
        """Wait until this object has ended its work. Return False if ``seconds`` are too short."""
        return self._is_closed.wait(seconds)

    def _run(self) -> None:
        assert self._pipeline is not None
        while not self._has_ended() or self._pipeline.lends_memory:
            self._is_closed.wait(POLL_SECONDS)
        try:
            self._pipeline.close()
        except Exception as error:
            self._warn(f'the old network cannot be closed: {describe_error(error)}')
        self._pipeline, self._has_ended = None, lambda: True  # frees the pipeline and the worker
        self._then()
        self._is_closed.set()
