# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the results of a run in a folder or in an object store, and commits each shard once."""

from __future__ import annotations

from contextlib import suppress
import fcntl
import hashlib
import json
import os
from pathlib import Path
import shutil
import tempfile
from typing import Any, Protocol

import fsspec

from ..errors import FleetError, OutputError
from ..untrusted.output_files import KEY, MARKER, raise_output_errors
from ..untrusted.regular_file import replace_file

DONE = 'DONE'
"""Name of the file that makes a shard complete. It lists the other files of the shard."""
SHARDS = 'shards'
_PARTS = 'parts'
"""Folder of the shards that are not complete yet. Only local runs have it."""


class Store(Protocol):
    """The folder of one run. All names are relative to it.

    Any process may commit shards. Only one process at a time may use the other methods that write.
    """

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file in one step.

        :raises OutputError: if the file cannot be written.
        """

    def remove(self, name: str) -> None:
        """Delete a file. It may be missing."""

    def find(self, folder: str, suffix: str = '') -> set[str]:
        """Return the names of the entries of a folder that end with a suffix, without it."""

    def find_done(self) -> set[str]:
        """Return the names of all complete shards."""

    def make_folder(self, shard: str) -> Path:
        """Return a new empty folder on this machine for the files of a shard."""

    def commit(self, folder: Path, shard: str, facts: dict[str, Any]) -> None:
        """Make a shard complete, and delete its folder from :meth:`make_folder`.

        If the shard is complete already, its files stay as they are.

        :param facts: entries for the file :data:`DONE`.
        :raises OutputError: if the files cannot be written. The shard is not complete then.
        """

    def sweep(self) -> None:
        """Delete the folders of shards that were not completed. No worker may be running."""

    def close(self) -> None:
        """Let other processes write."""


class LocalStore:
    """A run in a folder. A shard is committed by renaming its folder.

    :param is_driver: whether this process may use all methods that write. Workers give False.
    :raises FleetError: if another process writes to the same run.
    """

    def __init__(self, root: Path, is_driver: bool) -> None:
        self.root = root
        self._lock: int | None = None
        if is_driver:
            with raise_output_errors(root, '--out'):
                root.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(root / 'lock', os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._lock)
                raise FleetError(f'another process writes to {root}; wait until it ends') \
                    from error

    def read(self, name: str) -> bytes | None:
        """See :class:`Store`."""
        with suppress(FileNotFoundError):
            return (self.root / name).read_bytes()
        return None

    def write(self, name: str, data: bytes) -> None:
        """See :class:`Store`."""
        path = self.root / name
        with raise_output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data)

    def remove(self, name: str) -> None:
        """See :class:`Store`."""
        (self.root / name).unlink(missing_ok=True)

    def find(self, folder: str, suffix: str = '') -> set[str]:
        """See :class:`Store`."""
        try:
            names = os.listdir(self.root / folder)
        except FileNotFoundError:
            return set()
        return {name.removesuffix(suffix) for name in names if name.endswith(suffix)}

    def find_done(self) -> set[str]:
        """See :class:`Store`."""
        return self.find(SHARDS)

    def make_folder(self, shard: str) -> Path:
        """See :class:`Store`."""
        parts = self.root / _PARTS
        with raise_output_errors(parts):
            parts.mkdir(exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f'{shard}-', dir=parts))

    def commit(self, folder: Path, shard: str, facts: dict[str, Any]) -> None:
        """See :class:`Store`."""
        target = self.root / SHARDS / shard
        with raise_output_errors(target):
            target.parent.mkdir(exist_ok=True)
            (folder / DONE).write_bytes(_describe(folder, facts))
            folder.chmod(0o755)
            for path in [*folder.rglob('*'), folder]:
                _flush(path)
            try:
                folder.rename(target)
            except OSError:
                if not (target / DONE).exists():
                    raise
                shutil.rmtree(folder)
            _flush(target.parent)

    def sweep(self) -> None:
        """See :class:`Store`."""
        shutil.rmtree(self.root / _PARTS, ignore_errors=True)

    def close(self) -> None:
        """See :class:`Store`."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class ObjectStore:
    """A run in an object store. The file DONE of a shard is uploaded after its other files.

    Two workers that upload the same shard write the same bytes to the same names.

    :param url: address for fsspec.
    :param scratch: folder of this machine for shards that are not complete yet.
    """

    def __init__(self, url: str, scratch: Path | None) -> None:
        self._scratch = scratch
        self._fs, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)

    def read(self, name: str) -> bytes | None:
        """See :class:`Store`."""
        with suppress(FileNotFoundError):
            return bytes(self._fs.cat_file(f'{self._root}/{name}'))
        return None

    def write(self, name: str, data: bytes) -> None:
        """See :class:`Store`."""
        try:
            self._fs.pipe_file(f'{self._root}/{name}', data)
        except Exception as error:      # each object store has errors of its own
            raise OutputError(f'{self._root}/{name} cannot be written: {error}') from error

    def remove(self, name: str) -> None:
        """See :class:`Store`."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(f'{self._root}/{name}')

    def find(self, folder: str, suffix: str = '') -> set[str]:
        """See :class:`Store`."""
        found = self._fs.glob(f'{self._root}/{folder}/*{suffix}')
        return {path.rpartition('/')[2].removesuffix(suffix) for path in found}

    def find_done(self) -> set[str]:
        """See :class:`Store`."""
        found = self._fs.glob(f'{self._root}/{SHARDS}/*/{DONE}')
        return {path.rsplit('/', 2)[1] for path in found}

    def make_folder(self, shard: str) -> Path:
        """See :class:`Store`."""
        assert self._scratch, 'only workers make folders'
        with raise_output_errors(self._scratch):
            return Path(tempfile.mkdtemp(prefix='shard-', dir=self._scratch))

    def commit(self, folder: Path, shard: str, facts: dict[str, Any]) -> None:
        """See :class:`Store`."""
        root = f'{SHARDS}/{shard}'
        if self.read(f'{root}/{DONE}') is None:
            for path in sorted(p for p in folder.rglob('*') if p.is_file()):
                self.write(f'{root}/{path.relative_to(folder).as_posix()}', path.read_bytes())
            self.write(f'{root}/{DONE}', _describe(folder, facts))
        shutil.rmtree(folder)

    def sweep(self) -> None:
        """See :class:`Store`. Workers sweep their machines, see :func:`.make_scratch`."""

    def close(self) -> None:
        """See :class:`Store`."""


def open_store(url: str, scratch: Path | None = None) -> Store:
    """Open the folder or URL of a run.

    :param scratch: folder for temporary files of a worker; None for the process that leads the
        run.
    :raises FleetError: if another process leads the same run.
    """
    return ObjectStore(url, scratch) if '://' in url else LocalStore(Path(url), scratch is None)


def dump_json(tree: dict[str, Any]) -> bytes:
    """Return a tree as JSON with the marker of this package. Equal trees give equal bytes."""
    return (json.dumps({KEY: MARKER, **tree}, indent=1) + '\n').encode()


def _describe(folder: Path, facts: dict[str, Any]) -> bytes:
    files = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in sorted(folder.rglob('*')) if path.is_file() and path.name != DONE}
    return dump_json({**facts, 'sha256': files})


def _flush(path: Path) -> None:
    """Wait until a file or the list of files of a folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
