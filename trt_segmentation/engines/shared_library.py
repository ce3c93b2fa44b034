# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Check a shared library before it is loaded: only this user and root may be able to change it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
import stat

from ..untrusted.regular_file import open_regular, read_pieces

_ROOT = 0


def check_library(path: Path) -> Path:
    """Check the owner and the permissions of a shared library and of all folders above it.

    The folders matter too, because a user who can write to a folder can replace its files.

    :returns: the path without symbolic links. Load the library from this path, because only this
        path was checked.
    :raises OSError: if there is no such file, if it is not a regular file, or if another user can
        change or replace the file. The message says what to do.
    """
    real = path.resolve(strict=True)
    with open_regular(real):
        pass
    parts = [real, *real.parents]
    foreign = [part for part in parts if part.stat().st_uid not in (_ROOT, os.getuid())]
    if foreign:
        raise PermissionError(f'{foreign[0]} belongs to user {foreign[0].stat().st_uid}. Copy the '
                              f'library to a folder of user {os.getuid()}')
    open_to_others = [part for part in parts if _others_can_write(part)]
    if open_to_others:
        names = ' '.join(map(str, open_to_others))
        raise PermissionError(f'other users can change {real}. Run `chmod go-w {names}`')
    return real


def hash_library(path: Path) -> str:
    """Return the SHA-256 of a library, as 64 hex digits.

    :raises OSError: if the file cannot be read.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        for piece in read_pieces(file):
            digest.update(piece)
    return digest.hexdigest()


def _others_can_write(part: Path) -> bool:
    mode = part.stat().st_mode
    # In a folder with the sticky bit, such as /tmp, only the owner of a file can replace the file.
    return bool(mode & 0o022) and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)
