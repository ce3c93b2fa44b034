# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A view of the bytes of an open file. Bytes are read from the disk when they are needed."""

from __future__ import annotations

import os
from typing import BinaryIO, overload

from .regular_file import size_changed

_WINDOW = 4096
"""If one byte is needed, this number of bytes is read from the disk in one call."""
_SMALL = 65536
"""A slice up to this number of bytes is read at once. A longer slice becomes another FileView."""


class FileView:
    """Part of a file. Its length, items and slices work like those of a memoryview.

    If another program shortens the file, a process that reads a memory mapping of this file is
    killed by SIGBUS. A FileView raises an error instead.

    :param file: the open file. The caller keeps the file open while the view is used.
    :param start: offset of the first byte. ``stop`` is the offset after the last byte.
    """

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file, self._start, self._stop = file, start, stop
        self._window, self._window_at = b'', start

    def __len__(self) -> int:
        return self._stop - self._start

    @overload
    def __getitem__(self, at: int) -> int: ...

    @overload
    def __getitem__(self, at: slice) -> Bytes: ...

    def __getitem__(self, at: int | slice) -> int | Bytes:
        """Return one byte, or a slice: a memoryview if the slice is small, else a FileView.

        :raises OSError: if another program has shortened the file.
        """
        if isinstance(at, slice):
            first, after, _ = at.indices(len(self))
            first, after = self._start + first, self._start + max(first, after)
            if after - first > _SMALL:
                return FileView(self._file, first, after)
            return memoryview(self._read(first, after))
        place = self._start + at
        if not 0 <= place - self._window_at < len(self._window):
            self._window_at = place
            self._window = self._read(place, min(place + _WINDOW, self._stop))
        return self._window[place - self._window_at]

    def __bytes__(self) -> bytes:
        return self._read(self._start, self._stop)

    def _read(self, first: int, after: int) -> bytes:
        data = os.pread(self._file.fileno(), after - first, first)
        if len(data) != after - first:
            raise size_changed(self._stop)
        return data


Bytes = memoryview | FileView
"""The types of the data that the file readers in this folder accept."""
