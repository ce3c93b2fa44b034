# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes messages with packets of a video, and bags of such messages."""

from pathlib import Path
from typing import Any

import numpy as np
import recordings
from recordings import FIRST, header, Message, write_bag
from rosbags.typesys import get_types_from_msg

FOXGLOVE = 'foxglove_msgs/msg/CompressedVideo'
NEW_FOXGLOVE = 'foxglove_new/msg/CompressedVideo'
FFMPEG = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
_FOXGLOVE_FIELDS = ('builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\n'
                    'string format\n')
STORE = recordings.STORE
STORE.register({
    **get_types_from_msg(_FOXGLOVE_FIELDS, FOXGLOVE),
    **get_types_from_msg(_FOXGLOVE_FIELDS + 'string uuid\nfloat64[] lineage\n', NEW_FOXGLOVE),
    **get_types_from_msg(
        'std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n'
        'uint8 flags\nbool is_bigendian\nuint8[] data\n', FFMPEG)})
STEP = 40_000_000
"""Nanoseconds between two messages."""


def video_message(msgtype: str, number: int, packet: bytes, format: str,
                  frame_id: str = 'left', little_endian: bool = True) -> bytes:
    """Return one packet as a serialized message. The stamp is FIRST + number * STEP."""
    head, data = header(FIRST + number * STEP, frame_id), np.frombuffer(packet, np.uint8)
    if msgtype == FFMPEG:
        message = STORE.types[FFMPEG](
            header=head, width=96, height=64, encoding=format, pts=number, flags=1,
            is_bigendian=False, data=data)
    else:
        more: dict[str, Any] = {} if msgtype == FOXGLOVE else {
            'uuid': 'a', 'lineage': np.zeros(3)}
        message = STORE.types[msgtype](
            timestamp=head.stamp, frame_id=frame_id, data=data, format=format, **more)
    return bytes(STORE.serialize_cdr(message, msgtype, little_endian=little_endian))


def video_bag(path: Path, packets: list[bytes], format: str = 'h264', msgtype: str = FOXGLOVE,
              topic: str = '/camera/image_raw/foxglove', storage: str = 'mcap',
              first: int = 0) -> Path:
    """Write a bag with one message for each packet. The log time is 7 ms after the stamp."""
    return write_bag(path, [
        Message(topic, msgtype, FIRST + n * STEP + 7_000_000,
                video_message(msgtype, n, packet, format))
        for n, packet in enumerate(packets, first)], storage)
