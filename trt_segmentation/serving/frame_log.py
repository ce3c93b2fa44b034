# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A log file with one JSON object per frame: the frame's timings, or why the frame was dropped."""

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
from ..untrusted import output_files
from ..untrusted.regular_file import expand_home

MARKER = b'{"trt_segmentation_frame_log": 1'
"""First bytes of every frame log. A file that begins with other bytes is not changed."""

DEVICES = {'/dev/stdout': 1, '/dev/stderr': 2}
"""Devices that may be used instead of a regular file, each with its file descriptor."""

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW
"""Flags for a new or an existing file. With O_NONBLOCK, opening a FIFO does not wait."""

_NOT_REGULAR = 'it is not a regular file, but a link, a folder, a pipe or a device'


class FrameLog:
    """Appends one line for each frame that was segmented or dropped. Any thread may use the log.

    A segmented frame gives ``{"stamp_ns", "done_ns", "timings": {stage: ms}}``. A dropped frame
    gives ``{"stamp_ns", "done_ns", "dropped": reason}``. ``stamp_ns`` is null if the message had
    no readable header. ``done_ns`` is the time of the system clock when the line is written. If
    the camera has a name, the object also has the key ``camera``. When the file is opened, a line
    that begins with :data:`MARKER` is written first. In this line, ``opened_ns`` is the time
    of the system clock when the file was opened. An existing frame log keeps its lines.

    :param path: a new or empty file, a frame log, /dev/stdout or /dev/stderr; empty for no log.
    :param warn: called with one line if the file cannot be written any more, for example because
        the disk is full, or because the reader of a pipe is too slow. The log then ends, and the
        node continues.
    :raises FrameLogError: if ``path`` names any other file, or if the file cannot be opened. An
        existing file then stays unchanged.
    """

    def __init__(self, path: str, warn: Callable[[str], object]) -> None:
        self._warn = warn
        self._lock = threading.Lock()
        self._file: IO[str] | None = None
        if path:
            # Each line is written at once, so a killed process loses no earlier line.
            self._file = open(_open(path), 'a', buffering=1, encoding='utf-8')  # noqa: SIM115
            self._path = path
            self._write_line(f'{MARKER.decode()}, "{output_files.KEY}": "{output_files.MARKER}", '
                             f'"opened_ns": {time.time_ns()}}}')

    @property
    def is_open(self) -> bool:
        """Whether lines are written to a file."""
        return self._file is not None

    def log_segmentation(self, camera: str, stamp_ns: int, timings: Mapping[str, float]) -> None:
        """Write a line about a segmentation. ``timings`` has the milliseconds of each stage."""
        self._write(camera, stamp_ns, timings={k: round(v, 3) for k, v in timings.items()})

    def log_drop(self, camera: str, stamp_ns: int | None, reason: str) -> None:
        """Write a line about a frame that gets no segmentation.

        ``stamp_ns`` is None if the message had no readable header. ``reason`` is one of
        :mod:`.drop_reasons`.
        """
        self._write(camera, stamp_ns, dropped=reason)

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        with self._lock:
            file, self._file = self._file, None
            if file:
                try:
                    file.close()
                except OSError as error:
                    self._warn_of_end(error)

    def _write(self, camera: str, stamp_ns: int | None, **fields: object) -> None:
        entry = {'camera': camera} if camera else {}
        self._write_line(json.dumps(
            {**entry, 'stamp_ns': stamp_ns, 'done_ns': time.time_ns(), **fields}))

    def _write_line(self, line: str) -> None:
        with self._lock:
            if not self._file:
                return
            try:
                self._file.write(f'{line}\n')
            except OSError as error:
                file, self._file = self._file, None
                with suppress(OSError):  # close() tries to write the line again, and fails again
                    file.close()
                self._warn_of_end(error)

    def _warn_of_end(self, error: OSError) -> None:
        why, cure = error.strerror or error, 'free space'
        if isinstance(error, BlockingIOError):
            why, cure = 'the program that reads it is too slow', 'let this program read faster'
        self._warn(f'frame_log: cannot write {self._path}: {why}. The log ends here. The node '
                   f'goes on. To log again, {cure}, or set another file. Then deactivate, clean '
                   'up, configure and activate the node')


def _open(path: str) -> int:
    """Open a frame log without blocking, and return its descriptor. A link is not followed."""
    if path in DEVICES:
        return _reopen(DEVICES[path])
    try:
        place = expand_home(path)
        with suppress(FileExistsError):
            return os.open(place, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
        if not stat.S_ISREG(os.lstat(place).st_mode):  # opening some devices has an effect
            raise _refused(path, _NOT_REGULAR)
        file = os.open(place, _FLAGS)
        try:
            _check_frame_log(path, file)
        except BaseException:
            os.close(file)
            raise
        return file
    except (OSError, ValueError) as error:  # ValueError: the path holds a NUL
        why = getattr(error, 'strerror', None) or error
        raise FrameLogError(f'frame_log: cannot open {path!r}: {why}') from error


def _reopen(descriptor: int) -> int:
    """Open stdout or stderr again. A write to a pipe or a terminal then never waits."""
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):   # a socket cannot be opened again
        with suppress(OSError):
            return os.open(f'/proc/self/fd/{descriptor}',
                           os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    return os.dup(descriptor)


def _check_frame_log(path: str, file: int) -> None:
    """Check that an open file is a frame log or empty. End the last line if it is incomplete."""
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):  # the file was replaced after the first check
        raise _refused(path, _NOT_REGULAR)
    if not found.st_size:  # a full disk can leave an empty file, which has no content to lose
        return
    if os.pread(file, len(MARKER), 0) != MARKER:
        raise _refused(path, 'the file exists and is not a frame log, so nothing is written to it')
    if os.pread(file, 1, found.st_size - 1) != b'\n':
        os.write(file, b'\n')


def _refused(path: str, why: str) -> FrameLogError:
    return FrameLogError(f'frame_log: cannot use {path}: {why}; name a new file, an earlier frame '
                         f'log, or {" or ".join(DEVICES)}')
