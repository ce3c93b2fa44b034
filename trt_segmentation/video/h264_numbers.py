# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds gaps in the frame numbers of an H.264 stream. A gap shows that frames are missing.

If a packet (one compressed frame) is missing, FFmpeg repeats the last frame. FFmpeg then decodes
the next frames with wrong pixels, and reports no error. A packet consists of NAL units,
and each unit with pixels holds the number of its frame.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from .nal_units import H264_PPS, H264_SPS, NalUnit

_INTRA_SLICES = (2, 4, 7, 9)
_PROFILES_WITH_CHROMA = frozenset([44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244])
_MOST_BITS = 32


@dataclass(frozen=True)
class _Sequence:
    """The fields of a sequence parameter set (SPS) that concern frame numbers."""

    number_bits: int
    may_have_gaps: bool
    has_separate_planes: bool
    has_only_frames: bool


class FrameNumbers:
    """Follows the frame numbers of one stream."""

    def __init__(self) -> None:
        self._sequences: dict[int, _Sequence] = {}
        self._sequence_of_picture: dict[int, int] = {}
        self._last: int | None = None

    def read_parameters(self, unit: NalUnit) -> None:
        """Remember an SPS or a picture parameter set (PPS). Ignore other and damaged units."""
        bits = _BitReader(unit.head[1:])
        with suppress(IndexError):
            if unit.kind == H264_SPS:
                number, sequence = _read_sequence(bits)
                self._sequences[number % 32] = sequence
            elif unit.kind == H264_PPS:
                self._sequence_of_picture[bits.read_ue() % 256] = bits.read_ue()

    def is_intra(self, unit: NalUnit) -> bool:
        """Return whether a unit with pixels can be decoded without any other frame."""
        bits = _BitReader(unit.head[1:])
        with suppress(IndexError):
            bits.read_ue()
            return unit.is_key or bits.read_ue() in _INTRA_SLICES
        return False

    def restart(self) -> None:
        """Forget the last frame number. The next frame may then have any number."""
        self._last = None

    def find_gap(self, unit: NalUnit) -> bool:
        """Return True if the number of a frame is not the expected number.

        In this case, frames before this frame are missing, or the stream contains a frame twice.

        :param unit: the first unit of the frame that holds pixels.
        """
        found = self._read_number(unit)
        if found is None:
            return False
        number, sequence = found
        last, is_reference = self._last, unit.head[0] & 0x60
        # If no other frame needs this frame, the next frame has the same number. So _last stays.
        if is_reference or last is None:
            self._last = number
        if last is None or unit.is_key or sequence.may_have_gaps:
            return False
        # The two fields of an interlaced frame have the same number.
        return number != (last + 1) % (1 << sequence.number_bits) and (
            sequence.has_only_frames or number != last)

    def _read_number(self, unit: NalUnit) -> tuple[int, _Sequence] | None:
        bits = _BitReader(unit.head[1:])
        with suppress(IndexError, KeyError):
            bits.read_ue()
            bits.read_ue()
            sequence = self._sequences[self._sequence_of_picture[bits.read_ue()]]
            bits.read(2 * sequence.has_separate_planes)
            return bits.read(sequence.number_bits), sequence
        return None


def _read_sequence(bits: _BitReader) -> tuple[int, _Sequence]:
    """Read the id and the fields of an SPS, in the order of section 7.3.2.1.1 of H.264."""
    profile = bits.read(8)
    bits.read(16)
    number = bits.read_ue()
    has_separate_planes = False
    if profile in _PROFILES_WITH_CHROMA:
        chroma = bits.read_ue()
        has_separate_planes = chroma == 3 and bool(bits.read(1))
        bits.read_ue()
        bits.read_ue()
        bits.read(1)
        if bits.read(1):
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    number_bits = min(bits.read_ue() + 4, 16)
    order = bits.read_ue()
    if order == 0:
        bits.read_ue()
    elif order == 1:
        bits.read(1)
        bits.read_ue()
        bits.read_ue()
        for _ in range(bits.read_ue()):
            bits.read_ue()
    bits.read_ue()
    may_have_gaps = bool(bits.read(1))
    bits.read_ue()
    bits.read_ue()
    return number, _Sequence(number_bits, may_have_gaps, has_separate_planes, bool(bits.read(1)))


def _skip_scaling_lists(bits: _BitReader, count: int) -> None:
    for index in range(count):
        last = following = 8
        for _ in range((16 if index < 6 else 64) if bits.read(1) else 0):
            if following:
                coded = bits.read_ue()
                change = (coded + 1) // 2 if coded % 2 else -(coded // 2)
                following = (last + change) % 256
            last = following or last


class _BitReader:
    """Reads the bits of a unit in order. Raises IndexError if too few bits are left."""

    def __init__(self, data: bytes) -> None:
        # Three bytes 0, 0, 1 mark the start of a unit. The encoder inserts a byte 3 after two zero
        # bytes, so that the data of a unit never contains this mark. Remove the inserted bytes.
        plain = data.replace(b'\0\0\3', b'\0\0')
        self._bits = ''.join(f'{byte:08b}' for byte in plain)
        self._at = 0

    def read(self, count: int) -> int:
        if self._at + count > len(self._bits):
            raise IndexError
        start, self._at = self._at, self._at + count
        return int(self._bits[start:self._at] or '0', 2)

    def read_ue(self) -> int:
        """Read an unsigned number in Exp-Golomb code, which has a variable number of bits.

        A signed number is stored as an unsigned number. The caller must convert this number.
        """
        zeros = self._bits.find('1', self._at) - self._at
        if not 0 <= zeros <= _MOST_BITS:
            raise IndexError
        self._at += zeros + 1
        return (1 << zeros) - 1 + self.read(zeros)
