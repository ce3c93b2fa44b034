# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the frames of a video file or a camera, and decodes ahead of the receiver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import FrameError, VideoError
from .hand_over import HandOver
from .pixels import BgrConverter
from .pyav import import_av, LIMITS, reason_of
from .source import find_source, SECONDS

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av import VideoFrame as DecodedFrame

AHEAD_BYTES = 128 << 20
"""Most bytes of decoded frames that wait for the receiver."""
AHEAD_FRAMES = 8
"""Most decoded frames that wait for the receiver."""
MOST_LINES = 1000
"""Most lines about damage. A camera in a bad network could send damaged frames for days."""
_SECOND = 1_000_000_000
_USUAL_RATE = Fraction(30)
"""Frames a second of a video that does not say its rate."""


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame of a video.

    :param number: number of the frame in the video, from 1. Frames that ``every`` leaves out are
        counted too. After a damaged place, the number may be too small, because a decoder does
        not say how many frames it lost. ``time_ns`` stays right.
    :param time_ns: nanoseconds since the start of the video. For a camera, the time at which the
        frame was decoded, in nanoseconds since 1970.
    :param image: (height, width, 3) uint8 BGR, C-contiguous and upright. The receiver owns it.
    """

    number: int
    time_ns: int
    image: npt.NDArray[np.uint8]


class VideoReader:
    """Iterates over the frames of a video, once. A thread of the reader decodes ahead.

    A file is read completely, no matter how slow the receiver is. A camera does not wait for the
    receiver: if the receiver is slow, it gets the newest frame, and older frames are dropped.

    A damaged frame is left out. The frames after it depend on it, so they are left out up to the
    next keyframe. Video has no checksums, so some damage changes pixels without an error.

    :param source: a file, ``/dev/video0`` or its number, or an ``rtsp://`` URL.
    :param every: 1 gives every frame, 2 gives every second frame, and so on.
    :ivar path: the source, without the password of a network camera.
    :ivar size: (height, width) of every frame.
    :ivar rate: frames a second of the video, before ``every`` leaves frames out.
    :ivar count: number of frames that the iteration is expected to give; None if it is
        unknown. Damaged frames make the true number smaller.
    :ivar is_live: whether the source is a camera.
    :ivar bad: one line for each place of the video that could not be decoded, for at most 1000
        places. The thread of the reader adds lines during the iteration.
    :raises VideoError: if PyAV is missing, if the source cannot be opened, or if it has no frame
        that can be decoded. The message names the source.
    """

    def __init__(self, source: str | Path, *, every: int = 1) -> None:
        if every < 1:
            raise VideoError(f'every is {every}; it must be 1 or more')
        found = find_source(source)
        self.path, self.is_live = found.name, found.is_live
        self.bad: list[str] = []
        self._every = every
        self._container = found.open()
        try:
            self._open_stream()
            frames = self._frames()
            first = next(frames, None)
            if first is None:
                why = f': {self.bad[0]}' if self.bad else ''
                raise VideoError(f'{self.path} has no frame that can be decoded{why}')
        except BaseException:
            self._container.close()
            raise
        self.size = first.image.shape[0], first.image.shape[1]
        most = max(1, min(AHEAD_FRAMES, AHEAD_BYTES // first.image.nbytes))
        self._ahead = HandOver[VideoFrame](1 if self.is_live else most, self.is_live)
        self._thread = threading.Thread(target=self._decode_ahead, args=[first, frames],
                                        name='video reader', daemon=True)
        self._thread.start()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def dropped(self) -> int:
        """Number of frames of a camera that were dropped because the receiver was slow."""
        return self._ahead.dropped

    def __iter__(self) -> Iterator[VideoFrame]:
        """Yield the frames in the order in which they are shown.

        :raises VideoError: if a camera sends no more frames, or if the pixels of the video cannot
            be converted to BGR.
        """
        while (frame := self._ahead.get()) is not None:
            yield frame

    def close(self) -> None:
        """Stop the thread and close the source. An iteration that waits for a frame ends.

        A second call does nothing. Any thread may call this.
        """
        self._ahead.stop()
        self._thread.join(SECONDS)

    def _open_stream(self) -> None:
        video = [s for s in self._container.streams.video if s.codec_context is not None]
        if not video:
            raise VideoError(f'{self.path} has no video that this FFmpeg can decode')
        # The picture on the cover of an audio file is also a video stream, of one frame.
        self._stream = max(video, key=lambda s: (s.frames != 1, s.width * s.height))
        self._stream.codec_context.options = dict(LIMITS)
        # Threads that decode several frames at once delay the newest frame of a camera. With
        # threads for slices, FFmpeg shows wrong colours after a damaged frame.
        self._stream.thread_type = 'NONE' if self.is_live else 'FRAME'
        self.rate = self._stream.average_rate or self._stream.guessed_rate or _USUAL_RATE
        self.count = self._count()

    def _count(self) -> int | None:
        if self.is_live:
            return None
        # In a file that was not completed, stream.frames counts only the first part.
        frames = round(self.rate * self._seconds()) or self._stream.frames
        return -(-frames // self._every) if frames else None

    def _seconds(self) -> Fraction:
        """Return the duration that the file gives, or 0 if it gives none."""
        if self._stream.duration and self._stream.time_base:
            return self._stream.duration * self._stream.time_base
        return Fraction(self._container.duration or 0, 1_000_000)

    def _decode_ahead(self, first: VideoFrame, frames: Iterator[VideoFrame]) -> None:
        try:
            going_on = self._ahead.put(first)
            while going_on and (frame := next(frames, None)) is not None:
                going_on = self._ahead.put(frame)
            self._ahead.finish()
        except Exception as error:
            self._ahead.finish(error)
        finally:
            self._container.close()

    def _frames(self) -> Iterator[VideoFrame]:
        """Decode the video. Leave out the damaged frames, and the frames that ``every`` skips."""
        converter = BgrConverter()
        damage = _Damage(self.bad)
        last_ns = 0
        for number, (decoded, reason) in enumerate(self._checked(), 1):
            if decoded is None:
                damage.add(number, reason)
                continue
            damage.end()
            last_ns = self._time_ns(decoded, number)
            if (number - 1) % self._every:
                continue
            try:
                image = converter.convert(decoded)
            except FrameError as error:
                raise VideoError(f'{self.path}: {error}') from error
            yield VideoFrame(number, last_ns, image)
        damage.end()
        self._check_end(last_ns)

    def _check_end(self, last_ns: int) -> None:
        """Add a line if the file ends too early. FFmpeg reports no error for Matroska files."""
        seconds = self._seconds()
        missing = seconds - Fraction(last_ns, _SECOND) - 1 / self.rate
        # The duration is that of the longest stream. The sound may be longer than the video, so a
        # file with sound is not checked.
        if len(self._container.streams) == 1 and not self.is_live and missing > 1 and not self.bad:
            self.bad.append(f'the video ends after {last_ns / _SECOND:.1f} s, but the file has '
                            f'a duration of {float(seconds):.1f} s; the file is cut off')

    def _checked(self) -> Iterator[tuple[DecodedFrame | None, str]]:
        """Yield each frame with an empty reason, or None with the reason why there is no frame.

        After a damaged frame, no frame is right until the next keyframe, because only a keyframe
        needs no other frame. If a file was trimmed, its first frames may come without their
        keyframe. These frames are right.
        """
        reason = 'there was no keyframe yet' if self.is_live else ''
        damaged_pts = None
        width, height = self._stream.width, self._stream.height
        for decoded, error, pts in self._decoded():
            if decoded is not None and (decoded.width, decoded.height) != (width, height):
                error = (f'the frame has {decoded.width}x{decoded.height} pixels, but the video '
                         f'has {width}x{height}')
            if error:
                reason, damaged_pts = error, pts
            # The decoder may still hold a keyframe from before the damage.
            elif decoded is not None and decoded.key_frame and (
                    pts is None or damaged_pts is None or pts > damaged_pts):
                reason = ''
            yield None if reason else decoded, reason

    def _decoded(self) -> Iterator[tuple[DecodedFrame | None, str, int | None]]:
        """Yield each frame, its error (empty if there is none), and its time stamp."""
        av = import_av()
        for packet, error in self._packets():
            frames: list[DecodedFrame] = []
            if packet is not None and not error:
                try:
                    frames = self._stream.codec_context.decode(packet)
                except av.FFmpegError as failure:
                    error = reason_of(failure)
            if error:
                yield None, error, packet.pts if packet is not None else None
            for frame in frames:
                yield frame, 'the frame is damaged' if frame.is_corrupt else '', frame.pts

    def _packets(self) -> Iterator[tuple[Packet[VideoStream] | None, str]]:
        """Yield each packet, and why it cannot be decoded (empty if it can be decoded)."""
        av = import_av()
        try:
            for packet in self._container.demux(self._stream):
                yield packet, 'the file is damaged or cut off' if packet.is_corrupt else ''
        except av.FFmpegError as error:
            if self.is_live:
                raise VideoError(f'{self.path} sends no more frames: {reason_of(error)}'
                                 ) from error
            yield None, f'the rest of the file cannot be read: {reason_of(error)}'

    def _time_ns(self, decoded: DecodedFrame, number: int) -> int:
        if self.is_live:
            return time.time_ns()
        if decoded.pts is None or decoded.time_base is None:
            return round((number - 1) * _SECOND / self.rate)
        start = self._stream.start_time or 0
        return round((decoded.pts - start) * decoded.time_base * _SECOND)


class _Damage:
    """Writes one line for all damaged frames that follow each other."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._first = self._last = 0
        self._reason = ''

    def add(self, number: int, reason: str) -> None:
        if not self._first:
            self._first, self._reason = number, reason
        self._last = number

    def end(self) -> None:
        if self._first:
            which = f'frame {self._first}' if self._first == self._last else (
                f'frames {self._first} to {self._last}')
            if len(self._lines) < MOST_LINES:
                self._lines.append(f'{which}: {self._reason}')
        self._first = 0
