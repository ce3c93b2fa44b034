# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the consecutive late frames of a camera.

A frame is late if its latency is above a limit, or if its result was too old to be published.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LateFrames:
    """The latency of the newest frame, and the number of consecutive late frames.

    :param newest_ms: latency of the newest published frame in milliseconds; 0 if there is none.
    :param in_row: number of late frames after the last frame that was on time.
    :param delay_ms: milliseconds since the last frame that was on time. If no frame was on time,
        milliseconds since the first late frame. 0 if the newest frame was on time.
    """

    newest_ms: float = 0.0
    in_row: int = 0
    delay_ms: float = 0.0


NEVER_LATE = LateFrames()


class Lateness:
    """Counts the late frames of one camera.

    Only the threads of the :class:`.Worker`, which segments the frames, call the methods that
    count. Any thread may call :meth:`read`.
    """

    def __init__(self) -> None:
        # A change replaces the whole tuple, so that a reader never sees only a part of the change.
        self._state: tuple[float, int, float] = (0.0, 0, 0.0)

    def count_published(self, now: float, latency_ms: float, limit_ms: float) -> None:
        """Count a published frame.

        :param now: current time in seconds, from a clock that never goes back.
        :param limit_ms: the limit of the latency in milliseconds.
        """
        if latency_ms > limit_ms:
            self._count_late(now, latency_ms)
        else:
            self._state = (latency_ms, 0, now)

    def count_too_old(self, now: float) -> None:
        """Count a frame whose result was too old to be published."""
        self._count_late(now, self._state[0])

    def read(self, now: float) -> LateFrames:
        """Return the present counts."""
        newest_ms, in_row, since = self._state
        return LateFrames(newest_ms, in_row, max(now - since, 0.0) * 1e3 if in_row else 0.0)

    def _count_late(self, now: float, latency_ms: float) -> None:
        _, in_row, since = self._state
        self._state = (latency_ms, in_row + 1, since or now)
