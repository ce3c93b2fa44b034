# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of :class:`.LocalStore` and :class:`.ObjectStore`, which keep a run's results.

A run processes recordings in parts. These parts are called shards.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

from ..threads.ordered_map import map_ahead
from ..untrusted.output_files import KEY, MARKER

DONE = 'DONE'
"""A shard is complete if it has a file of this name. The file DONE lists all other files of the
shard."""
SHARDS = 'shards'
"""Folder of the complete shards."""
_READERS = 16
"""Number of threads that read files at the same time, because an object store answers slowly."""


class Store(Protocol):
    """The results of one run. All names are relative to the folder or URL of the run.

    Any process may make and commit shards. Only the process that leads the run may call
    :meth:`write`, :meth:`remove` and :meth:`sweep`.
    """

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if there is no such file."""

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file. A reader never sees a half-written file.

        :raises OutputError: if the file cannot be written.
        """

    def remove(self, name: str) -> None:
        """Delete a file, if it exists."""

    def find(self, folder: str, suffix: str = '') -> set[str]:
        """Return the names in a folder that end with ``suffix``, but without the suffix."""

    def find_done(self) -> set[str]:
        """Return the names of all complete shards."""

    def make_folder(self, shard: str) -> Path:
        """Return a new empty folder on this machine for the files of a shard."""

    def commit(self, folder: Path, shard: str, facts: dict[str, Any]) -> None:
        """Make a shard complete. If the shard is complete already, keep the stored files.

        :param folder: result of :meth:`make_folder`. The call moves or deletes this folder.
        :param facts: entries to add to the file :data:`DONE`.
        :raises OutputError: if the files cannot be written. The shard stays incomplete.
        """

    def fetch(self, shard: str, scratch: Path) -> Path:
        """Return a folder on this machine with the files of a complete shard.

        :param scratch: if the shard is in an object store, its files are copied into this folder.
        :raises FleetError: if the shard is not complete.
        """

    def sweep(self) -> None:
        """Delete the files of incomplete shards. No worker process may be running."""

    def close(self) -> None:
        """Allow another process to lead the run."""


def read_files(store: Store, names: Iterable[str]) -> Generator[bytes | None, None, None]:
    """Yield the content of each file, in the order of the names; None if a file does not exist.

    Several threads read the next files. If not all files are needed, close the generator.
    """
    return map_ahead(store.read, names, 'read results', _READERS, lambda data: len(data or b''))


def dump_json(tree: dict[str, Any], indent: int | None = 1) -> bytes:
    """Return a tree as JSON. An added entry marks the file as written by trt_segmentation."""
    return (json.dumps({KEY: MARKER, **tree}, indent=indent, default=str) + '\n').encode()


def describe_shard(folder: Path, facts: dict[str, Any]) -> bytes:
    """Return the content of a shard's :data:`DONE`: ``facts``, and a digest of each other file."""
    files = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in sorted(folder.rglob('*')) if path.is_file() and path.name != DONE}
    return dump_json({**facts, 'sha256': files})
