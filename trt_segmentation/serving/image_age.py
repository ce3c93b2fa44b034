# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The age of an image: the time from its stamp until its segmentation is published."""

from __future__ import annotations

FOREIGN_SECONDS = 3600.0
"""If a stamp is at least this many seconds old, it comes from another clock."""

AHEAD_SECONDS = 1.0
"""If a stamp is at least this many seconds in the future, it comes from another clock."""


def measure_age_ms(stamp_ns: int, now_ns: int) -> float | None:
    """Return the milliseconds from a stamp to now.

    :param stamp_ns: stamp of the image's header in nanoseconds.
    :param now_ns: current time of the node's clock in nanoseconds; 0 if the clock has no time yet.
    :returns: the age; None if the clock has no time yet, or if the stamp comes from another clock.
    """
    age = (now_ns - stamp_ns) / 1e9
    return age * 1e3 if now_ns and -AHEAD_SECONDS < age < FOREIGN_SECONDS else None
