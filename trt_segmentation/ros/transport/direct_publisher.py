# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Images to the middleware from the memory they are in, past Python messages."""

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
    """Publishes images straight from the memory they are in; one thread at a time.

    :param publisher: made by the node for sensor_msgs/Image and destroyed by it too. A
        lifecycle publisher publishes only while it is active, as with typed messages.
    :param allocate: memory for the images that cannot be published where they are.
    """

    def __init__(self, publisher: Publisher, librcl: Librcl,
                 allocate: Allocate = PageMemory) -> None:
        self._publisher = publisher
        self._librcl = librcl
        self._allocate = allocate
        self._own: Memory | None = None

    def publish(self, header: Header, encoding: str, pixels: npt.NDArray[Any],
                memory: Memory | None = None) -> bool:
        """Publish an image; returns whether that was possible without copying it first.

        :param pixels: (height, width[, channels]) uint8 or uint16.
        :param memory: what ``pixels`` is C-contiguous in, with at least HEAD_ROOM bytes before
            them that are nobody else's: the header is written there. None where there is none.
        :raises TransportError: when the middleware refuses it.
        """
        if not getattr(self._publisher, 'is_activated', True):
            return False
        prefix = image_prefix(
            header.stamp.sec, header.stamp.nanosec, header.frame_id, pixels.shape[0],
            pixels.shape[1], encoding, pixels.nbytes // pixels.shape[0], pixels.nbytes,
            is_bigendian=pixels.itemsize > 1 and sys.byteorder == 'big')
        where = -1 if memory is None else _offset(pixels, memory)
        in_place = len(prefix) <= min(where, HEAD_ROOM)
        if memory is None or not in_place:
            memory, where = self._copied(pixels, len(prefix))
        start = where - len(prefix)
        memory.view[start:where] = np.frombuffer(prefix, np.uint8)
        with self._publisher.handle:
            self._librcl.publish(
                self._publisher.handle.pointer, memory.view[start:where + pixels.nbytes])
        return in_place

    def _copied(self, pixels: npt.NDArray[Any], prefix: int) -> tuple[Memory, int]:
        """Copy pixels to memory with room before them; returns where they are now."""
        where = max(HEAD_ROOM, -(-prefix // 64) * 64)
        if self._own is None or self._own.nbytes < where + pixels.nbytes:
            self._own = self._allocate(where + pixels.nbytes)
        target = self._own.view[where:where + pixels.nbytes]
        np.copyto(target.view(pixels.dtype).reshape(pixels.shape), pixels)
        return self._own, where


def _offset(pixels: npt.NDArray[Any], memory: Memory) -> int:
    """Where in memory the pixels are; -1 where they are not, or not without gaps."""
    offset = int(pixels.ctypes.data) - memory.address
    inside = offset >= 0 and offset + pixels.nbytes <= memory.nbytes
    return offset if inside and pixels.flags.c_contiguous else -1
