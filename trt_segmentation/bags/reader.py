# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads images from rosbag2 recordings without a ROS installation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.serde import SerdeError

from ..errors import BagError, FrameError
from ..frame import Frame
from ..host.decode_jpeg_png import decompress
from ..memory import Allocate
from ..untrusted.bag_limits import MAX_MESSAGE, refuse_odd_files, unpack_within_limits
from ..untrusted.terminal_text import did_you_mean
from ..video.messages import VIDEO_TYPES
from ..video.packets import DecodedPicture
from .files import bag_error, check_files
from .mcap_chunks import FastReader
from .message_types import STORE
from .video_topic import read_picture_frame, VideoTopic

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
IMAGE_TYPES = (IMAGE, COMPRESSED, *VIDEO_TYPES)
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
OCCUPANCY_GRID = 'nav_msgs/msg/OccupancyGrid'
RESULTS = ('label_map', 'overlay', 'confidence')
"""The name of an image topic with results of this package ends with one of these words."""

unpack_within_limits()


def is_result(topic: str) -> bool:
    """Return whether an image topic has a name that this package gives to its results."""
    return name_camera(topic).rpartition('/')[2] in RESULTS


def name_camera(topic: str) -> str:
    """Return a topic name without the suffix that image_transport adds, such as /compressed."""
    return re.sub(r'/(compressed|ffmpeg|foxglove)$', '', topic)


def suggest_topic(asked: str, topics: Iterable[str]) -> str:
    """Call :func:`.did_you_mean`, but suggest a depth topic only to a user who asks for depth."""
    wants_depth = 'dep' in asked        # also true for misspelt names such as /dept
    return did_you_mean(asked, [name for name in topics if wants_depth or 'depth' not in name])


def stamp_text(stamp_ns: int | None) -> str:
    """Return a stamp as text: the seconds with nine decimals, or ``unreadable`` for None."""
    if stamp_ns is None:
        return 'unreadable'
    whole, nano = divmod(stamp_ns, 1_000_000_000)
    return f'{whole}.{nano:09d}'


@dataclass(frozen=True)
class Recorded:
    """One message of a bag. :meth:`BagReader.messages` decodes only the messages of videos.

    :param number: position among the messages of its topic, from 1.
    :param log_time_ns: time at which the message was recorded, in nanoseconds since 1970.
    :param data: the message in CDR, the binary format of ROS 2 messages, with the encapsulation
        header of four bytes. A memoryview keeps a whole chunk (a group of messages) in memory.
    :param picture: the decoded frame of a video message; None if the message has no frame.
    :param problem: why a video message has no frame; empty if the message has a frame.
    """

    topic: str
    msgtype: str
    number: int
    log_time_ns: int
    data: bytes | memoryview
    picture: DecodedPicture | None = None
    problem: str = ''

    @property
    def stamp_ns(self) -> int | None:
        """Header stamp in nanoseconds; None if the message is too short to have a stamp."""
        if len(self.data) < 12:
            return None
        sec, nanosec = struct.unpack_from('<iI' if self.data[1] & 1 else '>iI', self.data, 4)
        return int(sec) * 1_000_000_000 + int(nanosec)

    def frame(self, allocate: Allocate | None = None) -> Frame:
        """Decode an image message. The pixels stay valid and unchanged while the frame exists.

        :param allocate: allocates the memory of a decoded JPEG or PNG image; None for memory of
            NumPy. A raw image stays in the memory of the message.
        :raises FrameError: if the message is not a valid image. The error says what is wrong.
        """
        if self.picture is not None:
            return read_picture_frame(self, self.picture)
        if self.msgtype in VIDEO_TYPES:
            raise FrameError(self.problem or 'only BagReader.messages() decodes a video')
        message = self._decode()
        stamp_ns = self.stamp_ns
        assert stamp_ns is not None, 'a message that can be decoded has a stamp'
        frame_id = message.header.frame_id
        if self.msgtype == COMPRESSED:
            return decompress(message.data, message.format, stamp_ns, frame_id,
                              allocate=allocate)
        return Frame(message.data, message.encoding, message.height, message.width,
                     message.step, bool(message.is_bigendian), stamp_ns, frame_id)

    def read_encoding(self) -> str:
        """Return the encoding that an image message states. Raise a FrameError for other data."""
        message = self._decode()
        stated = message.format if self.msgtype == COMPRESSED else message.encoding
        return str(stated).partition(';')[0].strip()

    def labels(self) -> npt.NDArray[Any]:
        """Decode a label map message.

        :returns: a new (height, width) array, uint8 or uint16, in this machine's byte order.
        :raises FrameError: if the message is not a label map.
        """
        frame = self.frame()
        if frame.encoding not in ('mono8', 'mono16'):
            raise FrameError(f'the image is {frame.encoding}, but a label map is mono8 or mono16')
        order = '>' if frame.is_bigendian else '<'
        dtype = np.dtype(np.uint8 if frame.encoding == 'mono8' else f'{order}u2')
        rows = np.ndarray((frame.height, frame.width), dtype, frame.data,
                          strides=(frame.step, dtype.itemsize))
        return np.ascontiguousarray(rows, dtype.newbyteorder('='))

    def grid(self) -> tuple[npt.NDArray[np.int8], float]:
        """Decode an occupancy grid message.

        :returns: a new (rows, columns) int8 array, and the side of a cell in metres.
        :raises FrameError: if the message is not an occupancy grid.
        """
        message = self._decode()
        info = message.info
        if message.data.size != info.width * info.height:
            raise FrameError(f'the grid has {info.width}x{info.height} cells, but '
                             f'{message.data.size} values')
        return message.data.reshape(info.height, info.width).copy(), float(info.resolution)

    def _decode(self) -> Any:
        try:
            return STORE.deserialize_cdr(self.data, self.msgtype)
        except SerdeError as error:
            raise FrameError(f'the data is not a {self.msgtype} message: {error}') from error


class BagReader:
    """Reads a rosbag2 folder, or a bare .mcap or .db3 file.

    Two threads must not use a reader at the same time. Close the reader at the end.

    :raises FileNotFoundError: if the path does not exist.
    :raises BagError: if the path is not a bag, or if the bag is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        check_files(path)
        try:
            refuse_odd_files(path)
            self._reader = FastReader(path)
            self._reader.open()
        except Exception as error:
            raise bag_error(path, error) from error

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files. Call this method only once."""
        self._reader.close()

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from the first message of the bag to the last message."""
        return int(self._reader.duration)

    @property
    def start_ns(self) -> int:
        """Log time of the first message of the bag, in nanoseconds since 1970."""
        return int(self._reader.start_time)

    def image_topics(self) -> dict[str, int]:
        """Return a mapping from the name of each image topic to its number of messages."""
        return self._topics(IMAGE_TYPES)

    def video_topics(self) -> dict[str, int]:
        """Return a mapping from each topic of H.264 or H.265 video to its number of messages."""
        return self._topics(VIDEO_TYPES)

    def image_topic(self, asked: str | None = None,
                    say: Callable[[str], None] = lambda line: None) -> str:
        """Check a topic, or find the topic of the only camera.

        :param asked: name of a topic; None for the topic of the only camera. A topic of H.264 or
            H.265 video is then chosen only if the bag has no other camera images. A topic with
            results, see :data:`RESULTS`, is chosen only if the bag has no other image topic.
        :param say: called with one line of text that names the image topics that are not read.
        :returns: the name of an image topic with at least one message.
        :raises BagError: if the bag has no images on the asked topic, or if ``asked`` is None and
            the bag has no image topic or several cameras. The message lists the image topics.
        """
        topics = self.image_topics()
        listed = ', '.join(f'{name} ({count})' for name, count in topics.items()) or 'none'
        if asked is not None and asked not in topics:
            raise BagError(f'{self.path} has no images on {asked!r}'
                           f'{suggest_topic(asked, topics) or "."} Image topics: {listed}')
        cameras = [name for name in topics if not is_result(name)]
        videos = self.video_topics()
        found = [name for name in cameras if name not in videos] or cameras or list(topics)
        if asked is None and len(found) != 1:
            raise BagError(f'{self.path} has ' + (
                f'{len(topics)} image topics. Choose one with --image-topic, or in Python with '
                f'`topic`: {listed}' if topics
                else f'no image topic. The type of an image topic is {IMAGE}, {COMPRESSED}, '
                f'{" or ".join(VIDEO_TYPES)}'))
        topic = asked or found[0]
        if asked is None and len(topics) > 1:
            others = (f'{name} ({"a result" if is_result(name) else "a video"})'
                      for name in topics if name != topic)
            say(f'{self.path}: images are read from {topic}, but not from {", ".join(others)}')
        if not topics[topic]:
            raise BagError(f'{self.path} has no message on {topic}. Image topics: {listed}')
        return topic

    def camera_info_topic(self, image_topic: str) -> str | None:
        """Return the camera_info topic in the namespace of an image topic; None if absent."""
        beside = name_camera(image_topic).rpartition('/')[0] + '/camera_info'
        return beside if any(c.topic == beside and c.msgtype == CAMERA_INFO
                             for c in self._reader.connections) else None

    def messages(self, topics: Collection[str], begin_ns: int | None = None,
                 end_ns: int | None = None) -> Generator[Recorded, None, None]:
        """Yield every message of the given topics in the order of their log times.

        If a video has B-frames (frames that depend on a later frame), its messages come later, in
        the order in which the frames are shown.

        :param begin_ns: earliest log time in nanoseconds. :attr:`Recorded.number` counts from the
            first message of the iteration.
        :param end_ns: end of the log times: messages at this time or later are not yielded.
        :raises VideoError: if a topic is a video and PyAV is missing.
        :raises BagError: if the bag ends too early or cannot be read. If ``begin_ns`` and
            ``end_ns`` are None, the error is also raised after the last message if the index of
            the bag promises another number of messages.
        """
        videos = {c.topic: VideoTopic() for c in self._reader.connections
                  if c.topic in topics and c.msgtype in VIDEO_TYPES}
        for recorded in self.undecoded_messages(topics, begin_ns, end_ns):
            video = videos.get(recorded.topic)
            yield from video.decode(recorded) if video else [recorded]
        for video in videos.values():
            yield from video.finish()

    def undecoded_messages(self, topics: Collection[str], begin_ns: int | None = None,
                           end_ns: int | None = None) -> Generator[Recorded, None, None]:
        """Yield the same messages as :meth:`messages`, but decode no video."""
        wanted = [c for c in self._reader.connections if c.topic in topics]
        seen = dict.fromkeys(topics, 0)
        source = self._reader.messages(wanted, begin_ns, end_ns)
        while True:
            try:
                connection, log_time, data = next(source)
            except StopIteration:
                break
            except Exception as error:
                raise bag_error(self.path, error) from error
            seen[connection.topic] += 1
            if len(data) > MAX_MESSAGE:
                raise BagError(f'in {self.path}, message {seen[connection.topic]} on '
                               f'{connection.topic} has {len(data):,} bytes, but a message may '
                               f'have at most {MAX_MESSAGE:,}')
            yield Recorded(connection.topic, connection.msgtype, seen[connection.topic],
                           log_time, data)
        for topic, found in seen.items():
            if begin_ns is None and end_ns is None and found != (promised := self._count(topic)):
                raise BagError(f'the index of {self.path} promises {promised} messages on '
                               f'{topic}, but {found} could be read. Run `ros2 bag reindex`')

    def _topics(self, types: Collection[str]) -> dict[str, int]:
        return {c.topic: self._count(c.topic) for c in self._reader.connections
                if c.msgtype in types}

    def _count(self, topic: str) -> int:
        return sum(c.msgcount for c in self._reader.connections if c.topic == topic)
