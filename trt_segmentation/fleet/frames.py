# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the frames of one shard."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bags.reader import BagReader, COMPRESSED, Recorded
from ..errors import BagError, FrameError, VideoError
from ..host.decode_raw import decode
from ..memory import Allocate, place_bytes
from ..sources.image import AnyImage, BadImage, SourceImage
from ..threads.ordered_map import map_ahead
from ..video.reader import VideoReader
from .shards import Shard


@dataclass(frozen=True)
class ShardFrame:
    """The position and the times of one frame of a shard.

    :param number: position in the shard, from 1.
    :param stamp_ns: header stamp of a bag message, or time of a video frame since the start of the
        video, in nanoseconds; None if the time is unknown.
    :param log_time_ns: log time of a bag message in nanoseconds. For a video, the same as
        ``stamp_ns``. For a bad video frame, an upper limit of its time.
    """

    number: int
    stamp_ns: int | None
    log_time_ns: int
    frame_id: str


def read_shard(shard: Shard, path: Path, allocate: Allocate | None = None,
               pool: ThreadPoolExecutor | None = None
               ) -> Generator[tuple[ShardFrame, AnyImage], None, None]:
    """Yield the frames of a shard and their images, in order.

    If a frame cannot be decoded, its image is a BadImage with the reason. Several threads
    decode the next frames. If you stop before the last frame, close the generator.

    :param path: the recording on this machine.
    :param allocate: allocates the memory of the images of a bag; see :attr:`.Pipeline.allocate`.
    :param pool: the threads that decode the images of a bag; None for new threads.
    :raises BagError, VideoError: if the recording cannot be read.
    :raises FileNotFoundError: if the recording does not exist any more.
    """
    with closing(_read_bag(shard, path, allocate, pool) if shard.topic
                 else _read_video(shard, path)) as frames:
        for number, (stamp_ns, log_time_ns, frame_id, image) in enumerate(frames, 1):
            yield ShardFrame(number, stamp_ns, log_time_ns, frame_id), image


_Frame = tuple[int | None, int, str, AnyImage]


def _read_bag(shard: Shard, path: Path, allocate: Allocate | None,
              pool: ThreadPoolExecutor | None) -> Generator[_Frame, None, None]:
    def decode_message(message: Recorded) -> _Frame:
        origin = f'{shard.recording.name} {shard.topic} {message.log_time_ns}'
        try:
            frame = message.frame(allocate)
            pixels = decode(frame).bgr()
            is_placed = message.msgtype == COMPRESSED and frame.encoding == 'bgr8'
            if allocate is None or is_placed:
                pixels = np.require(pixels, requirements=['C', 'W'])
            else:
                pixels = place_bytes(pixels.reshape(-1), allocate).reshape(pixels.shape)
        except FrameError as error:
            return (message.stamp_ns, message.log_time_ns, '',
                    BadImage(origin, BagError(str(error))))
        return (message.stamp_ns, message.log_time_ns, frame.frame_id,
                SourceImage('', origin, pixels, message.stamp_ns or 0))

    with BagReader(path) as bag:
        messages = bag.messages([shard.topic], shard.begin_ns, shard.end_ns)
        with closing(map_ahead(decode_message, messages, 'decode image', pool=pool,
                               size_of=_count_bytes)) as frames:
            yield from frames


def _count_bytes(frame: _Frame) -> int:
    image = frame[3]
    return image.image.nbytes if isinstance(image, SourceImage) else 0


def _read_video(shard: Shard, path: Path) -> Generator[_Frame, None, None]:
    told = 0
    with VideoReader(path, window=(shard.begin_ns, shard.end_ns)) as reader:
        for frame in reader:
            for line in reader.bad[told:]:
                yield _bad(shard, line, frame.time_ns)
            told = len(reader.bad)
            origin = f'{shard.recording.name} {frame.time_ns}'
            yield (frame.time_ns, frame.time_ns, '',
                   SourceImage('', origin, frame.image, frame.time_ns))
        for line in reader.bad[told:]:
            yield _bad(shard, line, shard.end_ns)


def _bad(shard: Shard, line: str, before_ns: int) -> _Frame:
    return None, before_ns, '', BadImage(shard.recording.name, VideoError(line))
