# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes signed files, such as plans (engines that TensorRT has built).

Each signed file has a sidecar: a JSON file with the hash of the signed file. There is no
cryptographic signature. A signed file is loaded only if it belongs to this user, and if its hash
is the hash in the sidecar.
"""

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
"""Version of the format of sidecars. Files of another version are not loaded."""
MAX_FILE = 16 << 30
"""Largest number of bytes of a signed file."""
MAX_SIDECAR = 64 << 20
"""Largest number of bytes of a sidecar. Each layer of a plan needs a few hundred bytes."""
_PRIVATE = 0o600
"""Permission bits of stored files. Only the owner of a file can read and write it."""
_ABANDONED_AFTER = 3600.0
"""Age in seconds at which an incomplete file of a killed process is deleted. No process needs so
long to write a file."""

_TAG = 'CACHEDIR.TAG'
"""Name of the file that marks a cache folder. The Cache Directory Tagging specification defines
this name."""
_TAG_TEXT = f'Signature: 8a477f597d28d172789f06886806bc55\n# {KEY}: {MARKER}\n'
_CACHE_NAME = re.compile(
    rf'[0-9a-f]{{40}}\.(plan|timing|scales|kernels|choice)(\.json)?|{PART_NAME}')
"""Names of the files in a cache, and of their part files. A part file is a file that is not yet
completely written."""


@dataclass(frozen=True)
class SignedFile:
    """The bytes of a signed file, and facts about these bytes as JSON values."""

    data: bytes
    about: Mapping[str, Any] = field(default_factory=dict)


def sidecar_path(path: Path) -> Path:
    """Return the path of the JSON file that holds the facts and the hash of a signed file."""
    return path.with_name(f'{path.name}.json')


def store_signed(path: Path, signed: SignedFile, key: Mapping[str, Any]) -> None:
    """Write a file and its sidecar.

    :param key: JSON values that say what the file was made from. The sidecar stores the key.
    :raises OSError: if a file cannot be written.
    """
    declared = {KEY: MARKER, 'schema': SCHEMA, 'size': len(signed.data), 'key': key,
                'about': signed.about, 'sha256': hashlib.sha256(signed.data).hexdigest()}
    replace_file(path, signed.data, _PRIVATE)
    replace_file(sidecar_path(path), json.dumps(declared, indent=1).encode(), _PRIVATE)


def load_signed(path: Path) -> tuple[SignedFile | None, str]:
    """Read a file and its sidecar, and compare the size and hash of the file with the sidecar.

    :returns: the file and an empty string, or None and the reason why the file is not trusted.
    """
    try:
        data = _read_private(path, MAX_FILE)
        declared = json.loads(_read_private(sidecar_path(path), MAX_SIDECAR))
        if declared['schema'] != SCHEMA:
            return None, f'it has schema {declared["schema"]}; expected schema {SCHEMA}'
        if len(data) != declared['size']:
            return None, f'it has {len(data)} bytes, but its sidecar says {declared["size"]}'
        if hashlib.sha256(data).hexdigest() != declared['sha256']:
            return None, 'its hash differs from the hash in its sidecar'
        return SignedFile(data, dict(declared['about'])), ''
    except FileNotFoundError as error:
        return None, ('there is none yet' if Path(error.filename) == path else
                      f'{sidecar_path(path).name} is missing')
    # If a sidecar has very many nested brackets, json raises a RecursionError.
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return None, f'it cannot be trusted: {type(error).__name__}: {str(error)[:300]}'


def load_signed_plan(path: Path) -> SignedFile:
    """Read a plan and its sidecar from a path that the user chose.

    :raises CacheError: if there is no plan, if this package did not write the plan, or if the
        plan was changed later.
    """
    if not path.exists():
        raise CacheError(f'there is no plan {path}. `trt_seg build --out` writes a plan')
    plan, why = load_signed(path)
    if plan is None:
        raise CacheError(f'{path} cannot be used as a plan: {why}. `trt_seg build` writes a plan '
                         f'and its sidecar {sidecar_path(path).name} beside it')
    return plan


def make_private_folder(folder: Path) -> Path:
    """Make a cache folder of mode 0700 with the file CACHEDIR.TAG, or check an existing folder.

    An existing folder must belong to this user. If the folder is empty, it gets the tag file.

    :raises CacheError: if the folder cannot be made, belongs to another user, or holds files
        but no tag file.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # All checks use one handle. Otherwise another user could replace the folder by a link
        # between two checks.
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if os.fstat(handle).st_uid != os.getuid():
                raise CacheError(f'{folder} does not belong to user {os.getuid()}, so engines in '
                                 f'it cannot be trusted. Choose another cache folder')
            # The tag file is the first file in a new cache. If only other files are there, this
            # package did not make the folder.
            names = sorted(name for name in os.listdir(handle)
                           if name != _TAG and not re.fullmatch(PART_NAME, name))
            if not is_ours(folder / _TAG):
                if names:
                    raise CacheError(f'{folder} holds {names[0]} but no {_TAG} of trt_seg, so it '
                                     f'is not a cache of trt_seg. Choose another cache folder, or '
                                     f'remove this folder yourself')
                replace_file(folder / _TAG, _TAG_TEXT.encode(), _PRIVATE)
            os.fchmod(handle, 0o700)
        finally:
            os.close(handle)
    except OSError as error:
        raise CacheError(f'{folder} cannot hold engines: {error}. Choose another cache folder, or '
                         f'set XDG_CACHE_HOME') from error
    return folder


def is_cache_file(path: Path) -> bool:
    """Return whether a path is a file or a link, and has the name of a file in a cache."""
    return bool(_CACHE_NAME.fullmatch(path.name)) and (path.is_symlink() or path.is_file())


def delete_unfinished(folder: Path) -> None:
    """Delete old part files. A process that is killed while it writes a file leaves a part file.

    :raises OSError: if the folder cannot be read or written.
    """
    for part in folder.glob(f'*{PART}'):
        if is_cache_file(part) and time.time() - part.lstat().st_mtime > _ABANDONED_AFTER:
            part.unlink(missing_ok=True)


def _read_private(path: Path, most: int) -> bytes:
    # This user must own the file, and nobody else may have permission to write it.
    with open_regular(path, os.O_NOFOLLOW) as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.getuid():
            raise PermissionError(f'{path.name} belongs to user {status.st_uid}')
        if status.st_mode & 0o022:
            raise PermissionError(f'{path.name} can be written by others')
        return read_whole(file, most, path.name)
