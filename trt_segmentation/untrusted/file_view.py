# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The bytes of an open file. Each piece is read from the disk when a reader needs it."""

from __future__ import annotations

import os
from typing import BinaryIO, overload

from .regular_file import size_changed

_WINDOW = 4096
"""Bytes that are read ahead when a reader asks for a single byte."""
_SMALL = 65536
"""Bytes. A slice up to this size is read at once. A longer slice is read in pieces later."""


class FileView:
    """Part of a file. Its length, items and slices work as those of a memoryview.

    A memory mapping would kill the process (SIGBUS) if another program shortened the file in
    the meantime. This class raises an error for such a file.

    :param file: the open file. It has to stay open while the view is used; the caller closes it.
    :param start: offset of the first byte.
    :param stop: offset after the last byte.
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

        :raises OSError: if another program has shortened the file since the view was made.
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
"""Type of the bytes that the readers of this folder accept."""
