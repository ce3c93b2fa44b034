# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the fields of protobuf messages in untrusted files. The bytes are not copied."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import EngineError
from .file_view import Bytes

MAX_FIELDS = 1_000_000
"""Largest number of fields in a file. To read a million fields takes about one second. A typical
network has about 10,000 fields."""
LONGEST_NAME = 2000
"""Largest number of bytes in a name. Exporters write names of about 100 bytes."""


class Fields:
    """Reads the fields of the messages in one file. The total number of fields is limited."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, view: Bytes) -> Iterator[tuple[int, int | Bytes]]:
        """Yield the number and the value of every field, as :meth:`read_with_ends` does."""
        for number, value, _ in self.read_with_ends(view):
            yield number, value

    def read_with_ends(self, view: Bytes) -> Iterator[tuple[int, int | Bytes, int]]:
        """Yield the number and the value of every field, and the offset after the field.

        A value is an integer, or a view of the bytes of the field.

        :raises ValueError: if the bytes are not a protobuf message, or if the file has more than
            :data:`MAX_FIELDS` fields.
        """
        at = 0
        while at < len(view):
            self._count += 1
            if self._count > MAX_FIELDS:
                raise ValueError(f'it has more than {MAX_FIELDS:,} fields; no network has so many')
            key, at = read_varint(view, at)
            wire = key & 7
            if wire == 0:
                value, at = read_varint(view, at)
                yield key >> 3, value, at
                continue
            if wire == 2:
                size, at = read_varint(view, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ValueError(f'byte {at}: no protobuf field starts there')
            if size > len(view) - at:
                raise ValueError(f'byte {at}: a field of {size} bytes starts there, but only '
                                 f'{len(view) - at} bytes are left')
            at += size
            yield key >> 3, view[at - size:at], at


def read_name(view: Bytes) -> str:
    """Return the text of a name.

    :raises EngineError: if the name is too long, or has control characters. A terminal would
        execute the control characters.
    """
    if len(view) > LONGEST_NAME:
        raise EngineError(f'a name has {len(view):,} bytes, but at most {LONGEST_NAME} bytes are '
                          f'allowed. The name starts with {bytes(view[:40])!r}')
    text = bytes(view).decode('utf-8')
    if not text.isprintable():
        raise EngineError(f'the name {text[:80]!a} has control characters')
    return text


def read_packed(view: Bytes) -> Iterator[int]:
    """Yield the integers of a packed repeated field. For the error, see :func:`read_varint`."""
    at = 0
    while at < len(view):
        value, at = read_varint(view, at)
        yield value


def read_varint(view: Bytes, at: int) -> tuple[int, int]:
    """Return the integer of up to 64 bits that begins at ``at``, and the offset after its end.

    :raises ValueError: if the integer does not end within 10 bytes or within the view.
    """
    value = shift = 0
    while at < len(view) and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f'byte {at}: the number before this byte does not end')
