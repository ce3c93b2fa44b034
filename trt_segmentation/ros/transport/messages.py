# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Converts ROS messages to frames, and arrays to ROS messages."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from importlib import import_module
import sys
import time
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
import numpy.typing as npt
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ...errors import FrameError, TransportError
from ...frame import Frame
from ...host.decode_jpeg_png import decompress
from ...untrusted.cdr_reader import CdrReader
from ...video.messages import FFMPEG, FOXGLOVE, parse_video, VideoMessage
from ...video.pyav import import_av
from .cdr import parse_compressed, parse_image

MESSAGE_TYPES = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage',
                 'foxglove': FOXGLOVE, 'ffmpeg': FFMPEG}
"""The name of the message type for each image transport."""
VIDEO_TRANSPORTS = ('foxglove', 'ffmpeg')
"""The image transports for video."""


def message_class(image_transport: str) -> Any:
    """Return the message type of an image transport.

    :raises TransportError: if the package of the message is not installed.
    """
    package, _, name = MESSAGE_TYPES[image_transport].split('/')
    try:
        return getattr(import_module(f'{package}.msg'), name)
    except ImportError as error:
        raise TransportError(
            f'image_transport {image_transport} needs the package {package}, which cannot be '
            f'imported ({error}). If ROS 2 was installed with apt, install the package with: '
            f'sudo apt install ros-$ROS_DISTRO-{package.replace("_", "-")}. Otherwise build the '
            'package from its source, or set another `image_transport`') from error


def check_image_transport(image_transport: str) -> None:
    """Check that the packages for an image transport are installed.

    :raises TransportError: if the package of the message is missing.
    :raises VideoError: if the image transport is for video and PyAV is missing.
    """
    message_class(image_transport)
    if image_transport in VIDEO_TRANSPORTS:
        import_av()


class TakenImage:
    """A serialized image message. It implements :class:`.IncomingImage`.

    After :meth:`release`, the memory may hold another message.

    :param message: the message in CDR, see :mod:`.cdr`; (n,) uint8, C-contiguous.
    :param image_transport: a key of :data:`MESSAGE_TYPES`.
    :param release: gives the memory back. :meth:`release` calls this function once.
    """

    def __init__(self, message: npt.NDArray[np.uint8], image_transport: str = 'raw',
                 release: Callable[[], None] | None = None) -> None:
        self.arrived = time.monotonic()
        self._image_transport = image_transport
        self._message: npt.NDArray[np.uint8] | None = message
        self._release = release

    @property
    def stamp_ns(self) -> int:
        """See :attr:`.IncomingImage.stamp_ns`."""
        sec, nanosec, _ = CdrReader(self._held()).read_header()
        return sec * 1_000_000_000 + nanosec

    @property
    def header(self) -> Header:
        """See :attr:`.IncomingImage.header`."""
        sec, nanosec, frame_id = CdrReader(self._held()).read_header()
        return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=frame_id)

    def frame(self, camera: str = '') -> Frame:
        """See :meth:`.IncomingImage.frame`. The data of a raw image is a view of the message."""
        if self._image_transport == 'raw':
            return parse_image(self._held(), camera)
        return decompress(*parse_compressed(self._held()), camera)

    def video(self) -> VideoMessage:
        """Return a copy of the video packet in this message.

        :raises FrameError: if the message cannot be read. The error names the field that is
            wrong.
        """
        return parse_video(self._held(), MESSAGE_TYPES[self._image_transport])

    def release(self) -> None:
        """See :meth:`.IncomingImage.release`."""
        # An executor may keep this object for a long time, so drop the memory now.
        release, self._release, self._message = self._release, None, None
        if release is not None:
            release()

    def _held(self) -> npt.NDArray[np.uint8]:
        if self._message is None:
            raise RuntimeError('this image was released, so its memory may hold another image')
        return self._message


def camera_info_message(data: bytes) -> CameraInfo:
    """Read a serialized sensor_msgs/CameraInfo.

    :raises FrameError: if the bytes are not a CameraInfo message.
    """
    try:
        return deserialize_message(data, CameraInfo)
    except Exception as error:  # RMWError; its full name depends on the rclpy version
        raise FrameError(f'{len(data)} bytes cannot be read as a sensor_msgs/CameraInfo: '
                         f'{" ".join(str(error).split())}') from error


def stamp_ns(header: Header) -> int:
    """Return the stamp of a header in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def image_message(header: Header, encoding: str, pixels: npt.NDArray[Any]) -> Image:
    """Return an Image of a C-contiguous (height, width[, channels]) uint8 or uint16 array."""
    # rclpy stores an array.array or bytes unchanged. It copies other types item by item.
    data = array('B')
    data.frombytes(pixels.view(np.uint8).data)
    return Image(
        header=header, height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
        is_bigendian=pixels.itemsize > 1 and sys.byteorder == 'big', step=pixels.strides[0],
        data=data)
