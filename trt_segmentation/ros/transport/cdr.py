# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""sensor_msgs/Image and CompressedImage in CDR, their form on the wire; and Image back."""

from __future__ import annotations

import struct
import sys

import numpy as np
import numpy.typing as npt

from ...errors import FrameError
from ...frame import Frame

ENCAPSULATIONS = {
    0x0000: 'CDR_BE', 0x0001: 'CDR_LE', 0x0002: 'PL_CDR_BE', 0x0003: 'PL_CDR_LE',
    0x0006: 'CDR2_BE', 0x0007: 'CDR2_LE', 0x0008: 'D_CDR2_BE', 0x0009: 'D_CDR2_LE',
    0x000a: 'PL_CDR2_BE', 0x000b: 'PL_CDR2_LE',
}
"""Representation identifiers of a serialized payload. Source: OMG DDS-XTypes 1.3, 7.6.2.1.2."""

HEAD_ROOM = 512
"""Bytes to keep free before pixels that are to be published in place.

Enough for the header of any image whose frame_id and encoding have up to 450 bytes together.
"""


class _Reader:
    """Reads fields in their order; no length is used before it is checked."""

    def __init__(self, message: npt.NDArray[np.uint8]) -> None:
        self.message = message
        self.offset = 0
        self.order = '>'

    def take(self, size: int, field: str) -> int:
        """Pass over ``size`` bytes and return where they start."""
        start = self.offset
        if size > self.message.size - start:
            raise FrameError(
                f'{field} needs {size} bytes from byte {start} on, but the message has only '
                f'{self.message.size}; it is cut short, or it is no message of this type in CDR')
        self.offset = start + size
        return start

    def number(self, kind: str, field: str) -> int:
        """Read a number of 4 bytes. CDR counts alignment from after 4 bytes of encapsulation."""
        self.take(-self.offset % 4, f'padding before {field}')
        start = self.take(4, field)
        return int(struct.unpack_from(self.order + kind, self.message.data, start)[0])

    def text(self, field: str) -> str:
        """Read a string; what is no UTF-8 is replaced, as rclpy does it."""
        size = self.number('I', f'length of {field}')
        if not size:  # not what the standard says, but some writers do it and Fast CDR reads it
            return ''
        start = self.take(size, field)
        if self.message[self.offset - 1]:
            raise FrameError(
                f'{field}, {size} bytes from byte {start} on, ends in byte '
                f'{int(self.message[self.offset - 1])} instead of the 0 that ends a CDR string')
        return self.message[start:self.offset - 1].tobytes().decode('utf-8', 'replace')


def _open(message: npt.NDArray[np.uint8]) -> _Reader:
    """Read the encapsulation: byte order, and whether this is a layout we know."""
    reader = _Reader(message)
    start = reader.take(4, 'encapsulation')
    # always big-endian; the two bytes after it are options, which XCDR1 readers ignore
    identifier, = struct.unpack_from('>H', message.data, start)
    if identifier not in (0x0000, 0x0001):
        raise FrameError(
            f'encapsulation 0x{identifier:04x} ({ENCAPSULATIONS.get(identifier, "unknown")}); '
            'expected CDR_BE (0x0000) or CDR_LE (0x0001), which is what ROS 2 images come in')
    reader.order = '<' if identifier else '>'
    return reader


def parse_header(message: npt.NDArray[np.uint8]) -> tuple[int, int, str]:
    """Seconds, nanoseconds and frame_id of a message whose first field is a std_msgs/Header.

    :raises FrameError: when it has none.
    """
    return _header(_open(message))


def _header(reader: _Reader) -> tuple[int, int, str]:
    return (reader.number('i', 'stamp.sec'), reader.number('I', 'stamp.nanosec'),
            reader.text('frame_id'))


def parse_image(message: npt.NDArray[np.uint8], camera: str = '') -> Frame:
    """Frame of a serialized sensor_msgs/Image; its data is a view of ``message``, no copy.

    Bytes after the last field are ignored: some middleware delivers more than was sent.

    :param message: (n,) uint8, C-contiguous, encapsulation included.
    :raises FrameError: saying which field is wrong, where, and what was expected.
    """
    reader = _open(message)
    sec, nanosec, frame_id = _header(reader)
    height = reader.number('I', 'height')
    width = reader.number('I', 'width')
    encoding = reader.text('encoding')
    is_bigendian = bool(message[reader.take(1, 'is_bigendian')])
    step = reader.number('I', 'step')
    size = reader.number('I', 'length of data')
    start = reader.take(size, 'data')
    return Frame(message[start:start + size], encoding, height, width, step, is_bigendian,
                 sec * 1_000_000_000 + nanosec, frame_id, camera)


def parse_compressed(message: npt.NDArray[np.uint8]
                     ) -> tuple[npt.NDArray[np.uint8], str, int, str]:
    """Fields of a serialized sensor_msgs/CompressedImage.

    Bytes after the last field are ignored, as by :func:`parse_image`.

    :param message: (n,) uint8, C-contiguous, encapsulation included.
    :returns: data, (n,) uint8 and a view of ``message``; format; stamp in ns; frame_id.
    :raises FrameError: saying which field is wrong, where, and what was expected.
    """
    reader = _open(message)
    sec, nanosec, frame_id = _header(reader)
    format = reader.text('format')
    size = reader.number('I', 'length of data')
    start = reader.take(size, 'data')
    return message[start:start + size], format, sec * 1_000_000_000 + nanosec, frame_id


def image_prefix(sec: int, nanosec: int, frame_id: str, height: int, width: int, encoding: str,
                 step: int, size: int, is_bigendian: bool = False) -> bytes:
    """Everything of a serialized sensor_msgs/Image that comes before its pixels.

    Native byte order. It is a whole number of 4 bytes and the pixels follow it at once, so
    (prefix, pixels) side by side at any address are the message.

    :param size: bytes of pixels that follow.
    """
    parts = bytearray(b'\0\1\0\0' if sys.byteorder == 'little' else b'\0\0\0\0')
    parts += struct.pack('=iI', sec, nanosec)
    _append_text(parts, frame_id)
    _append_numbers(parts, height, width)
    _append_text(parts, encoding)
    parts.append(is_bigendian)
    _append_numbers(parts, step, size)
    return bytes(parts)


def _append_numbers(parts: bytearray, *numbers: int) -> None:
    """Append uint32 numbers, aligned to 4 bytes."""
    parts += bytes(-len(parts) % 4) + struct.pack(f'={len(numbers)}I', *numbers)


def _append_text(parts: bytearray, text: str) -> None:
    """Append a string: length with its NUL, bytes, NUL."""
    encoded = text.encode('utf-8') + b'\0'
    _append_numbers(parts, len(encoded))
    parts += encoded
