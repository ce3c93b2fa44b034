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
    :param count: number of lost frames. If the times are unknown, more frames may be lost.
    """

    line: str
    times_ns: tuple[int, ...]
    end_ns: int | None
    count: int


class DamageLog:
    """Adds one part for each group of consecutive damaged frames.

    Only one thread may call the methods.

    :param is_live: whether the source is a camera. The times of a camera's frames are unknown.
    :param window: (begin, end) in nanoseconds; None for all frames. Only frames with
        begin <= time < end are listed.
    :ivar parts: the parts in order. Another thread may read this list and ``lines``.
    :ivar lines: the message of each part. A part is added to ``parts`` before its
        message is added to ``lines``.
    :ivar waiting: number of damaged frames since the last good frame.
    """

    def __init__(self, is_live: bool, window: tuple[int, int] | None) -> None:
        self.parts: list[DamagedPart] = []
        self.lines: list[str] = []
        self._is_live, self._window = is_live, window
        self._read: set[int] = set()
        self._first = self.waiting = 0
        self._reason = ''

    def read_packet(self, time_ns: int) -> None:
        """Note that the file has a frame with this time."""
        self._read.add(time_ns)

    def add(self, number: int, reason: str) -> None:
        """Note that the frame with this number in the video is damaged."""
        if not self.waiting:
            self._first, self._reason = number, reason
        self.waiting += 1

    def end(self, time_ns: int | None = None) -> int:
        """Note that a good frame follows, or that the video ends.

        :param time_ns: time of the good frame; None at the end of the video.
        :returns: number of lost frames since the last good frame. Frames outside the window are
            not counted.
        """
        past = {time for time in self._read if time_ns is None or time <= time_ns}
        self._read -= past
        waiting, self.waiting = self.waiting, 0
        if not waiting:
            return 0
        lost = past - {time_ns}
        times = tuple(sorted(time for time in lost if self._is_wanted(time)))
        # The decoder does not report each lost frame. So count the times, if they are known.
        count = len(times) if lost else waiting
        if count:
            which, reason = f'frame {self._first}', self._reason
            if count > 1:    # the reason is about the first frame
                reason = reason.replace('the frame', which)
                which = f'frames {self._first} to {self._first + count - 1}'
            self.report(f'{which}: {reason}', times, time_ns, count)
        return count

    def add_undecoded(self, number: int, last_ns: int) -> None:
        """At the end of a file, note the frames after ``last_ns`` that the decoder did not return.

        :param number: number of the first frame that is missing.
        :param last_ns: time of the last good frame.
        """
        if not self.waiting and any(time > last_ns for time in self._read):
            self.add(number, 'the decoder gave no image')

    def report(self, line: str, times: tuple[int, ...] = (), end_ns: int | None = None,
               count: int = 1) -> None:
        """Add a part. :class:`DamagedPart` explains the parameters."""
        if self._is_live and len(self.parts) >= MOST_LINES:
            return
        self.parts.append(DamagedPart(line, times, end_ns, count))
        self.lines.append(line)

    def _is_wanted(self, time_ns: int) -> bool:
        return self._window is None or self._window[0] <= time_ns < self._window[1]
