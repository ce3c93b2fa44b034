# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the results of a run in an object store, such as S3.

A run processes recordings in parts. These parts are called shards.
"""

from __future__ import annotations

from contextlib import suppress
import json
from pathlib import Path
import shutil
import tempfile
from typing import Any

from ..errors import FleetError, OutputError
from ..untrusted.output_files import raise_output_errors
from .recordings import open_filesystem
from .store import describe_shard, DONE, SHARDS, Store


class ObjectStore(Store):
    """The results of a run in an object store.

    A shard is complete if it has the file DONE. So :meth:`commit` uploads this file after the
    other files of the shard. If two workers upload the same shard, they write the same bytes to
    the same names.

    :param url: address for fsspec.
    :param scratch: folder on this machine for incomplete shards. None in the process that leads
        the run, because only workers make shards.
    """

    def __init__(self, url: str, scratch: Path | None) -> None:
        self._scratch = scratch
        self._fs, self._root = open_filesystem(url)

    def read(self, name: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return bytes(self._fs.cat_file(f'{self._root}/{name}'))
        return None

    def write(self, name: str, data: bytes) -> None:
        try:
            self._fs.pipe_file(f'{self._root}/{name}', data)
        except Exception as error:      # each object store has its own error classes
            raise OutputError(f'{self._root}/{name} cannot be written: {error}') from error

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.rm_file(f'{self._root}/{name}')

    def find(self, folder: str, suffix: str = '') -> set[str]:
        found = self._fs.glob('/'.join(filter(None, [self._root, folder, f'*{suffix}'])))
        return {path.rpartition('/')[2].removesuffix(suffix) for path in found}

    def find_done(self) -> set[str]:
        # One request lists a thousand files. A search for the names shards/*/DONE would need one
        # request for each shard.
        found = self._fs.find(f'{self._root}/{SHARDS}')
        return {path.rsplit('/', 2)[1] for path in found if path.endswith(f'/{DONE}')}

    def make_folder(self, shard: str) -> Path:
        assert self._scratch, 'only workers make folders'
        with raise_output_errors(self._scratch):
            return Path(tempfile.mkdtemp(prefix='shard-', dir=self._scratch))

    def commit(self, folder: Path, shard: str, facts: dict[str, Any]) -> None:
        root = f'{SHARDS}/{shard}'
        if self.read(f'{root}/{DONE}') is None:
            for path in sorted(p for p in folder.rglob('*') if p.is_file()):
                self.write(f'{root}/{path.relative_to(folder).as_posix()}', path.read_bytes())
            self.write(f'{root}/{DONE}', describe_shard(folder, facts))
        shutil.rmtree(folder)

    def fetch(self, shard: str, scratch: Path) -> Path:
        data = self.read(f'{SHARDS}/{shard}/{DONE}')
        if data is None:
            raise FleetError(f'the shard {self._root}/{SHARDS}/{shard} is not complete; run '
                             '`trt_seg label` first')
        folder = Path(tempfile.mkdtemp(dir=scratch))
        for name in json.loads(data)['sha256']:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.read(f'{SHARDS}/{shard}/{name}') or b'')
        return folder

    def sweep(self) -> None:
        # There is nothing to delete. A worker keeps incomplete shards in a temporary folder on its
        # own machine, and deletes this folder itself. If an upload was interrupted, the next
        # upload of the same shard replaces the files of the shard.
        pass

    def close(self) -> None:
        pass
