# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the results of a run in a folder on a disk.

A run processes recordings in parts. These parts are called shards.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
import fcntl
import os
from pathlib import Path
import shutil
import tempfile
from typing import Any

from ..errors import FleetError, OutputError
from ..untrusted.output_files import raise_output_errors
from ..untrusted.regular_file import replace_file
from .store import describe_shard, DONE, SHARDS, Store

_PARTS = 'parts'
"""Folder for shards that are not complete yet."""
_FLUSHERS = 16
"""Number of threads that flush files to the disk at the same time."""


class LocalStore(Store):
    """The results of a run in a folder. :meth:`commit` moves a complete shard to its place.

    :param is_driver: True in the process that leads the run. This process locks the folder and may
        call all methods. False in a worker, which may only make and commit shards.
    :raises FleetError: if another process leads this run already.
    :raises OutputError: if the folder cannot be made or locked.
    """

    def __init__(self, root: Path, is_driver: bool) -> None:
        self.root = root
        self._lock: int | None = None
        if is_driver:
            with raise_output_errors(root):
                root.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(root / 'lock', os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._lock)
                if isinstance(error, BlockingIOError):
                    raise FleetError(f'another process writes to {root}. Wait until that process '
                                     'ends') from error
                raise OutputError(f'{root} cannot be locked: {error.strerror or error}. Choose a '
                                  'folder on another disk for the results') from error

    def read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return (self.root / name).read_bytes()
        return None

    def write(self, name: str, data: bytes) -> None:
        path = self.root / name
        with raise_output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, data)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    def find(self, folder: str, suffix: str = '') -> set[str]:
        try:
            names = os.listdir(self.root / folder)
        except FileNotFoundError:
            return set()
        return {name.removesuffix(suffix) for name in names if name.endswith(suffix)}

    def find_done(self) -> set[str]:
        return self.find(SHARDS)

    def make_folder(self, shard: str) -> Path:
        parts = self.root / _PARTS
        with raise_output_errors(parts):
            parts.mkdir(exist_ok=True)
            return Path(tempfile.mkdtemp(prefix=f'{shard}-', dir=parts))

    def commit(self, folder: Path, shard: str, facts: dict[str, Any]) -> None:
        target = self.root / SHARDS / shard
        with raise_output_errors(target):
            target.parent.mkdir(exist_ok=True)
            (folder / DONE).write_bytes(describe_shard(folder, facts))
            folder.chmod(0o755)
            # One thread would wait for each file in turn. With several threads, the disk can write
            # several files at once.
            with ThreadPoolExecutor(_FLUSHERS, 'flush') as pool:
                list(pool.map(_flush, folder.rglob('*')))
            _flush(folder)
            try:
                folder.rename(target)
            except OSError:
                if not (target / DONE).exists():
                    raise
                shutil.rmtree(folder)
            _flush(target.parent)

    def fetch(self, shard: str, scratch: Path) -> Path:
        folder = self.root / SHARDS / shard
        if not (folder / DONE).exists():
            raise FleetError(f'the shard {folder} is not complete; run `trt_seg label` first')
        return folder

    def sweep(self) -> None:
        shutil.rmtree(self.root / _PARTS, ignore_errors=True)

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _flush(path: Path) -> None:
    """Wait until the data of a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
