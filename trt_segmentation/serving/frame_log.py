# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What became of every frame, one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
import json
import os
import stat
import threading
import time
from typing import IO

from ..errors import FrameLogError
from ..untrusted.regular_file import expand_home

MARKER = b'{"trt_segmentation_frame_log": 1'
"""First bytes of every frame log: they show that the file is one, so it may be appended to."""

DEVICES = {'/dev/stdout': 1, '/dev/stderr': 2}
"""Paths that are no files and may be written to all the same, with their descriptors."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW
"""Of an existing file. Opening one that turns out to be a FIFO does not wait for a reader."""

_NOT_REGULAR = 'it is not a regular file, but a link, a folder, a pipe or a device'


class FrameLog:
    """Appends a line for each frame answered or dropped; any thread.

    Answered: ``{"stamp_ns", "done_ns", "timings": {stage: ms}}``. Dropped: ``{"stamp_ns",
    "done_ns", "dropped": reason}``. ``done_ns`` is the system clock when it was done with;
    ``stamp_ns`` is null where the message had no header to read it from. ``camera`` is there
    where cameras have names. Each opening writes one line first,
    ``{"trt_segmentation_frame_log": 1, "opened_ns"}``; an existing frame log is appended to. A
    file that cannot be written any more, on a full disk say, is given up with one warning: the
    frames matter more.

    :param path: a new file, a frame log from before, /dev/stdout or /dev/stderr; '' for no log
        at all.
    :param warn: told of the file that is given up.
    :raises FrameLogError: for any other path, which is left as it is.
    """

    def __init__(self, path: str, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        if path:
            # line buffered: a process that is killed leaves whole lines
            self._file = open(_open(path), 'a', buffering=1, encoding='utf-8')  # noqa: SIM115
            self._path = path
            self._write_line(f'{MARKER.decode()}, "opened_ns": {time.time_ns()}}}')

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return self._file is not None

    def answered(self, camera: str, stamp_ns: int, timings: Mapping[str, float]) -> None:
        """Note a frame that was answered and its milliseconds by stage."""
        self._write(camera, stamp_ns, timings={k: round(v, 3) for k, v in timings.items()})

    def dropped(self, camera: str, stamp_ns: int | None, reason: str) -> None:
        """Note a frame that gets no answer."""
        self._write(camera, stamp_ns, dropped=reason)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            file, self._file = self._file, None
            if file:
                try:
                    file.close()
                except OSError as error:
                    self._tell(error)

    def _write(self, camera: str, stamp_ns: int | None, **what: object) -> None:
        entry = {'camera': camera} if camera else {}
        self._write_line(json.dumps(
            {**entry, 'stamp_ns': stamp_ns, 'done_ns': time.time_ns(), **what}))

    def _write_line(self, line: str) -> None:
        with self._lock:
            if not self._file:
                return
            try:
                self._file.write(f'{line}\n')
            except OSError as error:
                file, self._file = self._file, None
                with suppress(OSError):  # it tries to write what is left, which fails again
                    file.close()
                self._tell(error)

    def _tell(self, error: OSError) -> None:
        self._warn(f'frame_log: cannot write {self._path}: {error.strerror or error}. It ends '
                   'here, and frames are answered as before; to have it again make room or set '
                   'another file, then deactivate, clean up, configure and activate')


def _open(path: str) -> int:
    """Open a frame log; returns its descriptor. Never waits, follows no link, changes nothing."""
    if path in DEVICES:
        return os.dup(DEVICES[path])
    try:
        place = expand_home(path)
        with suppress(FileExistsError):
            return os.open(place, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        if not stat.S_ISREG(os.lstat(place).st_mode):  # merely to open some devices does something
            raise _refused(path, _NOT_REGULAR)
        file = os.open(place, _FLAGS)
        try:
            _check_ours(path, file)
        except BaseException:
            os.close(file)
            raise
        return file
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = getattr(error, 'strerror', None) or error
        raise FrameLogError(f'frame_log: cannot open {path!r}: {why}') from error


def _check_ours(path: str, file: int) -> None:
    """See that an open file is a frame log, and begin a new line if a killed process left half."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):  # it took the place of the one that was looked at
        raise _refused(path, _NOT_REGULAR)
    if os.pread(file, len(MARKER), 0) != MARKER:
        raise _refused(path, 'it exists and is no frame log, so it is not written to')
    if os.pread(file, 1, found.st_size - 1) != b'\n':
        os.write(file, b'\n')


def _refused(path: str, why: str) -> FrameLogError:
    return FrameLogError(f'frame_log: cannot use {path}: {why}; name a new file, a frame log from '
                         f'before, or {" or ".join(DEVICES)}')
