# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the NAL units of an H.264 or H.265 packet.

A packet is usually the data of one frame. It consists of NAL units. The packet must be in the
Annex B format of these standards. In this format, each unit begins after the bytes 0, 0, 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOST_UNITS = 256
"""Largest number of units that are read from one packet. A usual packet has fewer than ten units
before the first unit with pixels."""
HEAD = 256
"""Number of bytes that are kept from the start of each unit. They hold all needed fields."""
_START = b'\0\0\1'
H264_SPS, H264_PPS = 7, 8
_H264_IDR = 5
_H264_SLICES = range(1, 6)
_H265_SLICES = range(32)
_H265_KEY_SLICES = range(16, 24)
_H265_PARAMETERS = range(32, 35)


@dataclass(frozen=True)
class NalUnit:
    """One unit of a packet.

    :param kind: the type of the unit, a number from the standard.
    :param head: the first bytes of the unit, beginning with the header of the unit.
    :param codec: ``h264`` or ``hevc``.
    """

    kind: int
    head: bytes
    codec: str

    @property
    def is_picture(self) -> bool:
        """Whether the unit holds pixels."""
        return self.kind in (_H264_SLICES if self.codec == 'h264' else _H265_SLICES)

    @property
    def is_parameters(self) -> bool:
        """Whether the unit holds parameters that a keyframe needs."""
        return self.kind in ((H264_SPS, H264_PPS) if self.codec == 'h264' else _H265_PARAMETERS)

    @property
    def is_key(self) -> bool:
        """Whether :attr:`kind` marks the unit as a part of a keyframe."""
        return self.kind == _H264_IDR if self.codec == 'h264' else self.kind in _H265_KEY_SLICES


def find_units(data: bytes, codec: str) -> Iterator[NalUnit]:
    """Yield the units of a packet. Stop after the first unit with pixels, or after MOST_UNITS."""
    at = data.find(_START) + len(_START)
    for _ in range(MOST_UNITS):
        if at < len(_START) or at >= len(data):
            return
        kind = data[at] & 0x1f if codec == 'h264' else data[at] >> 1 & 0x3f
        following = data.find(_START, at)
        end = len(data) if following < 0 else following
        unit = NalUnit(kind, data[at:min(end, at + HEAD)], codec)
        yield unit
        if unit.is_picture:
            return
        at = following + len(_START)
