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
    the pipeline are released. Then it calls ``wait_for_pause``, and closes the pipeline.

    :param has_ended: returns True if no thread uses the pipeline any more.
    :param wait_for_pause: called directly before the pipeline is closed. This function returns
        at a moment when other work delays no frame. While ONNX Runtime frees a network, no other
        Python thread can run.
    :param warn: called with one line if the pipeline cannot be closed.
    :param then: called at the end, in the same thread, even if the pipeline cannot be closed.
    """

    def __init__(self, pipeline: Pipeline, has_ended: Callable[[], bool],
                 wait_for_pause: Callable[[], None], warn: Callable[[str], None],
                 then: Callable[[], None]) -> None:
        self._pipeline: Pipeline | None = pipeline
        self._has_ended, self._wait_for_pause = has_ended, wait_for_pause
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
        self._wait_for_pause()
        try:
            self._pipeline.close()
        except Exception as error:
            self._warn(f'the old network cannot be closed: {describe_error(error)}')
        self._pipeline, self._has_ended = None, lambda: True  # frees the pipeline and the worker
        self._then()
        self._is_closed.set()
