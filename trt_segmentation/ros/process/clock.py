# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The node's clock as rates and ages need it: seconds that never go back."""

from __future__ import annotations

import threading
import time

from builtin_interfaces.msg import Time
from rclpy.clock import Clock

FOREIGN = 3600.0
"""Seconds between a stamp and the clock from which they cannot be of one time base."""

STANDS = 2.0
"""Seconds without a new time on the clock from which it counts as standing."""


def unusable(stamp: Time) -> str:
    """Why a message of /clock holds no time, in words; '' if it does.

    rclpy raises on a negative one, and on every stamp made of one past int32's seconds.
    """
    if stamp.sec < 0:
        return f'sec is {stamp.sec}; expected 0 or more'
    if stamp.nanosec >= 10**9:
        return f'nanosec is {stamp.nanosec}; expected less than 1000000000'
    return ''


class ForwardClock:
    """Seconds on a ROS clock that always go on; any thread.

    They are carried on over jumps back (a bag that loops), and go by the steady clock while
    simulated time stands or has never come: else what is counted over the last seconds would be
    counted, and kept, for ever.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = self._lead = self._now = 0.0
        # a clock that never came has stood from the beginning
        self._stands = self._asked = time.monotonic()

    def seconds(self) -> float:
        """Seconds since some start, at sim time's rate unless that is 0."""
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

    def age_ms(self, stamp_ns: int) -> float | None:
        """Milliseconds from a stamp to now; None where clock and stamp cannot be compared."""
        now = self._clock.now().nanoseconds
        age = (now - stamp_ns) / 1e9
        return age * 1e3 if now and -1.0 < age < FOREIGN else None
