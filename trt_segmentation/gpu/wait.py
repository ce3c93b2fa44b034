# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Waiting for the GPU: how soon a thread is back, and what that costs its core."""

from __future__ import annotations

from collections import deque
from time import perf_counter, sleep

from .cuda_graph import Mark

WAITS = ('timed', 'block', 'spin')
LEAD_S = 0.25e-3
"""How long before the expected end polling begins: sleeping overshoots by about 0.1 ms."""
POLL_S = 0.5e-3
"""Longest polling of one wait; later than that, the thread sleeps until the interrupt."""


class Wait:
    """How one pipeline waits; called by the collecting thread alone.

    ``block`` sleeps until the GPU's interrupt, ``spin`` keeps the core busy all along, and
    ``timed`` sleeps for as long as the fastest of the last batches took, all but
    :data:`LEAD_S`, then polls for at most :data:`POLL_S`: nearly as soon as spinning, for a
    part of a core. benchmarks/gpu_pipeline.py measures all three.
    """

    def __init__(self, kind: str) -> None:
        self.blocking = kind != 'spin'
        self._timed = kind == 'timed'
        self._recent: deque[float] = deque(maxlen=8)

    def wait(self, done: Mark, began: float) -> None:
        """Return when the mark is reached.

        :param began: perf_counter() when the batch was given to the GPU.
        """
        if self._timed and self._recent and self._poll(done, began + min(self._recent)):
            return
        done.wait()

    def learn(self, seconds: float) -> None:
        """Tell how long the GPU had a batch."""
        self._recent.append(seconds)

    def _poll(self, done: Mark, expected: float) -> bool:
        early = expected - LEAD_S - perf_counter()
        if early > 0:
            sleep(early)
        last = perf_counter() + POLL_S
        while not done.reached():
            if perf_counter() > last:
                return False
        return True
