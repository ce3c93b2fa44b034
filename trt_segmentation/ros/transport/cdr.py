# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads sensor_msgs/Image and CompressedImage from CDR, and writes the start of an Image.

CDR is the form in which DDS sends messages.
"""

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
"""Names of the representation identifiers. Source: OMG DDS-XTypes 1.3, section 7.6.2.1.2."""

HEAD_ROOM = 512
"""Free bytes that are needed before pixels, so that the pixels are published without a copy.

This is enough if frame_id and encoding have at most 450 bytes together.
"""


class _CdrReader:
    """Reads the fields of a message in their order. Every length is checked before it is used."""

    def __init__(self, message: npt.NDArray[np.uint8]) -> None:
        self.message = message
        self.offset = 0
        self.order = '>'

    def take(self, size: int, field: str) -> int:
        """Skip ``size`` bytes and return the offset of the first byte."""
        start = self.offset
        if size > self.message.size - start:
            raise FrameError(
                f'{field} needs {size} bytes from byte {start} on, but the message has only '
                f'{self.message.size} bytes; the message is incomplete, or has another type')
        self.offset = start + size
        return start

    def read_number(self, kind: str, field: str) -> int:
        """Read a number of 4 bytes, aligned to 4 bytes after the 4-byte encapsulation."""
        self.take(-self.offset % 4, f'padding before {field}')
        start = self.take(4, field)
        return int(struct.unpack_from(self.order + kind, self.message.data, start)[0])

    def read_text(self, field: str) -> str:
        """Read a string. Bytes that are not UTF-8 are replaced, as in rclpy."""
        size = self.read_number('I', f'length of {field}')
        if not size:  # CDR does not allow 0, but some writers send it and Fast CDR accepts it
            return ''
        start = self.take(size, field)
        if self.message[self.offset - 1]:
            raise FrameError(
                f'the string {field} has {size} bytes from byte {start} on; its last byte is '
                f'{int(self.message[self.offset - 1])}, expected 0')
        return self.message[start:self.offset - 1].tobytes().decode('utf-8', 'replace')


def _open(message: npt.NDArray[np.uint8]) -> _CdrReader:
    """Check the encapsulation, and return a reader with the byte order of the message."""
    reader = _CdrReader(message)
    start = reader.take(4, 'encapsulation')
    # The identifier is always big-endian. Two bytes of options follow; XCDR1 readers ignore them.
    identifier, = struct.unpack_from('>H', message.data, start)
    if identifier not in (0x0000, 0x0001):
        raise FrameError(
            f'the encapsulation is 0x{identifier:04x} '
            f'({ENCAPSULATIONS.get(identifier, "unknown")}); expected CDR_BE (0x0000) or CDR_LE '
            '(0x0001), which ROS 2 uses for images')
    reader.order = '<' if identifier else '>'
    return reader


def parse_header(message: npt.NDArray[np.uint8]) -> tuple[int, int, str]:
    """Return seconds, nanoseconds and frame_id of a message that starts with a std_msgs/Header.

    :raises FrameError: if the message has no valid header.
    """
    return _read_header(_open(message))


def _read_header(reader: _CdrReader) -> tuple[int, int, str]:
    return (reader.read_number('i', 'stamp.sec'), reader.read_number('I', 'stamp.nanosec'),
            reader.read_text('frame_id'))


def parse_image(message: npt.NDArray[np.uint8], camera: str = '') -> Frame:
    """Return the frame of a serialized sensor_msgs/Image.

    The frame's data is a view of ``message`` and not a copy. Bytes after the last field are
    ignored, because some middleware delivers more bytes than were sent.

    :param message: (n,) uint8, C-contiguous, with the encapsulation.
    :raises FrameError: if a field is wrong. The message says which field, where, and why.
    """
    reader = _open(message)
    sec, nanosec, frame_id = _read_header(reader)
    height = reader.read_number('I', 'height')
    width = reader.read_number('I', 'width')
    encoding = reader.read_text('encoding')
    is_bigendian = bool(message[reader.take(1, 'is_bigendian')])
    step = reader.read_number('I', 'step')
    size = reader.read_number('I', 'length of data')
    start = reader.take(size, 'data')
    return Frame(message[start:start + size], encoding, height, width, step, is_bigendian,
                 sec * 1_000_000_000 + nanosec, frame_id, camera)


def parse_compressed(message: npt.NDArray[np.uint8]
                     ) -> tuple[npt.NDArray[np.uint8], str, int, str]:
    """Return the fields of a serialized sensor_msgs/CompressedImage.

    Bytes after the last field are ignored, as in :func:`parse_image`.

    :param message: (n,) uint8, C-contiguous, with the encapsulation.
    :returns: data, format, stamp in nanoseconds, and frame_id. The data is an (n,) uint8 view of
        ``message``.
    :raises FrameError: if a field is wrong. The message says which field, where, and why.
    """
    reader = _open(message)
    sec, nanosec, frame_id = _read_header(reader)
    format = reader.read_text('format')
    size = reader.read_number('I', 'length of data')
    start = reader.take(size, 'data')
    return message[start:start + size], format, sec * 1_000_000_000 + nanosec, frame_id


def image_prefix(sec: int, nanosec: int, frame_id: str, height: int, width: int, encoding: str,
                 step: int, size: int, is_bigendian: bool = False) -> bytes:
    """Return all bytes of a serialized sensor_msgs/Image that come before its pixels.

    The complete message consists of these bytes and the pixels, without a gap. The number of
    these bytes is a multiple of 4. The message has the byte order of this machine.

    :param step: bytes of one row of the image.
    :param size: bytes of all pixels.
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
    """Append a string: its length, its bytes, and a NUL. The length includes the NUL."""
    encoded = text.encode('utf-8') + b'\0'
    _append_numbers(parts, len(encoded))
    parts += encoded
