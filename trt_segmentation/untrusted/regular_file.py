# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Files of strangers, read within bounds; and files of ours, written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import os
from pathlib import Path
import secrets
import stat
from typing import BinaryIO

PART = '.part'
"""Ending of a file that is still being written."""
PART_NAME = rf'\.[0-9a-f]{{32}}\{PART}'
"""Regular expression of the names that :func:`replace_file` gives such files."""
_PIECE = 1 << 20


def expand_home(text: str | Path) -> Path:
    """Replace a leading ``~`` or ``~user`` by that user's home folder.

    :raises FileNotFoundError: if there is no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f'{str(text)!r} names the home folder of a user that this '
                                f'computer does not have') from error


@contextmanager
def open_regular(path: Path, flags: int = 0) -> Iterator[BinaryIO]:
    """Open a file to read it. Pipes, devices and folders are refused without waiting for them.

    :param flags: of ``os.open``, besides those for reading.
    :raises OSError: if the file cannot be opened, or is no regular file.
    """
    # without O_NONBLOCK the opening of a pipe waits until another process writes to it
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f'{path} is not a regular file')
        file = os.fdopen(handle, 'rb')
    except BaseException:
        os.close(handle)
        raise
    with file:
        yield file


def size_of(file: BinaryIO) -> int:
    """Bytes that the file system gives as the size of an open file."""
    return os.fstat(file.fileno()).st_size


def read_whole(file: BinaryIO, most: int, name: str = 'it') -> bytes:
    """Read a file that was just opened.

    :param most: bytes that it may have.
    :param name: what errors call it.
    :raises ValueError: if it has more.
    :raises OSError: if it gave more or fewer bytes than its size.
    """
    size = size_of(file)
    if size > most:
        raise ValueError(f'{name} has {size:,} bytes; at most {most:,} are read')
    data = file.read(size + 1) or b''
    if len(data) != size:
        raise size_changed(size, name)
    return data


def read_regular(path: Path, most: int) -> bytes:
    """Open a regular file and read it whole; errors as of the two functions it calls."""
    with open_regular(path) as file:
        return read_whole(file, most)


def read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Read a file that was just opened in pieces of 1 MiB.

    :raises OSError: if it has fewer bytes than its size.
    """
    size = left = size_of(file)
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            raise size_changed(size)
        left -= len(piece)
        yield piece


def size_changed(size: int, name: str = 'it') -> OSError:
    """The error of a file whose bytes are not as many as its size."""
    return OSError(f'{name} does not have the {size:,} bytes that it had when it was opened: '
                   f'another program is writing it, or it is no file on a disk')


def replace_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part.

    The bytes are written to a new file in the same folder, which then takes the name. Nobody can
    guess the name of the new file, and it must not exist, so no link can be planted there. A link
    at ``path`` is replaced; what it points to stays as it is.

    :param mode: permission bits; the bits of the umask are taken away, as by ``open``.
    :raises OSError: if the disk does not take it; the old file is then still there.
    """
    part = path.with_name(f'.{secrets.token_hex(16)}{PART}')
    # tempfile.mkstemp always makes files of mode 0600, and the umask can only be read by setting
    # it for every thread of the process
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
                     mode)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
