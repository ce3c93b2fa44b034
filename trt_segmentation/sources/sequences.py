# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Sources whose images follow each other in time: videos, cameras and bags."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BagError, FrameError, VideoError
from ..host.decode_raw import decode
from ..threads.ordered_map import map_ahead
from ..video.damage import DamagedPart
from ..video.reader import VideoReader
from .image import AnyImage, BadImage, count_bytes, OpenSource, SourceImage

if TYPE_CHECKING:
    from ..bags.reader import Recorded

USUAL_RATE = Fraction(10)
"""Assumed rate of a bag, in images per second, if the log times (the times of recording) give no
rate."""
MAX_RATE = Fraction(240)
"""Largest accepted rate of a bag, in images per second. For a higher rate, USUAL_RATE is used."""


@dataclass(frozen=True)
class VideoImages:
    """The images of a video file or of a camera.

    :param source: see :class:`.VideoReader`.
    :param every: 1 gives every image, 2 gives every second image, and so on.
    """

    source: str | Path
    title: str
    name: str
    every: int = 1
    picture_names: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The path of the video file, or the name of the camera as a path."""
        return (Path(self.source),)

    def open(self) -> OpenSource:
        """Open the video. The reader then decodes the first frames in advance.

        :raises VideoError: if PyAV is missing, or the video cannot be opened.
        """
        reader = VideoReader(self.source, every=self.every)
        return OpenSource(self._read(reader), reader.count, reader.rate / self.every, reader.close,
                          lambda: reader.dropped)

    def _read(self, reader: VideoReader) -> Iterator[AnyImage]:
        told = 0
        with reader:
            for frame in reader:
                parts = reader.damaged[told:]
                told += len(parts)
                yield from map(self._bad, parts)
                yield SourceImage(f'{self.name}/{frame.number:06d}',
                                  f'{self.title} frame {frame.number}', frame.image,
                                  frame.time_ns)
            yield from map(self._bad, reader.damaged[told:])

    def _bad(self, part: DamagedPart) -> BadImage:
        return BadImage(self.title, VideoError(f'{self.title}: {part.line}'), part.count)


@dataclass(frozen=True)
class BagImages:
    """The images of one topic of a bag, in the order of their log times.

    :param path: a rosbag2 folder, or a bare .mcap or .db3 file.
    :param topic: image topic; None for the topic of the only camera.
    :param every: as in :class:`VideoImages`.
    :param say: called with one line of text if the bag has image topics that are left out.
    """

    path: Path
    title: str
    name: str
    topic: str | None = None
    every: int = 1
    say: Callable[[str], None] = lambda line: None
    picture_names: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file or folder of the bag."""
        return (self.path,)

    def open(self) -> OpenSource:
        """Open the bag, and look for its image topic.

        :raises BagError: if the bag or the topic cannot be read, or if the bag has only depth
            images.
        """
        from ..bags.cameras import find_camera_topic  # rosbags is optional
        from ..bags.reader import BagReader
        with BagReader(self.path) as bag:
            topic = find_camera_topic(bag, self.topic, self.say)
            count = bag.image_topics()[topic]
            rate = _find_rate(count, bag.duration_ns)
        return OpenSource(self._read(topic), -(-count // self.every), rate / self.every)

    def _read(self, topic: str) -> Iterator[AnyImage]:
        from ..bags.reader import BagReader
        # This generator may run in another thread than open(), so it opens a reader of its own.
        with BagReader(self.path) as bag, closing(bag.messages([topic])) as messages:
            wanted = (m for m in messages if (m.number - 1) % self.every == 0)
            with closing(map_ahead(self._decode, wanted, 'decode image', size_of=count_bytes)
                         ) as images:
                yield from images

    def _decode(self, message: Recorded) -> AnyImage:
        origin = f'{self.title} message {message.number}'
        try:
            image = np.require(decode(message.frame()).bgr(), requirements=['C', 'W'])
        except FrameError as error:
            return BadImage(origin, BagError(f'{origin}: {error}'))
        return SourceImage(f'{self.name}/{message.number:06d}', origin, image,
                           message.log_time_ns)


def _find_rate(count: int, duration_ns: int) -> Fraction:
    """Return the rate of the images in a bag, in images per second.

    If other topics of the bag begin earlier or end later than the images, the rate is too low.

    :param duration_ns: nanoseconds from the first message of the bag to the last message.
    """
    if count < 2 or duration_ns <= 0:
        return USUAL_RATE
    rate = Fraction((count - 1) * 1_000_000_000, duration_ns).limit_denominator(100)
    return rate if 0 < rate <= MAX_RATE else USUAL_RATE
