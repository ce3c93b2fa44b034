# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes the messages of one H.264 or H.265 topic of a bag."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FrameError
from ..frame import Frame
from ..video.messages import parse_video
from ..video.nal_units import find_units
from ..video.packets import Answer, DecodedPicture, find_codec, PacketDecoder

if TYPE_CHECKING:
    from .reader import Recorded


class VideoTopic:
    """Adds a frame to each message of a topic, or the reason why the message has no frame.

    :raises VideoError: if PyAV is missing.
    """

    def __init__(self) -> None:
        self._decoder = PacketDecoder['Recorded']()

    def decode(self, recorded: Recorded) -> list[Recorded]:
        """Decode the next message.

        :returns: the messages that are complete now, in the order in which their frames are shown.
            If the video has B-frames (frames that depend on a later frame), a message may be
            complete only after later messages.
        """
        try:
            message = parse_video(np.frombuffer(recorded.data, np.uint8), recorded.msgtype)
        except FrameError as error:
            lost = self._decoder.lose('an earlier message cannot be read')
            return [*map(_complete, lost), replace(recorded, problem=str(error))]
        return list(map(_complete, self._decoder.decode(message.data, message.format, recorded)))

    def finish(self) -> list[Recorded]:
        """Return the messages that :meth:`decode` has not returned yet."""
        return list(map(_complete, self._decoder.finish()))


def _complete(answer: Answer[Recorded]) -> Recorded:
    return replace(answer.token, picture=answer.picture, problem=answer.reason)


def is_keyframe(recorded: Recorded) -> bool:
    """Return whether a video message is a keyframe; False if the message is damaged."""
    try:
        message = parse_video(np.frombuffer(recorded.data, np.uint8), recorded.msgtype)
    except FrameError:
        return False
    codec = find_codec(message.format)
    return codec is not None and any(unit.is_key for unit in find_units(message.data, codec))


def read_picture_frame(recorded: Recorded, picture: DecodedPicture) -> Frame:
    """Return the frame of a decoded video message. The frame owns its pixels."""
    message = parse_video(np.frombuffer(recorded.data, np.uint8), recorded.msgtype)
    bgr = picture.bgr()
    height, width, channels = bgr.shape
    return Frame(bgr.reshape(-1), 'bgr8', height, width, width * channels,
                 stamp_ns=message.stamp_ns, frame_id=message.frame_id)
