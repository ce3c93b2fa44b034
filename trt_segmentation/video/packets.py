# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes the packets of one H.264 or H.265 topic, and says why a packet gives no frame.

A packet is usually the data of one frame. A keyframe can be decoded without any other frame.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
import re
from typing import Any, Generic, TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from ..untrusted.terminal_text import short
from .h264_numbers import FrameNumbers
from .nal_units import find_units, NalUnit
from .pixels import BgrConverter
from .pyav import import_av, LIMITS, reason_of

if TYPE_CHECKING:
    from av import Packet, VideoCodecContext
    from av import VideoFrame as DecodedFrame

MAX_PACKET = 64 << 20
"""Largest size of one packet, in bytes. A frame of H.264 or H.265 has at most 36 million
pixels. Even without compression, these pixels need only 54 million bytes in YUV 4:2:0."""
MOST_DELAYED = 17
"""Largest number of packets that wait for their frame. The standards allow a decoder to hold back
16 frames, and the newest packet waits too."""
_CODECS = (('h264', re.compile(r'h\.?264|avc1?|.*x264|h264_.*|.*openh264', re.I)),
           ('hevc', re.compile(r'h\.?265|hevc|.*x265|hevc_.*', re.I)))
"""Codecs, and the names that messages use for them. Older publishers write the name of the encoder
instead of the name of the codec."""
_NO_KEYFRAME = 'there was no keyframe yet'
Token = TypeVar('Token')


@dataclass(frozen=True)
class Answer(Generic[Token]):
    """The result of one packet.

    :param token: the object that was passed to :meth:`PacketDecoder.decode` with the packet.
    :param picture: the decoded frame; None if the packet gives no frame.
    :param reason: why there is no frame; empty if there is a frame.
    """

    token: Token
    picture: DecodedPicture | None
    reason: str = ''


class DecodedPicture:
    """A decoded frame. Its pixels are converted to BGR only when :meth:`bgr` is called."""

    def __init__(self, decoded: DecodedFrame, converter: BgrConverter) -> None:
        self._decoded, self._converter = decoded, converter

    def bgr(self) -> npt.NDArray[np.uint8]:
        """Return (height, width, 3) uint8 BGR, C-contiguous. The caller owns the array.

        Any thread may call this method.

        :raises FrameError: if FFmpeg cannot convert this pixel format.
        """
        return self._converter.convert(self._decoded)


class PacketDecoder(Generic[Token]):
    """Decodes the packets of one topic, and gives exactly one :class:`Answer` to each packet.

    Only one thread at a time may use a decoder. The decoder begins at a keyframe. After a lost or
    damaged packet, no packet gives a frame until the next keyframe, because the frames would have
    wrong pixels.

    If a stream has B-frames (frames that depend on a later frame), the decoder holds back the
    later frame, so the answer to its packet comes after the answers to the B-frames. The frames
    come in the order in which they are shown.

    :raises VideoError: if PyAV is missing.
    """

    def __init__(self) -> None:
        self._av = import_av()
        self._converter = BgrConverter()
        self._codec = ''
        self._numbers = FrameNumbers()
        self._context: VideoCodecContext | None = None
        self._pending: dict[int, Token] = {}
        self._count = 0
        self._waiting = _NO_KEYFRAME
        # Number of the first damaged packet since the last keyframe; None if there is none.
        self._damaged_at: int | None = None

    def decode(self, data: bytes, format: str, token: Token) -> list[Answer[Token]]:
        """Decode the next packet.

        :param data: the packet, in the Annex B format; see :mod:`.nal_units`.
        :param format: the codec as the message names it, such as ``h264``, or
            ``hevc;nv12;bgr8;bgr8``.
        :param token: any object. The answer to this packet will contain this object.
        :returns: the answers that are complete now. They may be answers to earlier packets.
        """
        codec = find_codec(format)
        if codec is None:
            return [*self.lose('an earlier packet has another codec'), Answer(
                token, None, f'format {short(format, 40)} cannot be decoded; expected h264 '
                'or h265')]
        answers: list[Answer[Token]] = []
        if codec != self._codec:
            answers = self.lose('the codec of the topic changed') if self._codec else []
            self._codec, self._context, self._numbers = codec, None, FrameNumbers()
        if not data or len(data) > MAX_PACKET:
            return [*answers, *self.lose('an earlier packet cannot be decoded'), Answer(
                token, None, f'the packet has {len(data):,} bytes; expected 1 to {MAX_PACKET:,}')]
        return [*answers, *self._decode_checked(data, token)]

    def lose(self, reason: str = 'an earlier packet was lost') -> list[Answer[Token]]:
        """Tell the decoder that a packet was lost.

        :param reason: why the packets before the next keyframe give no frame.
        :returns: the answers to the packets that had no answer yet.
        """
        answers = self.finish()
        self._waiting = f'{reason}, so there is no frame until the next keyframe'
        return answers

    def finish(self) -> list[Answer[Token]]:
        """Empty the decoder, and return the answers to all packets that had no answer yet."""
        answers = self._run(None) if self._context is not None and self._pending else []
        answers += [Answer(token, None, 'the stream ended or was interrupted before '
                          'the frame was decoded')
                    for token in self._pending.values()]
        self._pending.clear()
        # After a damaged frame, an H.264 decoder with slice threading gives wrong colours, even if
        # the decoder is flushed. So the next packet gets a new FFmpeg decoder.
        self._context, self._waiting = None, _NO_KEYFRAME
        self._numbers.restart()
        return answers

    def _decode_checked(self, data: bytes, token: Token) -> list[Answer[Token]]:
        units = list(find_units(data, self._codec))
        if not units:
            return [*self.lose('an earlier packet cannot be decoded'), Answer(
                token, None, f'the packet is not {self._codec} in the Annex B format; it '
                f'starts with {data[:8].hex(" ")}')]
        for unit in units:
            self._numbers.read_parameters(unit)
        picture = units[-1]
        if not picture.is_picture:
            return [*self._feed_parameters(data), Answer(
                token, None, 'the packet holds parameters of the video, but no frame')]
        answers: list[Answer[Token]] = []
        if self._is_key(units):
            if self._waiting:
                self._numbers.restart()
            self._waiting, self._damaged_at = '', None
        if not self._waiting and self._codec == 'h264' and self._numbers.find_gap(picture):
            answers = self.lose()
        if self._waiting:
            return [*answers, Answer(token, None, self._waiting)]
        self._pending[self._count] = token
        packet = self._av.Packet(data)
        packet.pts = self._count
        self._count += 1
        return [*answers, *self._run(packet)]

    def _feed_parameters(self, data: bytes) -> list[Answer[Token]]:
        """Decode a packet that holds only parameters. Some cameras send such packets."""
        with suppress(self._av.FFmpegError):    # FFmpeg reports that the packet has no frame
            return [self._answer(frame) for frame in self._open().decode(self._av.Packet(data))
                    if frame.pts in self._pending]
        return []

    def _is_key(self, units: list[NalUnit]) -> bool:
        # In H.264, the decoder can also begin with a packet that holds the parameters of the video
        # and a frame that needs no other frame.
        return units[-1].is_key or (
            self._codec == 'h264' and any(unit.is_parameters for unit in units)
            and self._numbers.is_intra(units[-1]))

    def _run(self, packet: Packet[Any] | None) -> list[Answer[Token]]:
        """Decode a packet. If ``packet`` is None, get the frames that the decoder still holds."""
        answers: list[Answer[Token]] = []
        context = self._open()
        try:
            answers += [self._answer(frame) for frame in context.decode(packet)
                        if frame.pts in self._pending]
        except self._av.FFmpegError as error:
            if packet is not None:
                answers.append(self._refuse(self._count - 1, reason_of(error)))
        if packet is None:
            return answers
        # Without B-frames, the frame of a packet comes at once or never.
        while len(self._pending) > (MOST_DELAYED if context.has_b_frames else 0):
            answers.append(self._refuse(next(iter(self._pending)), 'the decoder gave no frame'))
        if self._damaged_at is not None:
            answers += self.lose('an earlier packet is damaged')
        return answers

    def _open(self) -> VideoCodecContext:
        if self._context is None:
            context = self._context = self._av.CodecContext.create(self._codec, 'r')
            # Frame threading would delay the newest frame, so use slice threading.
            context.thread_type, context.thread_count = 'SLICE', 4
            context.options = dict(LIMITS)
            if self._codec == 'hevc':
                # With this flag, FFmpeg also returns frames that depend on a missing frame, and
                # marks these frames as corrupt.
                context.flags |= self._av.codec.context.Flags.output_corrupt
        return self._context

    def _answer(self, frame: DecodedFrame) -> Answer[Token]:
        assert frame.pts is not None
        if frame.is_corrupt:
            return self._refuse(frame.pts, 'the frame is damaged, or a frame before it is missing')
        if self._damaged_at is not None and frame.pts > self._damaged_at:
            return self._refuse(frame.pts, 'the frame depends on a damaged frame')
        return Answer(self._pending.pop(frame.pts), DecodedPicture(frame, self._converter))

    def _refuse(self, pts: int, reason: str) -> Answer[Token]:
        if self._damaged_at is None or pts < self._damaged_at:
            self._damaged_at = pts
        return Answer(self._pending.pop(pts), None, reason)


def find_codec(format: str) -> str | None:
    """Return ``h264`` or ``hevc`` if a message names this codec; None for any other codec."""
    name = format.partition(';')[0].strip()[:100]
    return next((codec for codec, names in _CODECS if names.fullmatch(name)), None)
