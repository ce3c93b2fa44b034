# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""An engine that fails: how long to wait before the next try, and the pipeline opened anew."""

from __future__ import annotations

from collections.abc import Callable
import threading

from ..errors import EngineError
from ..pipeline import Pipeline
from .stopping import UNENDING

FIRST_SECONDS, MOST_SECONDS = 0.1, 5.0
REOPEN_AFTER = 5
"""Failures in a row after which every further try is with a pipeline opened anew."""


class BackOff:
    """Counts failures in a row and says how long to wait for the next try; any thread.

    The first costs no wait: most errors are of one frame, and the next is another one.
    """

    def __init__(self) -> None:
        self.failures = 0

    def failed(self) -> None:
        """Count a failure."""
        self.failures += 1

    def worked(self) -> None:
        """Forget them."""
        self.failures = 0

    @property
    def seconds(self) -> float:
        """From the newest failure to the next try: 0, 0.1, 0.2 and so on up to 5."""
        if self.failures < 2:
            return 0.0
        return min(MOST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures - 2, 16))

    @property
    def hopeless(self) -> bool:
        """Whether a pipeline that failed so often is to be opened anew."""
        return self.failures >= REOPEN_AFTER


class Reopening:
    """Closes a pipeline and opens another in its place, until that succeeds or is given up.

    The work is done by a thread that nobody has to wait for: opening may take minutes, and no
    library can be told to stop. Everything here may be called from any thread.

    :param old: nothing may refer to its memory any more.
    :param backoff: asked before every try, and told of those that fail.
    :param failed: told why a try failed; not after :meth:`give_up`.
    """

    def __init__(self, old: Pipeline, open_: Callable[[], Pipeline], backoff: BackOff,
                 failed: Callable[[Exception], None]) -> None:
        self._old = old
        self._open = open_
        self._backoff = backoff
        self._failed = failed
        self._lock = threading.Lock()
        self._given_up = threading.Event()
        self._pipeline: Pipeline | None = None
        threading.Thread(target=self._run, name=UNENDING, daemon=True).start()

    @property
    def pipeline(self) -> Pipeline | None:
        """The new pipeline, the caller's own; None while there is none."""
        with self._lock:
            return self._pipeline

    def give_up(self) -> None:
        """Let the thread end; a pipeline it opens nevertheless is closed by it."""
        with self._lock:
            self._given_up.set()
            pipeline, self._pipeline = self._pipeline, None
        if pipeline:
            pipeline.close()

    def _run(self) -> None:
        try:
            self._old.close()
        except Exception as error:  # it is broken, which is why another one is opened
            self._failed(error)
        while not self._given_up.wait(self._backoff.seconds):
            try:
                pipeline = self._open()
            except Exception as error:
                if self._given_up.is_set():
                    return
                self._backoff.failed()
                self._failed(error)
                if isinstance(error, EngineError) and error.sticky:
                    return
            else:
                with self._lock:
                    if not self._given_up.is_set():
                        self._pipeline = pipeline
                        return
                pipeline.close()
