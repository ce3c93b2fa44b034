# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Three ways to wait for the GPU. A way that reacts faster needs more CPU time."""

from __future__ import annotations

from collections import deque
from time import perf_counter, sleep

from .cuda_graph import Mark

LEAD_S = 0.25e-3
"""Polling means to ask the GPU again and again. Polling begins this many seconds before the
expected end of the batch, because a sleep may take about 0.1 ms too long."""
POLL_S = 0.5e-3
"""Longest time that one wait polls, in seconds. After this time, the thread sleeps."""


class Wait:
    """How one pipeline waits for the GPU.

    Any thread may call :meth:`wait_soon`. Only the thread that collects the results may call
    the other methods.

    With ``block``, the thread sleeps until the GPU sends an interrupt. With ``spin``, the thread
    asks the GPU all the time, and keeps a core busy. With ``timed``, the thread expects that the
    batch takes as long as the fastest of the last 8 batches. The thread sleeps until
    :data:`LEAD_S` before the expected end, and then polls the GPU for at most :data:`POLL_S`.
    ``timed`` is nearly as fast as ``spin``, but uses only a part of a core; see
    benchmarks/gpu_pipeline.py.

    :param kind: one of :data:`.settings.WAITS`.
    """

    def __init__(self, kind: str) -> None:
        self.is_blocking = kind != 'spin'
        self._is_timed = kind == 'timed'
        self._recent: deque[float] = deque(maxlen=8)

    def wait_for(self, done: Mark, began: float) -> None:
        """Wait until the GPU reaches a mark, which is a point on a stream.

        :param done: the mark at the end of a batch.
        :param began: the value of perf_counter() right before the work of the batch was enqueued.
        """
        if self._is_timed and self._recent and self._poll(done, began + min(self._recent)):
            return
        done.wait()

    def wait_soon(self, done: Mark) -> None:
        """Wait for a mark that the GPU probably reaches within :data:`POLL_S`."""
        if not (self._is_timed and self._poll(done, 0.0)):
            done.wait()

    def add_duration(self, seconds: float) -> None:
        """Record how many seconds the GPU needed for a batch."""
        self._recent.append(seconds)

    def _poll(self, done: Mark, expected: float) -> bool:
        early = expected - LEAD_S - perf_counter()
        if early > 0:
            sleep(early)
        last = perf_counter() + POLL_S
        while not done.is_reached():
            if perf_counter() > last:
                return False
        return True
