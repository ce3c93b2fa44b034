# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The images that a source gives, and the interface of every source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import SegmentationError
from ..frame import Frame


@dataclass(frozen=True)
class SourceImage:
    """One image of a source.

    :param name: path for the results of this image, relative to the folder of the results and
        without a file name ending. All images of one :func:`.open_sources` call have different
        names.
    :param origin: where the image comes from, for messages: a path, or a video with the number of
        the frame.
    :param image: (height, width, 3) uint8 in the order of ``color``, C-contiguous. The receiver
        owns the array.
    :param time_ns: time of the image in nanoseconds. A video file gives the time since the start
        of the video. A camera gives the time of decoding, and a bag gives the time of recording.
        These two times count from 1970. A picture gives 0.
    :param color: channel order, ``bgr`` or ``rgb``. ``rgb`` is possible only if a
        program passes the image as an array.
    """

    name: str
    origin: str
    image: npt.NDArray[np.uint8]
    time_ns: int = 0
    color: str = 'bgr'


@dataclass(frozen=True)
class BadImage:
    """An image that could not be read.

    :param origin: where the image comes from.
    :param error: the reason. The text of the error names the origin.
    :param count: number of images that this object stands for. One object can stand for
        all images of a damaged part of a video.
    """

    origin: str
    error: SegmentationError
    count: int = 1


AnyImage: TypeAlias = SourceImage | BadImage


def count_bytes(image: AnyImage) -> int:
    """Return the number of bytes of the pixels; 0 for a BadImage."""
    return image.image.nbytes if isinstance(image, SourceImage) else 0


@dataclass(frozen=True)
class OpenSource:
    """The images of a source that was opened.

    :param images: yields each image once. Only one thread may iterate over it.
    :param count: number of images that ``images`` is expected to give; None if it is unknown.
    :param rate: images per second of a video, camera or bag; None for other sources.
    :param close: stops the source. An iteration that is waiting for a camera then ends. Any thread
        may call this function, even more than once.
    :param count_dropped: returns the number of images of a camera that the source dropped because
        the receiver was slow.
    """

    images: Iterator[AnyImage]
    count: int | None = None
    rate: Fraction | None = None
    close: Callable[[], None] = lambda: None
    count_dropped: Callable[[], int] = lambda: 0


class ImageSource(Protocol):
    """A source of images: picture files, a video, a camera, a bag, or drawn street scenes."""

    @property
    def title(self) -> str:
        """Name of the source in messages, such as a path. The name contains no password."""

    @property
    def name(self) -> str | None:
        """Name for the results of a video, camera or bag. None if the source gives pictures."""

    @property
    def picture_names(self) -> tuple[str, ...]:
        """Name for the results of each picture; empty for a video, camera or bag."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files that are read. No result may replace these files."""

    def open(self) -> OpenSource:
        """Open the source. The iteration begins at the first image.

        :raises SegmentationError: if the source cannot be opened. The message names the source.
        """


def as_frame(image: npt.NDArray[np.uint8], encoding: str = 'bgr8', stamp_ns: int = 0) -> Frame:
    """Make a frame from an image. The frame uses the memory of the image.

    :param image: (height, width, 3) uint8, C-contiguous.
    :param encoding: ``bgr8`` or ``rgb8``.
    :param stamp_ns: time stamp of the frame in nanoseconds.
    """
    height, width, _ = image.shape
    return Frame(image.reshape(-1), encoding, height, width, 3 * width, stamp_ns=stamp_ns)
