# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""ROS messages to frames, and arrays to ROS messages."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
import sys
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ..frame import Frame
from ..host.compressed import decompress

TAKEN = {'raw': Image, 'compressed': CompressedImage}
"""Message type by image transport."""


class Taken(Protocol):
    """An image as the transport delivered it, not yet looked at."""

    @property
    def arrived(self) -> float:
        """time.monotonic() when it was taken."""

    @property
    def header(self) -> Header:
        """The header, to be copied verbatim to every answer.

        :raises FrameError: when the message has none that can be read.
        """

    def frame(self, camera: str = '') -> Frame:
        """The image, decoded where it was compressed; its bytes live as long as this.

        :raises FrameError: when it cannot be an image; says which number is wrong.
        """

    def release(self) -> None:
        """Give its memory back; nothing made of it may be read any more. Twice does nothing."""


@dataclass(frozen=True)
class TypedImage:
    """An image taken as a Python message: the way that works with every ROS install."""

    message: Image | CompressedImage
    arrived: float

    @property
    def header(self) -> Header:
        """The message's own header."""
        return self.message.header

    def frame(self, camera: str = '') -> Frame:
        """View of the message's bytes, or of a decoded copy; see :meth:`Taken.frame`."""
        message = self.message
        data = np.frombuffer(message.data, np.uint8)  # no copy: rclpy fills an array.array
        stamp, frame_id = stamp_ns(message.header), message.header.frame_id
        if isinstance(message, CompressedImage):
            return decompress(data, message.format, stamp, frame_id, camera)
        return Frame(data, message.encoding, message.height, message.width, message.step,
                     bool(message.is_bigendian), stamp, frame_id, camera)

    def release(self) -> None:
        """Do nothing: the message is the garbage collector's."""


def stamp_ns(header: Header) -> int:
    """Header stamp in nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def image_message(header: Header, encoding: str, pixels: npt.NDArray[Any]) -> Image:
    """Image message of a C-contiguous (height, width[, channels]) uint8 or uint16 array."""
    # rclpy assigns an array.array or bytes as it is and copies anything else item by item
    data = array('B')
    data.frombytes(pixels.view(np.uint8).data)
    return Image(
        header=header, height=pixels.shape[0], width=pixels.shape[1], encoding=encoding,
        is_bigendian=pixels.itemsize > 1 and sys.byteorder == 'big', step=pixels.strides[0],
        data=data)
