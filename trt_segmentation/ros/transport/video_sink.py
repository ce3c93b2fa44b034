# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes the H.264 or H.265 packets of one camera in a thread of its own.

Most packets depend on earlier packets. So packets are decoded in order. If the network is too
slow, the node drops decoded frames and no packets. If the decoder is too slow, new packets are
dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from queue import SimpleQueue
import threading

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from ...errors import FrameError
from ...frame import Frame
from ...memory import Memory
from ...serving.drop_reasons import BAD_FRAME, INTERNAL_ERROR, NO_BUFFER
from ...serving.protocols import FrameSink, IncomingImage
from ...video.messages import VideoMessage
from ...video.packets import Answer, DecodedPicture, PacketDecoder
from .messages import TakenImage

MOST_PACKETS = 120
"""If this many packets already wait for the decoder, the next packet is dropped."""
CLOSE_SECONDS = 5.0
"""Longest time in seconds that :meth:`VideoSink.close` waits for the end of the thread."""


@dataclass(frozen=True)
class _Packet:
    """A packet that waits for the decoder."""

    message: VideoMessage
    arrived: float  # time.monotonic()
    is_after_loss: bool  # whether the packet before this packet was lost


class DecodedImage:
    """A decoded frame, as an :class:`.IncomingImage`. :meth:`frame` converts the pixels to BGR.

    :param message: the message with the packet of this frame.
    """

    def __init__(self, message: VideoMessage, arrived: float, picture: DecodedPicture) -> None:
        self.arrived = arrived
        self.stamp_ns = message.stamp_ns
        self.header = Header(stamp=Time(sec=message.sec, nanosec=message.nanosec),
                             frame_id=message.frame_id)
        self._picture: DecodedPicture | None = picture

    def frame(self, camera: str = '') -> Frame:
        """See :meth:`.IncomingImage.frame`. The frame owns its pixels."""
        if self._picture is None:
            raise RuntimeError('this image was released')
        bgr = self._picture.bgr()
        height, width, channels = bgr.shape
        return Frame(bgr.reshape(-1), 'bgr8', height, width, width * channels,
                     stamp_ns=self.stamp_ns, frame_id=self.header.frame_id, camera=camera)

    def release(self) -> None:
        """See :meth:`.IncomingImage.release`."""
        self._picture = None


class VideoSink:
    """The :class:`.FrameSink` of one video camera. It gives decoded frames to another sink.

    The other sink also gets a report of each packet that gives no frame. The reason is ``no free
    buffer`` if too many packets wait, and usually ``bad frame`` if the packet cannot be decoded.

    :param sink: the other sink. It gets every decoded frame, in the thread of the decoder.
    :raises VideoError: if PyAV is missing.
    """

    buffers = 1

    def __init__(self, sink: FrameSink) -> None:
        self._sink = sink
        self._decoder = PacketDecoder[_Packet]()
        self._packets: SimpleQueue[_Packet | None] = SimpleQueue()
        self._is_after_loss = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name='video decoder', daemon=True)
        self._thread.start()

    def allocate(self, nbytes: int) -> Memory:
        """See :meth:`.FrameSink.allocate`."""
        return self._sink.allocate(nbytes)

    def offer(self, image: IncomingImage) -> None:
        """Queue a message's packet for the decoder, and release the message.

        Call this in the executor's thread.

        :param image: a :class:`.TakenImage` of a video.
        """
        assert isinstance(image, TakenImage)
        try:
            message = image.video()
        except FrameError as error:
            self.not_taken(BAD_FRAME, str(error))
            return
        finally:
            image.release()
        if self._packets.qsize() >= MOST_PACKETS:
            self.not_taken(NO_BUFFER, f'{MOST_PACKETS} packets wait, because the decoder is too '
                           'slow for this video; send fewer or smaller frames', message.stamp_ns)
            return
        self._packets.put(_Packet(message, image.arrived, self._is_after_loss))
        self._is_after_loss = False

    def not_taken(self, reason: str, text: str, stamp_ns: int | None = None) -> None:
        """See :meth:`.FrameSink.not_taken`. Also tell the decoder that a packet is missing."""
        self.lose()
        self._sink.not_taken(reason, text, stamp_ns)

    def lose(self) -> None:
        """Note that a packet before the next one was lost. Call this in the executor's thread."""
        self._is_after_loss = True

    def close(self) -> None:
        """End the thread. Call this in the executor's thread.

        Packets that still wait are neither decoded nor counted. The other sink gets no more
        frames.
        """
        self._is_closed = True
        self._packets.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (packet := self._packets.get()) is not None and not self._is_closed:
            try:
                answers = self._decoder.lose() if packet.is_after_loss else []
                answers += self._decoder.decode(packet.message.data, packet.message.format, packet)
            except Exception as error:  # this thread must go on
                self._decoder = PacketDecoder()
                self._report(INTERNAL_ERROR, f'{type(error).__name__}: {error}', packet)
                continue
            for answer in answers:
                self._give(answer)

    def _give(self, answer: Answer[_Packet]) -> None:
        packet = answer.token
        if answer.picture is None:
            self._report(BAD_FRAME, answer.reason, packet)
        elif not self._is_closed:
            self._sink.offer(DecodedImage(packet.message, packet.arrived, answer.picture))

    def _report(self, reason: str, text: str, packet: _Packet) -> None:
        if not self._is_closed:
            self._sink.not_taken(reason, text, packet.message.stamp_ns)
