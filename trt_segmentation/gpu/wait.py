# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to wait for the GPU: each trades a quick return against the use of a core."""

from __future__ import annotations

from collections import deque
from time import perf_counter, sleep

from .cuda_graph import Mark

LEAD_S = 0.25e-3
"""Seconds before the expected end at which polling begins: a sleep takes about 0.1 ms too long."""
POLL_S = 0.5e-3
"""The longest polling of one wait, in seconds. After that the thread sleeps."""


class Wait:
    """How one pipeline waits for the GPU. Only the collecting thread calls it.

    ``block`` sleeps until the GPU's interrupt. ``spin`` keeps the core busy the whole time.
    ``timed`` expects the duration of the fastest of the last 8 batches. It sleeps until
    :data:`LEAD_S` before that time, and then polls for at most :data:`POLL_S`. It returns nearly
    as soon as ``spin`` and uses a part of a core. benchmarks/gpu_pipeline.py measures all three.

    :param kind: one of :data:`.settings.WAITS`.
    """

    def __init__(self, kind: str) -> None:
        self.is_blocking = kind != 'spin'
        self._is_timed = kind == 'timed'
        self._recent: deque[float] = deque(maxlen=8)

    def wait_for(self, done: Mark, began: float) -> None:
        """Return when the GPU has reached the mark.

        :param began: perf_counter() at the time when the GPU got the batch.
        """
        if self._is_timed and self._recent and self._poll(done, began + min(self._recent)):
            return
        done.wait()

    def add_duration(self, seconds: float) -> None:
        """Record how long the GPU took for a batch."""
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
