# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the frames of a video file or a camera, and decodes the next frames in advance.

The receiver is the thread that takes the frames from the reader.
"""

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
from ..threads.hand_over import HandOver
from .damage import DamageLog
from .pixels import BgrConverter
from .pyav import import_av, LIMITS, reason_of
from .source import find_source, SECONDS

if TYPE_CHECKING:
    from av import Packet, VideoStream
    from av import VideoFrame as DecodedFrame

AHEAD_BYTES = 128 << 20
"""Largest total size of the decoded frames that wait for the receiver, in bytes."""
AHEAD_FRAMES = 8
"""Largest number of decoded frames that wait for the receiver."""
_SECOND = 1_000_000_000
_IN_ORDER = ('h264', 'hevc', 'mpeg4', 'vp9')
"""If a video has no B-frames (frames that depend on a later frame), these decoders return the
frames before the damage, then the error, then the frames after the damage. Other decoders may
return the error too early."""
_USUAL_RATE = Fraction(30)
"""Assumed rate of a video that does not state its rate, in frames per second."""


@dataclass(frozen=True)
class VideoFrame:
    """One decoded frame of a video.

    :param number: number of the frame in the video, from 1. The reader also counts the frames that
        ``every`` leaves out, and the lost frames of a file. A camera does not tell how many frames
        were lost, so the numbers may be too small after damage.
    :param time_ns: nanoseconds since the start of the video. For a camera, the time at which the
        frame was decoded, in nanoseconds since 1970.
    :param image: (height, width, 3) uint8 BGR, C-contiguous and upright. The receiver owns it.
    """

    number: int
    time_ns: int
    image: npt.NDArray[np.uint8]


class VideoReader:
    """Iterates once over the frames of a video. A thread of the reader decodes in advance.

    From a file, the receiver gets every frame, even if the receiver is slow. A camera does not
    wait for a slow receiver: the receiver gets the newest frame, and older frames are dropped.

    After damage, the reader gives no frame until the next keyframe (a frame that needs no other
    frame). Video has no checksums, so some damage changes pixels but causes no error.

    :param source: see :func:`.find_source`.
    :param every: 1 gives every frame, 2 gives every second frame, and so on.
    :param window: (begin, end) in nanoseconds since the start of the video; None for all frames,
        and for a camera. The reader gives only the frames with begin <= time < end, and numbers
        them from 1. The caller must make sure that the frame at ``begin`` is a keyframe.
    :ivar path: the source, without the password of a network camera.
    :ivar size: (height, width) of every frame.
    :ivar rate: frames per second of the video. ``every`` does not change this number.
    :ivar count: expected number of frames of the iteration; None if it is unknown. If frames are
        damaged, the iteration gives fewer frames.
    :ivar is_live: whether the source is a camera.
    :ivar bad: one message for each part that could not be decoded. The iteration adds messages.
    :ivar damaged: one :class:`.DamagedPart` for each message in ``bad``.
    :raises VideoError: if PyAV is missing, if the source cannot be opened, or if no frame of the
        source can be decoded. The message names the source.
    """

    def __init__(self, source: str | Path, *, every: int = 1,
                 window: tuple[int, int] | None = None) -> None:
        if every < 1:
            raise VideoError(f'`every` is {every}; expected 1 or more')
        found = find_source(source)
        self.path, self.is_live = found.name, found.is_live
        self._damage = DamageLog(found.is_live, window)
        self.bad, self.damaged = self._damage.lines, self._damage.parts
        self._every, self._window = every, window
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
        """Stop the thread and close the source. An iteration that waits for a frame then ends.

        A second call does nothing. Any thread may call this method.
        """
        self._ahead.stop()
        self._thread.join(SECONDS)

    def _open_stream(self) -> None:
        video = [s for s in self._container.streams.video if s.codec_context is not None]
        if not video:
            raise VideoError(f'{self.path} has no video that this FFmpeg can decode')
        # The cover picture of an audio file is also a video stream, which has one frame.
        self._stream = max(video, key=lambda s: (s.frames != 1, s.width * s.height))
        self._stream.codec_context.options = dict(LIMITS)
        # Decode a camera without threads. Frame threading delays the newest frame. With slice
        # threading, FFmpeg gives wrong colours after a damaged frame.
        self._stream.thread_type = 'NONE' if self.is_live else 'FRAME'
        self.rate = self._stream.average_rate or self._stream.guessed_rate or _USUAL_RATE
        self.count = self._count()
        if self._window and (base := self._stream.time_base):
            # The index of a file may have decoding times, which are earlier than the times at
            # which frames are shown. So the search begins one second earlier.
            begin = max(Fraction(self._window[0], _SECOND) - 1, Fraction(0))
            self._container.seek((self._stream.start_time or 0) + int(begin / base),
                                 stream=self._stream)

    def _count(self) -> int | None:
        if self.is_live:
            return None
        # In a file that is not complete, stream.frames may count only the first frames.
        seconds = self._seconds()
        if self._window:
            begin, end = (Fraction(time, _SECOND) for time in self._window)
            seconds = max(min(end, seconds or end) - begin, Fraction(0))
        frames = round(self.rate * seconds) or self._stream.frames
        return -(-frames // self._every) if frames else None

    def _seconds(self) -> Fraction:
        """Return the duration that the file states; 0 if the file states none."""
        if self._stream.duration and self._stream.time_base:
            return self._stream.duration * self._stream.time_base
        return Fraction(self._container.duration or 0, 1_000_000)

    def _decode_ahead(self, first: VideoFrame, frames: Iterator[VideoFrame]) -> None:
        try:
            going_on = self._ahead.put(first)
            while going_on and (frame := next(frames, None)) is not None:
                going_on = self._ahead.put(frame)
            if going_on and self.is_live:
                raise VideoError(f'{self.path} sends no more frames: the camera ended the video')
            self._ahead.finish()
        except Exception as error:
            self._ahead.finish(error)
        finally:
            self._container.close()

    def _frames(self) -> Iterator[VideoFrame]:
        """Yield the frames, except the damaged frames and the frames that ``every`` leaves out."""
        converter, damage = BgrConverter(), self._damage
        last_ns = number = 0
        for decoded, reason in self._checked():
            if decoded is None:
                damage.add(number + 1, reason)
                continue
            last_ns = self._time_ns(decoded, number + damage.waiting + 1)
            number += damage.end(last_ns) + 1
            if self._window and last_ns >= self._window[1]:
                return
            if self._window and last_ns < self._window[0]:
                number = 0
            if not number or (number - 1) % self._every:
                continue
            try:
                image = converter.convert(decoded)
            except FrameError as error:
                raise VideoError(f'{self.path}: {error}') from error
            yield VideoFrame(number, last_ns, image)
        if number and not self.is_live:
            damage.add_undecoded(number + 1, last_ns)
        if not damage.end() and number:
            self._check_end(last_ns)

    def _check_end(self, last_ns: int) -> None:
        """Report that a file is cut off. For a Matroska file, FFmpeg does not report this."""
        seconds = self._seconds()
        missing = seconds - Fraction(last_ns, _SECOND) - 1 / self.rate
        # A file with several streams is not checked. Its duration may be the duration of the
        # sound, and the sound may be longer than the video.
        if len(self._container.streams) == 1 and not self.is_live and missing > 1 and not self.bad:
            self._damage.report(f'the video ends after {last_ns / _SECOND:.1f} s, but the file '
                                f'has a duration of {float(seconds):.1f} s; the file is cut off')

    def _checked(self) -> Iterator[tuple[DecodedFrame | None, str]]:
        """Yield (frame, '') for each good frame, and (None, reason) for each frame left out.

        After a damaged frame, all frames up to the next keyframe are left out, because only a
        keyframe needs no other frame. A trimmed file may give frames before the first keyframe.
        These frames are good.
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
            # A decoder may return a keyframe late: the keyframe comes after the report of the
            # damage, but its time is before the damage. Such a keyframe does not end the damage.
            elif decoded is not None and decoded.key_frame and (
                    pts is None or damaged_pts is None or pts > damaged_pts):
                reason = ''
            yield None if reason else decoded, reason

    def _decoded(self) -> Iterator[tuple[DecodedFrame | None, str, int | None]]:
        """Yield (frame or None, error, time stamp). The error is empty if the frame is good.

        The time stamp of an error is None if all frames that come later are after the damage.
        """
        av, codec = import_av(), self._stream.codec_context
        for packet, error in self._packets():
            if packet is not None and packet.pts is not None and not (
                    self.is_live or packet.is_discard):
                self._damage.read_packet(self._since_start_ns(packet.pts))
            frames: list[DecodedFrame] = []
            pts = packet.pts if packet is not None else None
            if packet is not None and not error:
                try:
                    frames = codec.decode(packet)
                except av.FFmpegError as failure:
                    error = reason_of(failure)
                    # Several threads decode, so the error may be about a packet before this one.
                    # Some decoders give only frames after the damage from now on; see _IN_ORDER.
                    if codec.name in _IN_ORDER and not codec.has_b_frames:
                        pts = None
            if error:
                yield None, error, pts
            for frame in frames:
                yield frame, 'the frame is damaged' if frame.is_corrupt else '', frame.pts

    def _packets(self) -> Iterator[tuple[Packet[VideoStream] | None, str]]:
        """Yield (packet or None, error). The error is empty if the packet is good."""
        av = import_av()
        try:
            for packet in self._container.demux(self._stream):
                yield packet, 'the file is damaged or cut off' if packet.is_corrupt else ''
        except av.FFmpegError as error:
            if self.is_live:
                is_late = isinstance(error, av.error.ExitError)     # PyAV's own time limit
                reason = f'there was no frame for {SECONDS:g} s' if is_late else reason_of(error)
                raise VideoError(f'{self.path} sends no more frames: {reason}') from error
            yield None, f'the rest of the file cannot be read: {reason_of(error)}'

    def _time_ns(self, decoded: DecodedFrame, number: int) -> int:
        if self.is_live:
            return time.time_ns()
        if decoded.pts is None or decoded.time_base is None:
            return round((number - 1) * _SECOND / self.rate)
        return self._since_start_ns(decoded.pts)

    def _since_start_ns(self, pts: int) -> int:
        base = self._stream.time_base or Fraction(1, _SECOND)
        return round((pts - (self._stream.start_time or 0)) * base * _SECOND)
