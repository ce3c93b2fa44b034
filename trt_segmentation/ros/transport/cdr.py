# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads sensor_msgs/Image and CompressedImage from CDR, and writes the start of an Image.

CDR is the format in which DDS sends messages. A message begins with its encapsulation: 4 bytes
that give the byte order.
"""

from __future__ import annotations

import struct
import sys

import numpy as np
import numpy.typing as npt

from ...frame import Frame
from ...untrusted.cdr_reader import CdrReader

HEAD_ROOM = 512
"""If the memory in front of the pixels has this many free bytes, an Image can be published without
a copy of the pixels. This number is enough for a frame_id and an encoding that together have at
most 450 bytes."""


def parse_image(message: npt.NDArray[np.uint8], camera: str = '') -> Frame:
    """Return the frame of a serialized sensor_msgs/Image.

    The frame's data is a view of ``message`` and not a copy. Bytes after the last field are
    ignored, because some middleware delivers more bytes than were sent.

    :param message: (n,) uint8, C-contiguous, with the encapsulation.
    :raises FrameError: if a field is wrong. The error names the field, its place and the reason.
    """
    reader = CdrReader(message)
    sec, nanosec, frame_id = reader.read_header()
    height = reader.read_number('I', 'height')
    width = reader.read_number('I', 'width')
    encoding = reader.read_text('encoding')
    is_bigendian = bool(reader.read_number('B', 'is_bigendian'))
    step = reader.read_number('I', 'step')
    return Frame(reader.read_bytes('data'), encoding, height, width, step, is_bigendian,
                 sec * 1_000_000_000 + nanosec, frame_id, camera)


def parse_compressed(message: npt.NDArray[np.uint8]
                     ) -> tuple[npt.NDArray[np.uint8], str, int, str]:
    """Return the fields of a serialized sensor_msgs/CompressedImage.

    Bytes after the last field are ignored, as in :func:`parse_image`.

    :param message: (n,) uint8, C-contiguous, with the encapsulation.
    :returns: data, format, stamp in nanoseconds, and frame_id. The data is an (n,) uint8 view of
        ``message``.
    :raises FrameError: as in :func:`parse_image`.
    """
    reader = CdrReader(message)
    sec, nanosec, frame_id = reader.read_header()
    format = reader.read_text('format')
    return reader.read_bytes('data'), format, sec * 1_000_000_000 + nanosec, frame_id


def image_prefix(sec: int, nanosec: int, frame_id: str, height: int, width: int, encoding: str,
                 step: int, size: int, is_bigendian: bool = False) -> bytes:
    """Return all bytes of a serialized sensor_msgs/Image that come before its pixels.

    The pixels follow without a gap. The number of returned bytes is a multiple of 4. The integers
    have the byte order of this machine.

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
