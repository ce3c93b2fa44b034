# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the keyframes of a video file: the frames that can be decoded without any other frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import VideoError
from .pyav import import_av, reason_of
from .source import find_source

_SECOND = 1_000_000_000


@dataclass(frozen=True)
class VideoIndex:
    """The keyframes, the end and the number of frames of a video file.

    :param keyframes: times in nanoseconds since the start of the video, ascending.
    :param end_ns: time of the last frame plus 1 ns.
    :param count: number of frames.
    """

    keyframes: tuple[int, ...]
    end_ns: int
    count: int


def find_keyframes(path: Path) -> VideoIndex:
    """Return the index of a video file. No frame is decoded.

    :raises VideoError: if the file cannot be read, or if no keyframe has a time stamp. The message
        names the file.
    """
    av = import_av()
    with find_source(path).open() as container:
        video = max(container.streams.video, default=None,
                    key=lambda s: (s.frames != 1, s.width * s.height))
        if video is None or video.time_base is None:
            raise VideoError(f'{path} has no video that this FFmpeg can decode')
        keys, last, count = [], 0, 0
        try:
            for packet in container.demux(video):
                if packet.pts is None:
                    continue
                count += 1
                time_ns = round((packet.pts - (video.start_time or 0)) * video.time_base * _SECOND)
                last = max(last, time_ns)
                if packet.is_keyframe:
                    keys.append(time_ns)
        except av.FFmpegError as error:
            raise VideoError(f'{path} cannot be read: {reason_of(error)}') from error
    if not keys:
        raise VideoError(f'{path} has no keyframe with a time stamp. Convert it with '
                         f'`ffmpeg -i {path.name} new.mp4`')
    return VideoIndex(tuple(sorted(keys)), last + 1, count)
