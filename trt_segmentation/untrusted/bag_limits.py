# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What a bag from anywhere may make the reader do: unpack so much, and read plain tables only."""

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

ROSBAGS = 'rosbags>=0.11,<0.12'
"""The minor version whose internals are replaced here; setup.py and requirements.in say it too."""
MAX_MESSAGE = 1 << 30
"""Bytes of one message, or one chunk of them, unpacked; 16384×16384 bgr8 has 0.8e9."""
MAX_METADATA = 8 << 20
"""Bytes of metadata.yaml; a day of recording in files of a minute has half a megabyte."""
SPARE_DISK = 1 << 30
"""Bytes a bag unpacked to the temporary folder has to leave free there."""
_PIECE = 1 << 20


def unpack_within_limits() -> None:
    """Have rosbags unpack through the functions here; it has no bounds of its own.

    Few bytes of zstd or lz4 can stand for any number, and what a chunk says of its size is
    compared by the library only when it was unpacked.

    :raises BagLimitError: if this version of rosbags unpacks in another way.
    """
    if _zstd_module is None or not hasattr(storage_mcap, 'DECOMPRESSORS'):
        raise BagLimitError(
            f'rosbags {version("rosbags")} is installed, and its way to unpack bags is not known '
            f"here, so it cannot be bounded; install the version that is: pip install "
            f"'{ROSBAGS}'")
    storage_mcap.DECOMPRESSORS.update(zstd=_zstd, lz4=_lz4)
    _reader.zstd = _Zstd(_zstd_module)


def refuse_odd_files(path: Path) -> None:
    """Look at a bag's files before a library opens them.

    :param path: a rosbag2 folder or a bare file.
    :raises BagLimitError: where metadata.yaml is too long, or a table of a .db3 file makes its
        rows up.
    """
    metadata = path / 'metadata.yaml'
    if path.is_dir() and (size := metadata.stat().st_size) > MAX_METADATA:
        raise BagLimitError(f'metadata.yaml has {size:,} bytes; at most {MAX_METADATA:,} are read')
    for file in sorted(path.glob('*.db3')) if path.is_dir() else [path]:
        if file.suffix == '.db3':
            _refuse_made_up_rows(file)


def _refuse_made_up_rows(file: Path) -> None:
    # views, virtual tables and generated columns are programs: they may give rows without end
    # out of a file of a few kilobytes
    with closing(sqlite3.connect(f'file:{quote(str(file))}?immutable=1&mode=ro', uri=True)) as db:
        for name, kind, sql in db.execute('SELECT name, type, sql FROM sqlite_master').fetchall():
            words = (sql or '').split(maxsplit=2)
            if kind in ('view', 'trigger') or words[1:2] == ['VIRTUAL']:
                raise BagLimitError(f'{file.name} has a {kind} {name!r} that is a program; '
                                    f'recordings have plain tables')
            if kind == 'table' and any(row[6] for row in db.execute(
                    'SELECT * FROM pragma_table_xinfo(?)', (name,))):
                raise BagLimitError(f'{file.name}: columns of {name!r} are computed; recordings '
                                    f'have plain ones')


def _zstd(data: bytes, size: int = MAX_MESSAGE) -> bytes:
    _refuse_size(size)
    parts, left, total = [], data, 0
    while left:         # a chunk may be of several frames
        unpacker = _zstd_module.ZstdDecompressor()
        while not unpacker.eof:
            if unpacker.needs_input and not left:
                raise BagLimitError('compressed data is cut off')
            parts.append(unpacker.decompress(left, max_length=_PIECE))
            left = b''
            total += len(parts[-1])
            if total > size:
                raise BagLimitError(f'compressed data unpacks to more than the {size:,} bytes it '
                                    f'may have')
        left = unpacker.unused_data
    return b''.join(parts)


def _lz4(data: bytes, size: int) -> bytes:
    _refuse_size(size)
    unpacker = lz4.frame.LZ4FrameDecompressor()
    unpacked: bytes = unpacker.decompress(data, max_length=size + 1)
    if len(unpacked) > size or not unpacker.eof:
        raise BagLimitError(f'compressed data is not the {size:,} bytes it says it is')
    return unpacked


def _refuse_size(size: int) -> None:
    if size > MAX_MESSAGE:
        raise BagLimitError(f'a chunk of {size:,} bytes; at most {MAX_MESSAGE:,} are unpacked')


class _Zstd:
    """The zstd module as rosbags uses it for bags compressed by message or by file."""

    decompress = staticmethod(_zstd)

    def __init__(self, module: Any) -> None:
        self._module = module

    def open(self, *args: Any, **kwargs: Any) -> Any:
        """Open a compressed file whose reading stops before the temporary folder is full."""
        file = self._module.open(*args, **kwargs)
        read = file.read

        def careful(size: int = -1) -> Any:
            if shutil.disk_usage(tempfile.gettempdir()).free < SPARE_DISK:
                raise BagLimitError(
                    f'unpacked it does not fit into {tempfile.gettempdir()}; set TMPDIR to a '
                    f'larger disk, or unpack it with `zstd -d` first')
            return read(size)

        file.read = careful
        return file


_reader: Any = reader       # the module it imports zstd as is no part of its types
_zstd_module: Any = getattr(_reader, 'zstd', None)
