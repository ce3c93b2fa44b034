# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A frame that a node's :class:`.Worker` is segmenting, with the frame's times and age."""

from __future__ import annotations

from dataclasses import dataclass

from ..frame import Frame, Wanted
from .protocols import IncomingImage, ServedCamera

FOREIGN_SECONDS = 3600.0
"""If a stamp is at least this many seconds old, it seems to come from another clock."""

AHEAD_SECONDS = 1.0
"""If a stamp is at least this many seconds in the future, it seems to come from another clock."""


@dataclass(frozen=True)
class Job:
    """One frame that is being processed.

    :param fetched: time.monotonic() when the worker put the frame into a batch.
    :param opened: time.monotonic() when the worker had read the frame from its message.
    """

    camera: ServedCamera
    image: IncomingImage
    header: object
    frame: Frame
    wanted: Wanted
    fetched: float
    opened: float

    def is_too_old(self, age_ms: float | None, now: float, limit_ms: float) -> bool:
        """Return whether the result is too old to be published.

        :param age_ms: milliseconds since the frame's stamp. If None, the age is the time since the
            image was received.
        :param now: time.monotonic().
        :param limit_ms: largest age in milliseconds; 0 if every result is published.
        """
        since_arrival = (now - self.image.arrived) * 1e3
        return 0 < limit_ms < (since_arrival if age_ms is None else age_ms)

    def stage_times(self, collected: float, now: float) -> dict[str, float]:
        """Return the milliseconds of the stages outside the pipeline, and of all stages together.

        :param collected: time.monotonic() when the pipeline returned the segmentation.
        :param now: time.monotonic() when the segmentation was published.
        """
        seconds = {'wait': self.fetched - self.image.arrived, 'decode': self.opened - self.fetched,
                   'publish': now - collected, 'total': now - self.image.arrived}
        return {stage: value * 1e3 for stage, value in seconds.items()}


def measure_age_ms(stamp_ns: int, now_ns: int) -> float | None:
    """Return the milliseconds from a stamp to now.

    :param stamp_ns: stamp of the image's header in nanoseconds.
    :param now_ns: current time of the node's clock in nanoseconds; 0 if the clock has no time yet.
    :returns: the age; None if the clock has no time yet, or if the stamp comes from another clock.
    """
    age = (now_ns - stamp_ns) / 1e9
    return age * 1e3 if now_ns and -AHEAD_SECONDS < age < FOREIGN_SECONDS else None
