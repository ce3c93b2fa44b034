# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the frames of a bag. Several threads decode the next frames ahead of time."""

from __future__ import annotations

from collections.abc import Collection, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ..errors import FrameError
from ..frame import Frame
from ..memory import Allocate, place_bytes
from ..threads.ordered_map import map_ahead
from .reader import BagReader, CAMERA_INFO, COMPRESSED, Recorded

_HEADER = 12
"""Number of bytes at the start of a message that contain its stamp."""


@dataclass(frozen=True)
class RecordedFrame:
    """One message of a bag, with its frame.

    :param message: the message. If the message is an image, ``message.data`` contains only the
        stamp, because the pixels are in ``frame``.
    :param frame: the decoded image; None if the message is a camera info or cannot be decoded.
    :param error: why an image cannot be decoded; None for a camera info or a decoded image.
    """

    message: Recorded
    frame: Frame | None = None
    error: FrameError | None = None

    @property
    def nbytes(self) -> int:
        """Number of bytes of the frame and of the message together."""
        return len(self.message.data) + (self.frame.data.nbytes if self.frame else 0)


def read_frames(bag: BagReader, topics: Collection[str], allocate: Allocate | None = None,
                pool: ThreadPoolExecutor | None = None) -> Generator[RecordedFrame, None, None]:
    """Yield every message of the given topics in the order of their log times.

    Several threads decode the next images. A long bag needs no more memory than a short bag. The
    thread that iterates reads the bag. Until the iteration ends or the generator is closed, no
    other thread may use the bag.

    :param topics: image topics, and topics of camera infos.
    :param allocate: allocates the memory of the frames; see :attr:`.Pipeline.allocate`. None to
        leave an uncompressed image in the memory of its message.
    :param pool: the threads that decode; None for new threads.
    :raises VideoError: if a topic is a video and PyAV is missing.
    :raises BagError: see :meth:`.BagReader.messages`. All earlier messages are yielded before the
        error is raised.
    """
    return map_ahead(lambda message: _decode(message, allocate), bag.messages(topics),
                     'decode frame', size_of=lambda recorded: recorded.nbytes, pool=pool)


def _decode(message: Recorded, allocate: Allocate | None) -> RecordedFrame:
    if message.msgtype == CAMERA_INFO:
        return RecordedFrame(message)
    header = replace(message, data=bytes(message.data[:_HEADER]), picture=None)
    try:
        frame = message.frame(allocate)
    except FrameError as error:
        return RecordedFrame(header, error=error)
    if allocate is not None and message.msgtype != COMPRESSED:
        frame = replace(frame, data=place_bytes(frame.data[:frame.size], allocate))
    return RecordedFrame(header, frame)
