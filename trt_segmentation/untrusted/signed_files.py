# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are loaded only when this user wrote them and nobody changed them since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
import hashlib
import json
import os
from pathlib import Path
import re
import time
from typing import Any

from ..errors import CacheError
from .output_files import is_ours, KEY, MARKER
from .regular_file import open_regular, PART, PART_NAME, read_whole, replace_file

SCHEMA = 1
"""Raised when the meaning of a key or of a sidecar changes; what is older is then not loaded."""

MAX_FILE = 16 << 30
MAX_SIDECAR = 64 << 20
"""Bytes; a layer takes a few hundred."""
_PRIVATE = 0o600
"""Permission bits of what is stored: only its owner loads it."""
_WRITTEN_BY_NOW = 3600.0
"""Seconds; no process is still at work on a part so old."""


_TAG = 'CACHEDIR.TAG'
"""Marks a folder as a cache, as the Cache Directory Tagging specification says."""
_TAG_TEXT = f'Signature: 8a477f597d28d172789f06886806bc55\n# {KEY}: {MARKER}\n'
_OWN_NAME = re.compile(rf'[0-9a-f]{{40}}\.(plan|timing|scales|kernels)(\.json)?|{PART_NAME}')
"""Names of the files in a cache, and of files that are still being written."""


def user_cache() -> Path:
    """The folder of this package in the user's cache, $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    # the XDG specification says to ignore a relative one
    root = Path(base) if base.startswith('/') else Path.home() / '.cache'
    return root / 'trt_segmentation'


@dataclass(frozen=True)
class SignedFile:
    """Bytes of a file of ours, and facts about them (``about`` can be written as JSON)."""

    data: bytes
    about: Mapping[str, Any] = field(default_factory=dict)


def sidecar(path: Path) -> Path:
    """The JSON file that says what a file is and has to hash to."""
    return path.with_name(f'{path.name}.json')


def store(path: Path, signed: SignedFile, key: Mapping[str, Any]) -> None:
    """Write a file and its sidecar, each whole or not at all.

    :raises OSError: where the disk does not take them.
    """
    said = {KEY: MARKER, 'schema': SCHEMA, 'size': len(signed.data), 'key': key,
            'about': signed.about, 'sha256': hashlib.sha256(signed.data).hexdigest()}
    replace_file(path, signed.data, _PRIVATE)
    replace_file(sidecar(path), json.dumps(said, indent=1).encode(), _PRIVATE)


def trusted(path: Path) -> tuple[SignedFile | None, str]:
    """Read a file and its sidecar once and judge just those bytes; or None and why not."""
    try:
        data = _read_own(path, MAX_FILE)
        said = json.loads(_read_own(sidecar(path), MAX_SIDECAR))
        if said['schema'] != SCHEMA:
            return None, f'it is of schema {said["schema"]}, this is schema {SCHEMA}'
        if len(data) != said['size']:
            return None, f'it has {len(data)} bytes, its sidecar says {said["size"]}'
        if hashlib.sha256(data).hexdigest() != said['sha256']:
            return None, 'its hash is not the one in its sidecar'
        return SignedFile(data, dict(said['about'])), ''
    except FileNotFoundError as error:
        return None, ('there is none yet' if Path(error.filename) == path else
                      f'{sidecar(path).name} is missing')
    # a JSON of brackets alone ends in a RecursionError
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return None, f'it cannot be trusted: {type(error).__name__}: {str(error)[:300]}'


def read_plan(path: Path) -> SignedFile:
    """Read a plan and its sidecar from wherever a user put them.

    :raises CacheError: where it is no plan of ours, or was changed since.
    """
    if not path.exists():
        raise CacheError(f'there is no plan {path}; `trt_seg build --out` writes one')
    plan, why = trusted(path)
    if plan is None:
        raise CacheError(f'{path} cannot be used as a plan: {why}. `trt_seg build` writes plans '
                         f'with a sidecar {sidecar(path).name} beside them')
    return plan


def own_folder(folder: Path) -> Path:
    """Make a folder of mode 0700 with a tag, or check that one there is this user's and has it.

    An empty folder gets the tag.

    :raises CacheError: if it cannot be made, belongs to somebody else, or holds other files.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # one handle for both: by its name, another folder or a link could come in between
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(handle).st_uid != os.getuid():
                raise CacheError(f'{folder} is not a folder of user {os.getuid()}, so engines in '
                                 f'it cannot be trusted; name another cache folder')
            # first the names, then the tag: nothing else is written before the tag is there
            names = sorted(name for name in os.listdir(handle)
                           if name != _TAG and not re.fullmatch(PART_NAME, name))
            if not is_ours(folder / _TAG):
                if names:
                    raise CacheError(f'{folder} holds {names[0]} and no {_TAG} of ours, so it is '
                                     f'not our cache; name another cache folder, or remove it '
                                     f'yourself')
                replace_file(folder / _TAG, _TAG_TEXT.encode(), _PRIVATE)
            os.fchmod(handle, 0o700)
        finally:
            os.close(handle)
    except OSError as error:
        raise CacheError(f'{folder} cannot hold engines: {error}; name another cache folder or '
                         f'set XDG_CACHE_HOME') from error
    return folder


def is_cache_file(path: Path) -> bool:
    """Whether a file in a cache folder has a name that only a cache gives: a digest."""
    return bool(_OWN_NAME.fullmatch(path.name)) and (path.is_symlink() or path.is_file())


def drop_unfinished(folder: Path) -> None:
    """Delete what a process that was killed while it wrote has left.

    :raises OSError: where the folder cannot be read or written.
    """
    for part in folder.glob(f'*{PART}'):
        if is_cache_file(part) and time.time() - part.lstat().st_mtime > _WRITTEN_BY_NOW:
            part.unlink(missing_ok=True)


def _read_own(path: Path, most: int) -> bytes:
    """Bytes of a regular file of this user's that nobody else can write.

    :param most: bytes it may have.
    :raises OSError: if it is another kind of file, or changes while it is read.
    :raises PermissionError: if it belongs to another user, or others can write it.
    :raises ValueError: if it has more bytes.
    """
    with open_regular(path, os.O_NOFOLLOW) as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.getuid():
            raise PermissionError(f'{path.name} belongs to user {status.st_uid}')
        if status.st_mode & 0o022:
            raise PermissionError(f'{path.name} can be written by others')
        return read_whole(file, most, path.name)
