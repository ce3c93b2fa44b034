# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Store plans on disk, and load only plans that this package wrote.

A plan holds the bytes of a TensorRT engine. An :class:`.engine_key.EngineKey` names everything
that a plan depends on. The cache finds a plan by its key. Each plan, and each other file that
belongs to a key, has a sidecar in the same folder. The sidecar is a JSON file with the size and
the hash of that file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import time
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from ..engines.plan import Plan
from ..errors import CacheError, PlanRefused
from ..installed.files import user_cache_folder
from ..untrusted.regular_file import expand_home, read_regular
from ..untrusted.signed_files import (
    delete_unfinished,
    is_cache_file,
    load_signed,
    make_private_folder,
    MAX_SIDECAR,
    sidecar_path,
    SignedFile,
    store_signed,
)
from .engine_key import EngineKey

LIMIT = 8 << 30
"""Largest size of all plans together, in bytes. If the plans need more, the least recently used
plans are deleted."""

Loaded = TypeVar('Loaded')


@dataclass(frozen=True)
class Entry:
    """One plan on disk.

    :param size: size of the plan in bytes.
    :param used: time of the last use, in seconds since the epoch.
    :param key: fields of the :class:`EngineKey`; empty if the sidecar cannot be read.
    """

    path: Path
    size: int
    used: float
    key: Mapping[str, Any]


def cache_folder(parameter: str | Path = '') -> Path:
    """Return ``parameter`` as a path. If it is empty, return this user's default folder.

    :raises CacheError: if ``parameter`` starts with ``~USER`` and this user does not exist.
    """
    if parameter:
        try:
            return expand_home(parameter)
        except FileNotFoundError as error:
            raise CacheError(f'the cache folder cannot be used: {error}. Choose another cache '
                             f'folder') from error
    return user_cache_folder()


class EngineCache:
    """A cache of plans in a folder of this user. Several processes may use one folder.

    A plan contains machine code. The cache trusts a plan only if this user owns the file, nobody
    else can write to the file, and the file's size and hash match its sidecar. A plan that is not
    trusted is built again.

    :param folder: see :func:`cache_folder`. A new folder gets the mode 0700.
    :param limit: see :data:`LIMIT`.
    :param log: receives one line for each slow operation and for each problem.
    :raises CacheError: if the folder cannot be created or belongs to another user.
    """

    def __init__(self, folder: str | Path = '', limit: int = LIMIT,
                 log: Callable[[str], None] = lambda line: None) -> None:
        self.folder = make_private_folder(cache_folder(folder) / 'engines')
        self._limit = limit
        self._log = log

    def get(self, key: EngineKey, build: Callable[[], Plan],
            load: Callable[[Plan], Loaded]) -> Loaded:
        """Load the plan of a key. If the cache has no trusted plan of this key, build a plan.

        If several processes need the same plan at once, one process builds it, and the others
        wait. An update of the driver or of TensorRT can make a cached plan useless. ``load`` then
        raises PlanRefused, and the plan is built once more.

        :param load: turns a plan into an engine. Only PlanRefused makes the cache build again.
        :returns: the result of ``load``.
        :raises EngineError: if ``build`` fails, or if ``load`` refuses the new plan.
        :raises CacheError: if the folder cannot be locked.
        """
        plan, _ = self.find(key)
        is_new = False
        if plan is None:
            plan, is_new = self._build_or_wait(key, build)
        try:
            return load(plan)
        except PlanRefused as error:
            if is_new:
                raise
            self._log(f'{self._path(key).name} can no longer be loaded, so a new plan is needed. '
                      f'Reason: {error}')
        refused = plan.data
        with self._locked():
            again, _ = self.find(key)
            if again is None or again.data == refused:
                again = self._build(key, build)
        return load(again)

    def find(self, key: EngineKey) -> tuple[Plan | None, str]:
        """Return the trusted plan of a key and an empty text, or None and the reason."""
        path = self._path(key)
        found, why = load_signed(path)
        if found is None:
            return None, why
        with suppress(OSError):     # the time of use only decides which plan is deleted first
            os.utime(path)
        return Plan(found.data, found.about), ''

    def entries(self) -> list[Entry]:
        """All plans, the least recently used first."""
        found = []
        for path in self.folder.glob('*.plan'):
            try:
                if not is_cache_file(path):
                    continue
                status = path.lstat()
            except OSError:     # another process deleted the plan, or the disk was removed
                continue
            found.append(Entry(path, status.st_size, status.st_mtime, _key_of(path)))
        return sorted(found, key=lambda entry: (entry.used, entry.path.name))

    def verify(self) -> list[tuple[Entry, str]]:
        """Return each plan with the reason why the cache does not trust the plan.

        The reason is empty if the plan is trusted.
        """
        return [(entry, load_signed(entry.path)[1]) for entry in self.entries()]

    def clear(self) -> int:
        """Delete the cache's own files, and no others. Return the number of freed bytes."""
        freed = 0
        with self._locked():
            for path in self.folder.iterdir():
                if is_cache_file(path):
                    freed += path.lstat().st_size
                    path.unlink()
        return freed

    def timing(self, key: EngineKey) -> bytes:
        """TensorRT's timing cache; empty if no trusted file exists.

        A timing cache has the measured times of kernels and makes the next build faster. Each
        version of TensorRT on each GPU and driver has a timing cache of its own.
        """
        return _read_trusted(self.folder / f'{key.timing}.timing')

    def keep_timing(self, key: EngineKey, data: bytes) -> None:
        """Store a timing cache for the next build."""
        self._store(self.folder / f'{key.timing}.timing', SignedFile(data), {},
                    'the next build is slower')

    def kernels(self, key: EngineKey) -> bytes:
        """Kernels that TensorRT-RTX compiled for a plan; empty if no trusted file exists."""
        return _read_trusted(_kernels_of(self._path(key)))

    def keep_kernels(self, key: EngineKey, data: bytes) -> None:
        """Store the kernels beside their plan. The cache deletes the kernels with the plan."""
        self._store(_kernels_of(self._path(key)), SignedFile(data), {},
                    'the next start compiles the kernels again')

    def _build_or_wait(self, key: EngineKey, build: Callable[[], Plan]) -> tuple[Plan, bool]:
        """Return a plan, and whether this call built it. If not, another process built it."""
        with self._locked():
            plan, why = self.find(key)
            if plan is not None:
                return plan, False
            self._log(f'building {key.precision} engine {self._path(key).name}: {why}')
            return self._build(key, build), True

    def _build(self, key: EngineKey, build: Callable[[], Plan]) -> Plan:
        started = time.monotonic()
        plan = build()
        self._log(f'built {self._path(key).name}, {len(plan.data) / 1e6:.1f} MB, '
                  f'in {time.monotonic() - started:.1f} s')
        self._store(self._path(key), plan, asdict(key), 'the next start builds again')
        try:
            self._drop_oldest(self._path(key))
            delete_unfinished(self.folder)
        except OSError as error:        # the new plan can be used nevertheless
            self._log(f'old files in {self.folder} could not be deleted: {error}')
        return plan

    def _path(self, key: EngineKey) -> Path:
        return self.folder / f'{key.digest}.plan'

    def _store(self, path: Path, signed: SignedFile, key: Mapping[str, Any], loss: str) -> None:
        """Write a file and its sidecar. If this fails, log the ``loss``, and go on."""
        try:
            store_signed(path, signed, key)
        except OSError as error:
            self._log(f'{path} could not be written, so {loss}: {error}')

    def _drop_oldest(self, newest: Path) -> None:
        entries = [entry for entry in self.entries() if entry.path != newest]
        total = sum(entry.size for entry in entries)
        room = self._limit - (newest.stat().st_size if newest.exists() else 0)
        for entry in entries:
            if total <= room:
                return
            self._log(f'deleting {entry.path.name}, the least recently used plan, because the '
                      f'plans may take at most {self._limit / 1e9:.1f} GB')
            entry.path.unlink(missing_ok=True)
            for path in (sidecar_path(entry.path), _kernels_of(entry.path),
                         sidecar_path(_kernels_of(entry.path))):
                path.unlink(missing_ok=True)
            total -= entry.size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # All keys share one lock. TensorRT times its kernels during a build, and a second build on
        # the same GPU would make these times wrong.
        lock = FileLock(str(self.folder / 'build.lock'), mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._log(f'another process uses the cache {self.folder}, for example to build an '
                      f'engine. This process waits until the other process has finished')
            lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise CacheError(f'{self.folder} cannot be locked: {error}. Name another cache '
                             f'folder, or set XDG_CACHE_HOME') from error
        try:
            yield
        finally:
            lock.release()


def _kernels_of(plan: Path) -> Path:
    return plan.with_suffix('.kernels')


def _read_trusted(path: Path) -> bytes:
    signed, _ = load_signed(path)
    return signed.data if signed else b''


def _key_of(path: Path) -> dict[str, Any]:
    try:
        key = json.loads(read_regular(sidecar_path(path), MAX_SIDECAR))['key']
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return key if isinstance(key, dict) else {}
