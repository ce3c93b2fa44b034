# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.


"""Files that are loaded only when this user wrote them and nobody changed them since."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import json
import os
from pathlib import Path
import stat
import time
from typing import Any

from .plan import Plan

SCHEMA = 1
"""Raised when the meaning of a key or of a sidecar changes; what is older is then not loaded."""

MAX_FILE = 16 << 30
MAX_SIDECAR = 64 << 20
"""Bytes; a layer takes a few hundred."""
_WRITTEN_BY_NOW = 3600.0
"""Seconds; no process is still at work on a part so old."""


class CacheError(RuntimeError):
    """A cache folder that cannot be used; names it and what to do."""


def user_cache() -> Path:
    """The folder of this package in the user's cache, $XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get('XDG_CACHE_HOME', '')
    # the XDG specification says to ignore a relative one
    root = Path(base) if base.startswith('/') else Path.home() / '.cache'
    return root / 'trt_segmentation'


def sidecar(path: Path) -> Path:
    """The JSON file that says what a file is and has to hash to."""
    return path.with_name(f'{path.name}.json')


def store(path: Path, plan: Plan, key: Mapping[str, Any]) -> None:
    """Write a file and its sidecar, each whole or not at all.

    :raises OSError: where the disk does not take them.
    """
    said = {'schema': SCHEMA, 'size': len(plan.data), 'key': key, 'about': plan.about,
            'sha256': hashlib.sha256(plan.data).hexdigest()}
    _replace(path, plan.data)
    _replace(sidecar(path), json.dumps(said, indent=1).encode())


def trusted(path: Path) -> tuple[Plan | None, str]:
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
        return Plan(data, dict(said['about'])), ''
    except FileNotFoundError as error:
        return None, ('there is none yet' if Path(error.filename) == path else
                      f'{sidecar(path).name} is missing')
    # a JSON of brackets alone ends in a RecursionError
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return None, f'it cannot be trusted: {type(error).__name__}: {str(error)[:300]}'


def read_plan(path: Path) -> Plan:
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
    """Make a folder of mode 0700, or check that one there is this user's.

    :raises CacheError: where it cannot be made or belongs to somebody else.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise CacheError(f'{folder} is not a folder of user {os.getuid()}, so engines in it '
                             f'cannot be trusted; name another cache folder')
        folder.chmod(0o700)
    except OSError as error:
        raise CacheError(f'{folder} cannot hold engines: {error}; name another cache folder or '
                         f'set XDG_CACHE_HOME') from error
    return folder


def drop_unfinished(folder: Path) -> None:
    """Delete what a process that was killed while it wrote has left.

    :raises OSError: where the folder cannot be read or written.
    """
    for part in folder.glob('*.part'):
        if time.time() - part.lstat().st_mtime > _WRITTEN_BY_NOW:
            part.unlink(missing_ok=True)


def _read_own(path: Path, most: int) -> bytes:
    """Bytes of a regular file of this user's that nobody else can write.

    :param most: bytes it may have.
    :raises PermissionError: where it is not.
    :raises ValueError: where it has more.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), 'rb') as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(f'{path.name} is not a regular file')
        if status.st_uid != os.getuid():
            raise PermissionError(f'{path.name} belongs to user {status.st_uid}')
        if status.st_mode & 0o022:
            raise PermissionError(f'{path.name} can be written by others')
        if status.st_size > most:
            raise ValueError(f'{path.name} has {status.st_size:,} bytes; at most {most:,} are '
                             f'read')
        return file.read(most)


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new, never a part."""
    part = path.with_name(f'{path.name}.{os.getpid()}.part')
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
