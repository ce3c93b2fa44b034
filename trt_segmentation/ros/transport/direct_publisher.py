# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes images directly from their memory, without a Python message."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.publisher import Publisher
from std_msgs.msg import Header

from ...memory import Allocate, Memory, PageMemory
from .cdr import HEAD_ROOM, image_prefix
from .librcl import Librcl


class DirectPublisher:
    """Publishes images directly from the memory that holds the pixels.

    Only one thread at a time may use this object.

    :param publisher: a publisher of sensor_msgs/Image. The caller makes and destroys it. If it
        is a lifecycle publisher, nothing is published while the publisher is inactive.
    :param allocate: allocates memory for an image that must be copied.
    """

    def __init__(self, publisher: Publisher, librcl: Librcl,
                 allocate: Allocate = PageMemory) -> None:
        self._publisher = publisher
        self._librcl = librcl
        self._allocate = allocate
        self._own: Memory | None = None

    def publish(self, header: Header, encoding: str, pixels: npt.NDArray[Any],
                memory: Memory | None = None) -> bool:
        """Publish an image.

        :param pixels: (height, width[, channels]) uint8 or uint16.
        :param memory: the block that holds ``pixels``. The start of the message is written into
            the :data:`~.cdr.HEAD_ROOM` bytes before the pixels, so these bytes must be free. If
            ``memory`` is None, if the pixels are not C-contiguous, or if the start of the message
            does not fit before the pixels, the pixels are copied.
        :returns: whether the image was published without a copy.
        :raises TransportError: if the middleware refuses the image.
        """
        if not getattr(self._publisher, 'is_activated', True):
            return False
        prefix = image_prefix(
            header.stamp.sec, header.stamp.nanosec, header.frame_id, pixels.shape[0],
            pixels.shape[1], encoding, pixels.nbytes // pixels.shape[0], pixels.nbytes,
            is_bigendian=pixels.itemsize > 1 and sys.byteorder == 'big')
        offset = -1 if memory is None else _find_offset(pixels, memory)
        in_place = len(prefix) <= min(offset, HEAD_ROOM)
        if memory is None or not in_place:
            memory, offset = self._copy(pixels, len(prefix))
        start = offset - len(prefix)
        memory.view[start:offset] = np.frombuffer(prefix, np.uint8)
        with self._publisher.handle:
            self._librcl.publish(
                self._publisher.handle.pointer, memory.view[start:offset + pixels.nbytes])
        return in_place

    def _copy(self, pixels: npt.NDArray[Any], prefix: int) -> tuple[Memory, int]:
        """Copy pixels into the memory of this publisher. Return the memory and the pixels' offset.

        :param prefix: number of bytes that must be free before the pixels.
        """
        offset = max(HEAD_ROOM, -(-prefix // 64) * 64)
        if self._own is None or self._own.nbytes < offset + pixels.nbytes:
            self._own = self._allocate(offset + pixels.nbytes)
        target = self._own.view[offset:offset + pixels.nbytes]
        np.copyto(target.view(pixels.dtype).reshape(pixels.shape), pixels)
        return self._own, offset


def _find_offset(pixels: npt.NDArray[Any], memory: Memory) -> int:
    """Return the pixels' offset in ``memory``. -1 if they are outside, or not C-contiguous."""
    offset = int(pixels.ctypes.data) - memory.address
    inside = offset >= 0 and offset + pixels.nbytes <= memory.nbytes
    return offset if inside and pixels.flags.c_contiguous else -1
