# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the frames of one shard, which is a part of a recording."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bags.reader import BagReader, COMPRESSED, Recorded
from ..errors import BagError, FrameError, VideoError
from ..host.decode_raw import decode
from ..memory import Allocate, place_bytes
from ..sources.image import AnyImage, BadImage, count_bytes, SourceImage
from ..threads.ordered_map import map_ahead
from ..video.damage import DamagedPart
from ..video.reader import VideoReader
from .shards import Shard


@dataclass(frozen=True)
class ShardFrame:
    """The position and the times of one frame of a shard.

    :param number: position among the frames that :func:`read_shard` yields, from 1.
    :param stamp_ns: header stamp of a bag message, or time of a video frame since the start of the
        video, in nanoseconds. None is possible only for a frame that cannot be decoded.
    :param log_time_ns: time at which a bag message was recorded, in nanoseconds. For a video
        frame, this time is equal to ``stamp_ns``. If ``stamp_ns`` of a video frame is None,
        ``log_time_ns`` is the time of the next good frame, or the end of the shard.
    """

    number: int
    stamp_ns: int | None
    log_time_ns: int
    frame_id: str


def read_shard(shard: Shard, path: Path, allocate: Allocate | None = None,
               pool: ThreadPoolExecutor | None = None, every_s: float = 0.0
               ) -> Generator[tuple[ShardFrame, AnyImage], None, None]:
    """Yield the frames of a shard and their images, in order.

    If a frame cannot be decoded, a BadImage with the reason takes the place of its image. While
    the caller uses one frame, other threads decode the next frames. If the caller stops before the
    last frame, the caller must close the generator.

    :param path: path of the recording on this machine.
    :param allocate: allocates the memory of the images of a bag; see :attr:`.Pipeline.allocate`.
    :param pool: the threads that decode the images of a bag; None for new threads.
    :param every_s: 0 yields every frame. A larger number divides the shard into periods of this
        many seconds, and only the first frame of each period is yielded. A video frame that cannot
        be decoded is always yielded.
    :raises BagError, VideoError: if the recording cannot be read.
    :raises FileNotFoundError: if there is no recording at ``path``.
    """
    is_wanted = _Sampler(shard.begin_ns, every_s)
    with closing(_read_bag(shard, path, allocate, pool, is_wanted) if shard.topic
                 else _read_video(shard, path, is_wanted)) as frames:
        for number, (stamp_ns, log_time_ns, frame_id, image) in enumerate(frames, 1):
            yield ShardFrame(number, stamp_ns, log_time_ns, frame_id), image


class _Sampler:
    """Decides which frames are yielded; see the parameter ``every_s`` of :func:`read_shard`."""

    def __init__(self, begin_ns: int, every_s: float) -> None:
        self._begin_ns, self._every_ns = begin_ns, round(every_s * 1e9)
        self._last: int | None = None

    def __call__(self, time_ns: int) -> bool:
        if not self._every_ns:
            return True
        part = (time_ns - self._begin_ns) // self._every_ns
        if part == self._last:
            return False
        self._last = part
        return True


_Frame = tuple[int | None, int, str, AnyImage]


def decode_message(message: Recorded, shard: Shard, allocate: Allocate | None = None
                   ) -> tuple[str, AnyImage]:
    """Decode an image of a shard.

    :param allocate: see :func:`read_shard`.
    :returns: the frame id and the image. If the image cannot be decoded, the frame id is empty,
        and the image is a BadImage.
    """
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
        return '', BadImage(origin, BagError(str(error)))
    return frame.frame_id, SourceImage('', origin, pixels, message.stamp_ns or 0)


def _read_bag(shard: Shard, path: Path, allocate: Allocate | None,
              pool: ThreadPoolExecutor | None, is_wanted: _Sampler
              ) -> Generator[_Frame, None, None]:
    def choose(messages: Iterable[Recorded]) -> Iterator[Recorded]:
        return (message for message in messages if is_wanted(message.log_time_ns))

    def decode_frame(message: Recorded) -> _Frame:
        return message.stamp_ns, message.log_time_ns, *decode_message(message, shard, allocate)

    with BagReader(path) as bag:
        messages = bag.messages([shard.topic], shard.begin_ns, shard.end_ns)
        with closing(map_ahead(decode_frame, choose(messages), 'decode image', pool=pool,
                               size_of=lambda frame: count_bytes(frame[3]))) as frames:
            yield from frames


def _read_video(shard: Shard, path: Path, is_wanted: _Sampler) -> Generator[_Frame, None, None]:
    told = 0
    with VideoReader(path, window=(shard.begin_ns, shard.end_ns)) as reader:
        for frame in reader:
            # The reader decodes in advance. So it may already list later damage.
            while told < len(reader.damaged) and (
                    end := reader.damaged[told].end_ns) is not None and end <= frame.time_ns:
                yield from _bad(shard, reader.damaged[told])
                told += 1
            if not is_wanted(frame.time_ns):
                continue
            origin = f'{shard.recording.name} {frame.time_ns}'
            yield (frame.time_ns, frame.time_ns, '',
                   SourceImage('', origin, frame.image, frame.time_ns))
        for part in reader.damaged[told:]:
            yield from _bad(shard, part)


def _bad(shard: Shard, part: DamagedPart) -> Iterator[_Frame]:
    """Yield a BadImage for each lost frame of a damaged part of a video."""
    image = BadImage(shard.recording.name, VideoError(part.line))
    for time_ns in part.times_ns:
        yield time_ns, time_ns, '', image
    for _ in range(0 if part.times_ns else part.count):
        yield None, shard.end_ns if part.end_ns is None else part.end_ns, '', image
