# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads messages in CDR, the binary format of DDS and of bags.

Every length in a message is checked before the length is used.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from ..errors import FrameError

ENCAPSULATIONS = {
    0x0000: 'CDR_BE', 0x0001: 'CDR_LE', 0x0002: 'PL_CDR_BE', 0x0003: 'PL_CDR_LE',
    0x0006: 'CDR2_BE', 0x0007: 'CDR2_LE', 0x0008: 'D_CDR2_BE', 0x0009: 'D_CDR2_LE',
    0x000a: 'PL_CDR2_BE', 0x000b: 'PL_CDR2_LE',
}
"""Maps each identifier of a CDR format to its name. Source: OMG DDS-XTypes 1.3, 7.6.2.1.2."""
_ENCAPSULATION_BYTES = 4


class CdrReader:
    """Reads the fields of one message in order, beginning after the encapsulation header.

    This header of four bytes says which format and which byte order the message has.

    :param message: (n,) uint8, C-contiguous, including the encapsulation header.
    :raises FrameError: if the encapsulation header is wrong. The methods raise this error if a
        field is wrong. The error names the field, its position and the problem.
    """

    def __init__(self, message: npt.NDArray[np.uint8]) -> None:
        self.message = message
        self.offset = 0
        start = self.take(_ENCAPSULATION_BYTES, 'encapsulation')
        # The identifier is big-endian. Two bytes of options follow, which this reader ignores.
        identifier, = struct.unpack_from('>H', message.data, start)
        if identifier not in (0x0000, 0x0001):
            raise FrameError(
                f'the encapsulation is 0x{identifier:04x} '
                f'({ENCAPSULATIONS.get(identifier, "unknown")}); expected CDR_BE (0x0000) or '
                'CDR_LE (0x0001), which ROS 2 uses for images')
        self.order = '<' if identifier else '>'

    def take(self, size: int, field: str) -> int:
        """Skip ``size`` bytes, and return the offset of the first skipped byte."""
        start = self.offset
        if size > self.message.size - start:
            raise FrameError(
                f'{field} needs {size} bytes from byte {start} on, but the message has only '
                f'{self.message.size} bytes; the message is incomplete, or has another type')
        self.offset = start + size
        return start

    def read_number(self, kind: str, field: str) -> int:
        """Skip the padding, and read a number.

        :param kind: the number's type: ``i``, ``I``, ``Q`` or ``B``, as in Python's module struct.
        """
        # The distance from the end of the encapsulation header to a number is a multiple of the
        # number's size.
        size = struct.calcsize(f'={kind}')
        self.take(-(self.offset - _ENCAPSULATION_BYTES) % size, f'padding before {field}')
        start = self.take(size, field)
        return int(struct.unpack_from(self.order + kind, self.message.data, start)[0])

    def read_text(self, field: str) -> str:
        """Read a string. Bytes that are not UTF-8 are replaced, as in rclpy."""
        size = self.read_number('I', f'length of {field}')
        # CDR forbids a length of 0, but some writers send this length. The library Fast CDR also
        # accepts this length.
        if not size:
            return ''
        start = self.take(size, field)
        if self.message[self.offset - 1]:
            raise FrameError(
                f'the string {field} has {size} bytes from byte {start} on; its last byte is '
                f'{int(self.message[self.offset - 1])}, expected 0')
        return self.message[start:self.offset - 1].tobytes().decode('utf-8', 'replace')

    def read_bytes(self, field: str) -> npt.NDArray[np.uint8]:
        """Read a sequence of bytes. The result is a view of the message, not a copy."""
        size = self.read_number('I', f'length of {field}')
        start = self.take(size, field)
        return self.message[start:start + size]

    def read_header(self) -> tuple[int, int, str]:
        """Read seconds, nanoseconds and frame_id of a std_msgs/Header."""
        return (self.read_number('i', 'stamp.sec'), self.read_number('I', 'stamp.nanosec'),
                self.read_text('frame_id'))
