# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Temporary folders of workers. A new worker deletes the folders of workers that were killed."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
import shutil
import tempfile

from ..errors import OutputError

_LOCK = 'lock'


class ScratchFolder:
    """A new folder for temporary files. This process locks the folder until :meth:`close`.

    The constructor deletes the folders of processes that ended without calling :meth:`close`.

    :ivar path: the folder.
    :raises OutputError: if the folder cannot be made, or if other users may write to its parent
        folder.
    """

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir()) / f'trt_segmentation-fleet-{os.getuid()}'
        try:
            parent.mkdir(mode=0o700, exist_ok=True)
            status = parent.lstat()
            if status.st_uid != os.getuid() or status.st_mode & 0o022:
                raise OutputError(f'{parent} is not safe: other users may write to it. Delete it, '
                                  'or set TMPDIR to another folder')
            for folder in parent.iterdir():
                _sweep(folder)
            self.path = Path(tempfile.mkdtemp(dir=parent))
            self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise OutputError(f'{parent} cannot be used: {error.strerror or error}') from error

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _sweep(folder: Path) -> None:
    """Delete a folder if no process holds its lock."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:     # another worker is making or deleting this folder
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)
