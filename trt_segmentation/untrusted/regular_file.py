# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads untrusted files up to a size limit, and replaces files in one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import os
from pathlib import Path
import secrets
import stat
from typing import BinaryIO

PART = '.part'
"""Ending of the name of a part file: a file that :func:`replace_file` is still writing."""
PART_NAME = rf'\.[0-9a-f]{{32}}\{PART}'
"""Regular expression for the names of part files."""
_PIECE = 1 << 20


def expand_home(text: str | Path) -> Path:
    """Replace ``~`` or ``~user`` at the start of a path by the home folder.

    :raises FileNotFoundError: if this computer has no such user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(f'{str(text)!r} names the home folder of a user that this '
                                f'computer does not have') from error


@contextmanager
def open_regular(path: Path, flags: int = 0) -> Iterator[BinaryIO]:
    """Open a file to read it. Pipes, devices and folders are refused at once.

    :param flags: more flags for ``os.open``.
    :raises OSError: if the file cannot be opened, or if it is not a regular file.
    """
    # Without O_NONBLOCK, opening a pipe waits until another process writes to the pipe.
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
    """Return the size of an open file in bytes. The size comes from the file system."""
    return os.fstat(file.fileno()).st_size


def read_whole(file: BinaryIO, most: int, name: str = 'it') -> bytes:
    """Return all bytes of a file that was just opened.

    :param most: largest number of bytes that the file may have.
    :param name: name of the file in error messages.
    :raises ValueError: if the file has more than ``most`` bytes.
    :raises OSError: if the number of bytes that were read is not the size of the file.
    """
    size = size_of(file)
    if size > most:
        raise ValueError(f'{name} has {size:,} bytes, but at most {most:,} are allowed')
    data = file.read(size + 1) or b''
    if len(data) != size:
        raise size_changed(size, name)
    return data


def read_regular(path: Path, most: int) -> bytes:
    """Return all bytes of a file. :func:`open_regular` and :func:`read_whole` list the errors."""
    with open_regular(path) as file:
        return read_whole(file, most)


def read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield the bytes of a file that was just opened, in pieces of 1 MiB.

    :raises OSError: if the file became shorter while it was read.
    """
    size = left = size_of(file)
    while left:
        piece = file.read(min(left, _PIECE))
        if not piece:
            raise size_changed(size)
        left -= len(piece)
        yield piece


def size_changed(size: int, name: str = 'it') -> OSError:
    """Return the error for a file that had ``size`` bytes at first, and has another size now."""
    return OSError(f'{name} had {size:,} bytes when it was opened, and has another size now: '
                   f'another program is writing it, or it is not a file on a disk')


def replace_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Replace a file in one step. A reader sees the complete old file or the complete new file.

    The bytes are written to a new part file in the same folder, which is then renamed to ``path``.
    The name of the part file is random, so another user cannot place a link with this name in
    advance. If ``path`` is a link, the new file replaces the link and not the target of the link.

    :param mode: permission bits of the new file, before the umask removes some of them.
    :raises OSError: if the bytes cannot be written. The old file then stays as it is.
    """
    part = path.with_name(f'.{secrets.token_hex(16)}{PART}')
    # tempfile.mkstemp is not used, because it always makes files of mode 0600. To correct this
    # mode, the umask would be needed. A process can read its umask only if it changes the umask
    # for a moment, and this change would reach all threads.
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
