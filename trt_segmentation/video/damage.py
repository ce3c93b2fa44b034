# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Lists the parts of a video that cannot be decoded, and the times of the lost frames."""

from __future__ import annotations

from dataclasses import dataclass

MOST_LINES = 1000
"""Largest number of messages about a camera. A camera may send damaged frames for days."""


@dataclass(frozen=True)
class DamagedPart:
    """Consecutive frames that cannot be decoded.

    :param line: message with the numbers of the frames and the reason.
    :param times_ns: times of the lost frames in nanoseconds since the start of the video,
        ascending; empty if the times are unknown.
    :param end_ns: time of the next good frame; None if there is none.
    """

    line: str
    times_ns: tuple[int, ...]
    end_ns: int | None


class DamageLog:
    """Adds one part for each group of consecutive damaged frames. Used by one thread.

    :param is_live: whether the source is a camera. The times of its frames are unknown.
    :param window: only frames with begin <= time < end are listed; None for all frames.
    :ivar parts: the parts in order. Another thread may read this list.
    :ivar lines: the messages of the parts. A part is added to ``parts`` first.
    """

    def __init__(self, is_live: bool, window: tuple[int, int] | None) -> None:
        self.parts: list[DamagedPart] = []
        self.lines: list[str] = []
        self._is_live, self._window = is_live, window
        self._read: set[int] = set()
        self._first = self._last = 0
        self._reason = ''

    def read_packet(self, time_ns: int) -> None:
        """Note that the file has a frame with this time."""
        self._read.add(time_ns)

    def add(self, number: int, reason: str) -> None:
        """Note that a frame is left out. ``number`` is its number in the video."""
        if not self._first:
            self._first, self._reason = number, reason
        self._last = number

    def end(self, time_ns: int | None = None) -> None:
        """Note that the next good frame has this time, or None at the end of the video."""
        past = {time for time in self._read if time_ns is None or time <= time_ns}
        self._read -= past
        if self._first:
            which, reason = f'frame {self._first}', self._reason
            if self._first < self._last:    # the reason is about the first frame
                reason = reason.replace('the frame', which)
                which = f'frames {self._first} to {self._last}'
            self.report(f'{which}: {reason}', past - {time_ns}, time_ns)
        self._first = 0

    def report(self, line: str, lost: set[int] | None = None, end_ns: int | None = None) -> None:
        """Add a part, except if all of its frames are outside the window."""
        begin, end = self._window or (min(lost or {0}), max(lost or {0}) + 1)
        times = tuple(sorted(time for time in lost or () if begin <= time < end))
        if (lost and not times) or (self._is_live and len(self.parts) >= MOST_LINES):
            return
        self.parts.append(DamagedPart(line, times, end_ns))
        self.lines.append(line)
