# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Where built engines are kept: found by everything that made them, trusted only when ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
import hashlib
import json
import os
from pathlib import Path
import time
from typing import Any, TypeVar

from filelock import FileLock, Timeout

from ..engines.plan import Plan
from ..errors import CacheError, EngineError
from ..installed.files import user_cache_folder
from ..untrusted.regular_file import expand_home, read_regular
from ..untrusted.signed_files import (
    delete_unfinished,
    is_cache_file,
    load_signed,
    make_private_folder,
    MAX_SIDECAR,
    SCHEMA,
    sidecar_path,
    SignedFile,
    store_signed,
)

LIMIT = 8 << 30
"""Bytes of plans kept before the least recently used go."""

Loaded = TypeVar('Loaded')


@dataclass(frozen=True)
class EngineKey:
    """Everything that makes one plan different from another.

    :param model: digest of the ONNX file and its external data, :func:`.graph.model_digest`.
    :param precision: fp32, fp16, int8 or mixed.
    :param scales: digest of the calibrated ranges; '' where none are used.
    :param keep_fp16: node name patterns that were kept out of INT8.
    :param shapes: sizes and batches asked for, and those of the card.
    :param options: workspace, optimisation level and whatever else the builder was told.
    :param backend: ``tensorrt`` or ``tensorrt_rtx``.
    :param version: its version.
    :param gpu: the GPU's name; '' where the plan is built for no GPU in particular.
    :param arch: compute capability such as ``sm_87``; '' likewise.
    :param driver: driver branch, the part of its version before the first point; '' likewise.
    """

    model: str
    precision: str
    scales: str
    keep_fp16: tuple[str, ...]
    shapes: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    backend: str
    version: str
    gpu: str
    arch: str
    driver: str
    schema: int = SCHEMA

    @property
    def digest(self) -> str:
        """40 hex digits that name the entry."""
        return _digest(asdict(self))

    @property
    def timing(self) -> str:
        """40 hex digits that name the timing cache, which every model on this GPU shares."""
        return _digest([self.backend, self.version, self.gpu, self.arch, self.driver, SCHEMA])


@dataclass(frozen=True)
class Entry:
    """One plan on disk: ``used`` is seconds since the epoch, ``key`` the key's fields."""

    path: Path
    size: int
    used: float
    key: Mapping[str, Any]


def cache_folder(parameter: str | Path = '') -> Path:
    """The folder a parameter names, else trt_segmentation in the XDG cache folder.

    :raises CacheError: if the parameter names the home of a user there is not.
    """
    if parameter:
        try:
            return expand_home(parameter)
        except FileNotFoundError as error:
            raise CacheError(f'the cache folder {error}; name another one') from error
    return user_cache_folder()


class EngineCache:
    """Plans in one folder of the user's, safe against other processes and other users.

    A plan is machine code, so one is loaded only when this user owns it, nobody else can
    write it, and its size and hash are those its sidecar says. Anything else is built anew.

    :param folder: as :func:`cache_folder`; made with mode 0700.
    :param limit: bytes of plans to keep.
    :param log: gets one line whenever the cache does anything that takes time or looks odd.
    :raises CacheError: where the folder cannot be made or belongs to somebody else.
    """

    def __init__(self, folder: str | Path = '', limit: int = LIMIT,
                 log: Callable[[str], None] = lambda line: None) -> None:
        self.folder = make_private_folder(cache_folder(folder) / 'engines')
        self._limit = limit
        self._log = log

    def get(self, key: EngineKey, build: Callable[[], Plan],
            load: Callable[[Plan], Loaded]) -> Loaded:
        """Load the plan of a key, building it where there is none that can be trusted.

        Of several processes that ask at once one builds and the others wait for it. A cached
        plan that ``load`` refuses (the driver or TensorRT was updated under it) is built once
        more; what is refused fresh is an error.

        :raises EngineError: whatever ``build`` or the last ``load`` raised.
        """
        plan, why = self._find(key)
        if plan is None:
            plan, fresh = self._build_or_wait(key, why, build)
        else:
            fresh = False
        try:
            return load(plan)
        except EngineError as error:
            if fresh:
                raise
            self._log(f'{self._path(key).name} cannot be loaded any more; building it again '
                      f'({error})')
        refused = plan.data
        with self._locked():
            again, _ = self._find(key)
            if again is None or again.data == refused:
                again = self._build(key, build)
        return load(again)

    def entries(self) -> list[Entry]:
        """Every plan, least recently used first."""
        found = []
        for path in self.folder.glob('*.plan'):
            try:
                if not is_cache_file(path):
                    continue
                status = path.lstat()
            except OSError:     # dropped by another process just now, or the disk went away
                continue
            found.append(Entry(path, status.st_size, status.st_mtime, _key_of(path)))
        return sorted(found, key=lambda entry: (entry.used, entry.path.name))

    def verify(self) -> list[tuple[Entry, str]]:
        """Every plan with what is wrong with it; '' where it would be loaded."""
        return [(entry, load_signed(entry.path)[1]) for entry in self.entries()]

    def clear(self) -> int:
        """Delete plans, timing caches and measured scales; returns the bytes freed.

        Files of other names are not from this cache and stay.
        """
        freed = 0
        with self._locked():
            for path in self.folder.iterdir():
                if is_cache_file(path):
                    freed += path.lstat().st_size
                    path.unlink()
        return freed

    def timing(self, key: EngineKey) -> bytes:
        """The timing cache of a key's GPU and TensorRT; b'' where there is none to trust."""
        plan, _ = load_signed(self.folder / f'{key.timing}.timing')
        return plan.data if plan else b''

    def keep_timing(self, key: EngineKey, data: bytes) -> None:
        """Keep a timing cache for the next build."""
        self._store(self.folder / f'{key.timing}.timing', SignedFile(data), {})

    def kernels(self, key: EngineKey) -> bytes:
        """What TensorRT-RTX compiled for a plan; b'' where there is nothing to trust."""
        plan, _ = load_signed(_kernels_of(self._path(key)))
        return plan.data if plan else b''

    def keep_kernels(self, key: EngineKey, data: bytes) -> None:
        """Keep what TensorRT-RTX compiled, beside the plan and as long as it."""
        self._store(_kernels_of(self._path(key)), SignedFile(data), {})

    def _build_or_wait(self, key: EngineKey, why: str,
                       build: Callable[[], Plan]) -> tuple[Plan, bool]:
        with self._locked():
            plan, why = self._find(key)
            if plan is not None:
                return plan, False
            self._log(f'building {key.precision} engine {self._path(key).name}: {why}')
            return self._build(key, build), True

    def _build(self, key: EngineKey, build: Callable[[], Plan]) -> Plan:
        started = time.monotonic()
        plan = build()
        self._log(f'built {self._path(key).name}, {len(plan.data) / 1e6:.1f} MB, '
                  f'in {time.monotonic() - started:.1f} s')
        self._store(self._path(key), plan, asdict(key))
        try:
            self._drop_oldest(self._path(key))
            delete_unfinished(self.folder)
        except OSError as error:        # the plan is there and good, whatever became of the disk
            self._log(f'{self.folder} could not be tidied: {error}')
        return plan

    def _path(self, key: EngineKey) -> Path:
        return self.folder / f'{key.digest}.plan'

    def _find(self, key: EngineKey) -> tuple[Plan | None, str]:
        path = self._path(key)
        found, why = load_signed(path)
        if found is None:
            return None, why
        with suppress(OSError):     # only the order in which plans are dropped
            os.utime(path)
        return Plan(found.data, found.about), ''

    def _store(self, path: Path, signed: SignedFile, key: Mapping[str, Any]) -> None:
        try:
            store_signed(path, signed, key)
        except OSError as error:
            self._log(f'{path} could not be kept, the next start builds again: {error}')

    def _drop_oldest(self, newest: Path) -> None:
        entries = [entry for entry in self.entries() if entry.path != newest]
        total = sum(entry.size for entry in entries)
        room = self._limit - (newest.stat().st_size if newest.exists() else 0)
        for entry in entries:
            if total <= room:
                return
            self._log(f'dropping {entry.path.name}, the least recently used, to stay under '
                      f'{self._limit / 1e9:.1f} GB')
            entry.path.unlink(missing_ok=True)
            for path in (sidecar_path(entry.path), _kernels_of(entry.path),
                         sidecar_path(_kernels_of(entry.path))):
                path.unlink(missing_ok=True)
            total -= entry.size

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # one lock for all keys: two builds at once on one GPU would spoil each other's timings
        lock = FileLock(str(self.folder / 'build.lock'), mode=0o600)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._log('another process is building an engine; waiting for it')
            lock.acquire()
        except (OSError, NotImplementedError) as error:
            raise CacheError(f'{self.folder} cannot be locked: {error}; name another cache folder '
                             f'or set XDG_CACHE_HOME') from error
        try:
            yield
        finally:
            lock.release()


def _kernels_of(plan: Path) -> Path:
    return plan.with_suffix('.kernels')


def _key_of(path: Path) -> dict[str, Any]:
    """What a sidecar says the plan was built from; {} where it cannot be read."""
    try:
        key = json.loads(read_regular(sidecar_path(path), MAX_SIDECAR))['key']
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return key if isinstance(key, dict) else {}


def _digest(tree: Any) -> str:
    text = json.dumps(tree, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()[:40]
