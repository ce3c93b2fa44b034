# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the fields of a message in CDR, the form in which DDS sends messages and bags keep them.

Every length is checked before it is used.
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
"""Representation identifiers of a serialized payload. Source: OMG DDS-XTypes 1.3, 7.6.2.1.2."""
_ENCAPSULATION_BYTES = 4


class CdrReader:
    """Reads the fields of one message in order. It begins after the encapsulation.

    :param message: (n,) uint8, C-contiguous, with the encapsulation.
    :raises FrameError: if the encapsulation is wrong. The methods raise it if a field is wrong.
        The error says which field, where, and why.
    """

    def __init__(self, message: npt.NDArray[np.uint8]) -> None:
        self.message = message
        self.offset = 0
        start = self.take(_ENCAPSULATION_BYTES, 'encapsulation')
        # The identifier is big-endian. Two bytes of options follow; XCDR1 readers ignore them.
        identifier, = struct.unpack_from('>H', message.data, start)
        if identifier not in (0x0000, 0x0001):
            raise FrameError(
                f'encapsulation 0x{identifier:04x} ({ENCAPSULATIONS.get(identifier, "unknown")}); '
                'expected CDR_BE (0x0000) or CDR_LE (0x0001), which ROS 2 uses for images')
        self.order = '<' if identifier else '>'

    def take(self, size: int, field: str) -> int:
        """Skip ``size`` bytes and return the offset of the first byte."""
        start = self.offset
        if size > self.message.size - start:
            raise FrameError(
                f'{field} needs {size} bytes from byte {start} on, but the message has only '
                f'{self.message.size}; it is incomplete, or is not a CDR message of this type')
        self.offset = start + size
        return start

    def read_number(self, kind: str, field: str) -> int:
        """Read a number. Numbers are aligned to their size, counted from the encapsulation on.

        :param kind: ``i``, ``I``, ``Q`` or ``B``, as in the module struct.
        """
        size = struct.calcsize(f'={kind}')
        self.take(-(self.offset - _ENCAPSULATION_BYTES) % size, f'padding before {field}')
        start = self.take(size, field)
        return int(struct.unpack_from(self.order + kind, self.message.data, start)[0])

    def read_text(self, field: str) -> str:
        """Read a string. Bytes that are not UTF-8 are replaced, as in rclpy."""
        size = self.read_number('I', f'length of {field}')
        if not size:  # not allowed, but some writers send this and Fast CDR accepts it
            return ''
        start = self.take(size, field)
        if self.message[self.offset - 1]:
            raise FrameError(
                f'{field}, {size} bytes from byte {start} on, ends in byte '
                f'{int(self.message[self.offset - 1])} instead of the 0 that ends a CDR string')
        return self.message[start:self.offset - 1].tobytes().decode('utf-8', 'replace')

    def read_bytes(self, field: str) -> npt.NDArray[np.uint8]:
        """Read a sequence of bytes. It is a view of the message and not a copy."""
        size = self.read_number('I', f'length of {field}')
        start = self.take(size, field)
        return self.message[start:start + size]

    def read_header(self) -> tuple[int, int, str]:
        """Read seconds, nanoseconds and frame_id of a std_msgs/Header."""
        return (self.read_number('i', 'stamp.sec'), self.read_number('I', 'stamp.nanosec'),
                self.read_text('frame_id'))
