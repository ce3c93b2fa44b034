# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of the places that keep the results of a run: a folder or an object store."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Protocol

from ..untrusted.output_files import KEY, MARKER

DONE = 'DONE'
"""Name of the file that makes a shard complete. It lists the other files of the shard."""
SHARDS = 'shards'


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

    def fetch(self, shard: str, scratch: Path) -> Path:
        """Return a folder on this machine with the files of a complete shard.

        :param scratch: folder for a copy, if the shard is not on this machine.
        :raises FleetError: if the shard is not complete.
        """

    def sweep(self) -> None:
        """Delete the folders of shards that were not completed. No worker may be running."""

    def close(self) -> None:
        """Let other processes write."""


def dump_json(tree: dict[str, Any]) -> bytes:
    """Return a tree as JSON with the marker of this package. Equal trees give equal bytes."""
    return (json.dumps({KEY: MARKER, **tree}, indent=1) + '\n').encode()


def describe_shard(folder: Path, facts: dict[str, Any]) -> bytes:
    """Return the content of the file :data:`DONE` of a shard.

    :param facts: further entries of the file.
    """
    files = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
             for path in sorted(folder.rglob('*')) if path.is_file() and path.name != DONE}
    return dump_json({**facts, 'sha256': files})
