# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Limits for untrusted bags: how many bytes are unpacked, and which database tables are read."""

from __future__ import annotations

from contextlib import closing
from importlib.metadata import version
from pathlib import Path
import shutil
import sqlite3
import tempfile
from typing import Any
from urllib.parse import quote

import lz4.frame  # type: ignore[import-untyped]
from rosbags.rosbag2 import reader, storage_mcap

from ..errors import BagLimitError
from ..installed.pip_names import pip_install

ROSBAGS = 'rosbags>=0.11,<0.12'
"""Versions of rosbags whose internals this module can change. setup.py and requirements.in name
the same versions."""
MAX_MESSAGE = 1 << 30
"""Largest size of an unpacked message or chunk (a group of messages), in bytes. A bgr8 image of
16384×16384 pixels has 0.8 GB."""
MAX_METADATA = 8 << 20
"""Largest size of metadata.yaml, in bytes. For a bag of 1440 files, metadata.yaml has 0.5 MB."""
SPARE_DISK = 1 << 30
"""Number of bytes that must stay free in the temporary folder when a bag is unpacked there."""
_PIECE = 1 << 20


def unpack_within_limits() -> None:
    """Make rosbags unpack with the functions of this module, because rosbags has no limits.

    A few bytes of zstd or lz4 can unpack to any number of bytes. rosbags compares this number with
    the declared size of a chunk, but only after the chunk is unpacked.

    :raises BagLimitError: if the installed version of rosbags unpacks in another way.
    """
    if _zstd_module is None or not hasattr(storage_mcap, 'DECOMPRESSORS'):
        raise BagLimitError(
            f'rosbags {version("rosbags")} is installed, and trt_seg cannot limit how much this '
            f'version unpacks. Install another version: {pip_install(ROSBAGS)}')
    storage_mcap.DECOMPRESSORS.update(zstd=_zstd, lz4=_lz4)
    _reader.zstd = _Zstd(_zstd_module)


def refuse_odd_files(path: Path) -> None:
    """Check the files of a bag, before a library opens them.

    :param path: a rosbag2 folder, or a single file.
    :raises BagLimitError: if metadata.yaml is too long, or if a .db3 file has rows that SQLite
        must compute.
    """
    metadata = path / 'metadata.yaml'
    if path.is_dir() and (size := metadata.stat().st_size) > MAX_METADATA:
        raise BagLimitError(f'metadata.yaml has {size:,} bytes, but at most {MAX_METADATA:,} are '
                            f'allowed')
    for file in sorted(path.glob('*.db3')) if path.is_dir() else [path]:
        if file.suffix == '.db3':
            _refuse_computed_rows(file)


def _refuse_computed_rows(file: Path) -> None:
    # SQLite computes views, virtual tables and generated columns. With these, a file of a few
    # kilobytes can return endless rows.
    with closing(sqlite3.connect(f'file:{quote(str(file))}?immutable=1&mode=ro', uri=True)) as db:
        for name, kind, sql in db.execute('SELECT name, type, sql FROM sqlite_master').fetchall():
            words = (sql or '').split(maxsplit=2)
            if kind in ('view', 'trigger') or words[1:2] == ['VIRTUAL']:
                raise BagLimitError(f'{file.name} has a {kind} {name!r} that SQLite runs as a '
                                    f'program; a recording has only plain tables')
            if kind == 'table' and any(row[6] for row in db.execute(
                    'SELECT * FROM pragma_table_xinfo(?)', (name,))):
                raise BagLimitError(f'{file.name} has a table {name!r} with computed columns; a '
                                    f'recording has only stored columns')


def _zstd(data: bytes, size: int = MAX_MESSAGE) -> bytes:
    _refuse_size(size)
    parts, left, total = [], data, 0
    while left:         # a chunk may have several zstd frames (blocks of data)
        unpacker = _zstd_module.ZstdDecompressor()
        while not unpacker.eof:
            if unpacker.needs_input and not left:
                raise BagLimitError('compressed data is cut off')
            parts.append(unpacker.decompress(left, max_length=_PIECE))
            left = b''
            total += len(parts[-1])
            if total > size:
                raise BagLimitError(f'compressed data unpacks to more than the {size:,} bytes '
                                    f'that are allowed')
        left = unpacker.unused_data
    return b''.join(parts)


def _lz4(data: bytes, size: int) -> bytes:
    _refuse_size(size)
    unpacker = lz4.frame.LZ4FrameDecompressor()
    unpacked: bytes = unpacker.decompress(data, max_length=size + 1)
    if len(unpacked) > size or not unpacker.eof:
        raise BagLimitError(f'compressed data does not unpack to the {size:,} bytes that it '
                            f'declares')
    return unpacked


def _refuse_size(size: int) -> None:
    if size > MAX_MESSAGE:
        raise BagLimitError(f'a chunk has {size:,} bytes, but at most {MAX_MESSAGE:,} are allowed')


class _Zstd:
    """The zstd module with limits. rosbags uses this class for each compressed message or file."""

    decompress = staticmethod(_zstd)

    def __init__(self, module: Any) -> None:
        self._module = module

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Open a compressed file. A read raises an error before the temporary folder is full."""
        file = self._module.open(*args, **kwargs)
        read = file.read

        def read_within_limits(size: int = -1) -> Any:
            if shutil.disk_usage(tempfile.gettempdir()).free < SPARE_DISK:
                raise BagLimitError(
                    f'the unpacked bag does not fit into {tempfile.gettempdir()}; set TMPDIR to a '
                    f'folder on a larger disk, or unpack the bag with `zstd -d` first')
            return read(size)

        file.read = read_within_limits
        return file


_reader: Any = reader       # rosbags does not declare its attribute `zstd` in its types
_zstd_module: Any = getattr(_reader, 'zstd', None)
