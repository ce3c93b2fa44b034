# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Warns if a camera sends images, but the node publishes no or few results."""

from __future__ import annotations

from ...serving.drop_reasons import TOO_OLD
from ...stats import Snapshot


class ResultWatch:
    """Compares the counts of one camera with its earlier counts.

    All methods run in the executor's thread. Every ``now`` is ``time.monotonic()``.
    """

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._start: Snapshot | None = None  # None if no result is missing
        self._started = 0.0

    def describe(self, snapshot: Snapshot, now: float, patience: float) -> str:
        """Return a warning about missing results. Empty if enough results were published.

        :param patience: warn if there was no result for this many seconds.
        """
        start, last = self._start, self._last
        seconds = now - self._started
        if start and snapshot.frames_out == start.frames_out and seconds >= patience:
            lost = {reason: count - start.dropped.get(reason, 0)
                    for reason, count in snapshot.dropped.items()}
            reasons = ', '.join(f'{count} {reason}' for reason, count in lost.items() if count)
            return (f'no result for {seconds:.1f} s, although images come. Frames dropped in this '
                    f'time: {reasons or "none"}')
        if last is None:
            return ''
        late = snapshot.dropped.get(TOO_OLD, 0) - last.dropped.get(TOO_OLD, 0)
        published = snapshot.frames_out - last.frames_out
        return '' if late <= published else (
            f'{late} of {late + published} results since the last report were older than '
            '`max_age` allows, so the node did not publish them')

    def remember(self, snapshot: Snapshot, now: float, images_come: bool) -> None:
        """Keep the counts of a published report for the next comparison."""
        last = self._last
        if not images_come or last is None or snapshot.frames_out > last.frames_out:
            self._start = None
        elif self._start is None and snapshot.frames_in > last.frames_in:
            self._start, self._started = last, now
        self._last = snapshot
