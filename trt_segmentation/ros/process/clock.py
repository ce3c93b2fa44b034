# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node's clock for rates and ages. Its seconds never go back."""

from __future__ import annotations

import threading
import time

from builtin_interfaces.msg import Time
from rclpy.clock import Clock

STANDS = 2.0
"""After this many seconds without a new time, the node treats the clock as stopped."""


def check_time(stamp: Time) -> str:
    """Return why a message of /clock holds no valid time. Empty if its time is valid.

    rclpy raises if the time is negative, and for every stamp from a time above int32 seconds.
    """
    if stamp.sec < 0:
        return f'sec is {stamp.sec}; expected 0 or more'
    if stamp.nanosec >= 10**9:
        return f'nanosec is {stamp.nanosec}; expected less than 1000000000'
    return ''


class ForwardClock:
    """Seconds on a ROS clock that never go back. Any thread may use this.

    If the ROS clock jumps back, for example because a bag loops, the seconds go on from their
    last value. If simulated time does not change or has never come, the seconds follow the steady
    clock. Without this, the frames of the last seconds would be counted, and kept, for ever.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = self._lead = self._now = 0.0
        # if no time ever comes, the clock counts as stopped from the beginning
        self._stands = self._asked = time.monotonic()

    def seconds(self) -> float:
        """Return the seconds since some start, at the rate of the ROS clock if that clock runs."""
        with self._lock:
            now, steady = self._clock.now().nanoseconds / 1e9, time.monotonic()
            if now != self._now:
                self._now, self._stands = now, steady + STANDS
            elif steady > self._stands:
                self._lead += steady - max(self._asked, self._stands)
            self._asked = steady
            self._lead = max(self._lead, self._last - now)
            self._last = now + self._lead
            return self._last

    def now_ns(self) -> int:
        """Return the ROS clock's time in nanoseconds, which may go back. 0 if no time has come."""
        return int(self._clock.now().nanoseconds)
