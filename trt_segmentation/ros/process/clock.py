# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A clock that never goes back, for rates and ages, and a check of the messages of /clock."""

from __future__ import annotations

import threading
import time

from builtin_interfaces.msg import Time
from rclpy.clock import Clock

STANDS = 2.0
"""If a ROS clock shows the same time for this many seconds, the clock counts as stopped."""


def check_time(stamp: Time) -> str:
    """Return why rclpy cannot use the time of a message of /clock. Empty if the time is valid."""
    if stamp.sec < 0:
        return f'sec is {stamp.sec}; expected 0 or more'
    if stamp.nanosec >= 10**9:
        return f'nanosec is {stamp.nanosec}; expected less than 1000000000'
    return ''


class ForwardClock:
    """A clock that follows a ROS clock, but never goes back. Any thread may use it.

    If the ROS clock jumps back, for example because a bag is played in a loop, this clock goes on
    from its last time. If the ROS clock stopped or never started, this clock follows the steady
    clock. If this clock stopped too, frames that arrived long ago would count as recent.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = self._lead = self._now = 0.0
        # A clock that never started counts as stopped from the beginning.
        self._stands = self._asked = time.monotonic()

    def seconds(self) -> float:
        """Return the present time in seconds. Only the difference of two times has a meaning."""
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
        """Return the ROS time in ns, which may go back. 0 if no simulated time has come."""
        return int(self._clock.now().nanoseconds)
