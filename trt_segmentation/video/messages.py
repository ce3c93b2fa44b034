# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the two message types that carry the packets (compressed frames) of a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..untrusted.cdr_reader import CdrReader

FOXGLOVE = 'foxglove_msgs/msg/CompressedVideo'
FFMPEG = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
VIDEO_TYPES = (FOXGLOVE, FFMPEG)
"""The message types for video packets. To decode a packet, all packets since the last keyframe are
needed. A keyframe needs no other packet."""


@dataclass(frozen=True)
class VideoMessage:
    """The fields that both message types have.

    :param format: the codec. In an FFMPEGPacket, the codec can be followed by a ``;`` and pixel
        formats.
    :param data: one packet.
    """

    sec: int
    nanosec: int
    frame_id: str
    format: str
    data: bytes

    @property
    def stamp_ns(self) -> int:
        """The time stamp in nanoseconds."""
        return self.sec * 1_000_000_000 + self.nanosec


def parse_video(message: npt.NDArray[np.uint8], msgtype: str) -> VideoMessage:
    """Return the fields of a serialized message.

    More bytes after the known fields are ignored, because a newer version of CompressedVideo may
    have more fields.

    :param message: (n,) uint8, C-contiguous, with the CDR encapsulation header. The result
        contains a copy of the data.
    :param msgtype: one of :data:`VIDEO_TYPES`.
    :raises FrameError: if a field is wrong. The error names the field, the position and the
        reason.
    """
    reader = CdrReader(message)
    stamp_and_frame = reader.read_header()
    if msgtype == FOXGLOVE:
        data = reader.read_bytes('data')
        return VideoMessage(*stamp_and_frame, reader.read_text('format'), data.tobytes())
    reader.read_number('i', 'width')
    reader.read_number('i', 'height')
    encoding = reader.read_text('encoding')
    reader.read_number('Q', 'pts')
    reader.read_number('B', 'flags')
    reader.read_number('B', 'is_bigendian')
    return VideoMessage(*stamp_and_frame, encoding, reader.read_bytes('data').tobytes())
