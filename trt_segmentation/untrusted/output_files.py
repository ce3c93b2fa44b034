# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Files this package writes for a user: marked, and only a marked file is ever replaced.

Every such file holds :data:`MARKER`. A file without it belongs to the user, whatever its name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
import json
import os
from pathlib import Path
import stat
import tempfile
from typing import Any, BinaryIO, TYPE_CHECKING
import zlib

from ..errors import OutputError
from .regular_file import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKER = 'trt_segmentation 5d1f0c6e-8b7a-4c39-9e42-7a60d3b815f4'
"""What every file written by this package holds; the number makes a chance match impossible."""
KEY = 'written_by'
"""Name of the marker in JSON, in YAML and in the text of a PNG."""
HEAD = 512
"""Bytes at the start of a file that hold the marker."""
_PNG_HEAD = 8 + 25
"""Bytes of a PNG's signature and of its first chunk."""
_MCAP_END = 20 + 8
"""Bytes of an MCAP file's end: the fields of the footer, which begin with the place of the
summary, and the magic."""
_BAG_METADATA = 1 << 20
"""Bytes before the summary of an MCAP file that are searched for the bag's metadata."""


def is_ours(path: Path) -> bool:
    """Whether a regular file holds our marker; False for links and for what cannot be read."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open('rb') as file:
            return MARKER.encode() in (file.read(HEAD) + _mcap_metadata(file, path))
    except OSError:
        return False


def _mcap_metadata(file: BinaryIO, path: Path) -> bytes:
    """The bytes before the summary of an MCAP file, where rosbag2 keeps a bag's metadata."""
    if path.suffix != '.mcap' or path.stat().st_size < _MCAP_END:
        return b''
    file.seek(-_MCAP_END, os.SEEK_END)
    summary = int.from_bytes(file.read(8), 'little')
    if summary > path.stat().st_size:
        return b''
    file.seek(max(0, summary - _BAG_METADATA))
    return file.read(min(summary, _BAG_METADATA))


def check_file(path: Path, option: str) -> None:
    """Refuse a file that could not be written, or that would replace one of the user's.

    Call it before the work. It changes nothing. A terminal or a pipe may be named too, and
    an empty file may be replaced.

    :param option: such as ``--json``; it begins the message.
    :raises OutputError: naming the file.
    """
    what = f'{option} {path}'.strip()
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise OutputError(f'{what} is a link to a file that is not there; name the file '
                              'itself') from None
        status = None
    except OSError as error:
        raise OutputError(f'{what} cannot be written: {error.strerror}') from error
    if status is not None:
        if stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode):
            return
        if stat.S_ISDIR(status.st_mode):
            raise OutputError(f'{what} is a folder; name a file')
        if not (status.st_size == 0 or is_ours(path.resolve())):
            raise OutputError(f'{what} is there already and was not written by trt_seg; name '
                              'another file, or remove it yourself')
        if not os.access(path, os.W_OK):
            raise OutputError(f'{what} is write-protected; name another file')
    elif not path.parent.is_dir():
        raise OutputError(f'{what} cannot be written: there is no folder {path.parent}')
    _try_folder(path.resolve().parent, what)


def check_folder(path: Path, option: str, names: Iterable[str] = ()) -> None:
    """Refuse a folder that could not be written to; the folder need not be there yet.

    :param names: files that will be written to it; each has to be absent or ours.
    :raises OutputError: naming the folder or the file.
    """
    what = f'{option} {path}'.strip()
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise OutputError(f'{what} cannot be written: {error.strerror}') from error
    nearest = next(p for p in (path, *path.absolute().parents) if os.path.lexists(p))
    if not nearest.is_dir():
        raise OutputError(f'{what} cannot be a folder: {nearest} is a file')
    _try_folder(nearest, what)
    for name in names if nearest == path else ():
        if os.path.lexists(path / name):
            check_file(path / name, option)


def check_absent(folder: Path, option: str, names: Iterable[str]) -> None:
    """Refuse a folder that could not be written to or has one of the names already.

    For files that cannot hold a marker, such as a network.

    :raises OutputError: naming the folder or the file.
    """
    check_folder(folder, option)
    for name in names:
        if os.path.lexists(folder / name):
            raise OutputError(f'{option} {folder}: {name} is there already; name another folder, '
                              'or remove it yourself'.strip())


def make_folder(path: Path, option: str = '') -> None:
    """Make a folder and those above it; one that is there already is left as it is.

    :raises OutputError: naming it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'{option} {path} cannot be made: {error.strerror}'.strip()) from error


def check_claim(path: Path, option: str, may_be_empty: Collection[str] = ()) -> list[Path]:
    """Refuse a folder that holds anything but files of ours.

    :param may_be_empty: names of logs, which hold nothing, not even the marker, if a process was
        stopped early.
    :returns: the files and folders in it, each after what it holds; [] if there is no folder.
    :raises OutputError: naming the first that is the user's.
    """
    check_folder(path, option)
    found = _content(path) if path.is_dir() else []
    files = [p for p in found if p.is_symlink() or not p.is_dir()]
    filled = {p.parent for p in files}
    for entry in found:
        ours = entry in filled if entry not in files else is_ours(entry) or (
            entry.name in may_be_empty and not entry.is_symlink() and not entry.stat().st_size)
        if not ours:
            raise OutputError(f'{option} {path} holds {entry.relative_to(path)}, which was not '
                              'written by trt_seg; name another folder, or remove it yourself'
                              .strip())
    return found


def claim_folder(path: Path, option: str, may_be_empty: Collection[str] = ()) -> None:
    """Make a folder, or empty one that holds only files of ours; the folder itself stays.

    :param may_be_empty: as :func:`check_claim`.
    :raises OutputError: if it holds anything else; nothing is deleted then.
    """
    for entry in check_claim(path, option, may_be_empty):
        if entry.is_dir() and not entry.is_symlink():
            entry.rmdir()
        else:
            entry.unlink()
    make_folder(path, option)


@contextmanager
def raise_output_errors(path: Path, option: str = '') -> Iterator[None]:
    """Turn an OSError of the block, such as a full disk's, into one that names the file.

    :raises OutputError: for any OSError.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f'{option} {path} cannot be written: {error.strerror or error}'.strip()
                          ) from error


def write_file(path: Path, data: bytes, option: str = '') -> None:
    """Write a file whole or not at all; ``data`` holds the marker in its first bytes.

    :raises OutputError: naming the file: no space is left, or the user put a file there.
    """
    check_file(path, option)
    with raise_output_errors(path, option):
        if path.exists() and not path.is_file():    # a terminal or a pipe
            path.write_bytes(data)
            return
        replace_file(path.resolve(), data)


def write_json(path: Path, tree: Mapping[str, Any], option: str = '') -> None:
    """Write a mapping as JSON, the marker first.

    :raises OutputError: as :func:`write_file`.
    """
    text = json.dumps({KEY: MARKER, **tree}, indent=1) + '\n'
    write_file(path, text.encode(), option)


def write_png(path: Path, png: bytes, option: str = '') -> None:
    """Write an encoded PNG, the marker as a text chunk after its header.

    :raises OutputError: as :func:`write_file`.
    """
    text = b'tEXt' + KEY.encode() + b'\0' + MARKER.encode()
    chunk = (len(text) - 4).to_bytes(4, 'big') + text + zlib.crc32(text).to_bytes(4, 'big')
    write_file(path, png[:_PNG_HEAD] + chunk + png[_PNG_HEAD:], option)


def write_image(path: Path, image: Any, option: str = '') -> None:
    """Write a picture as a PNG with the marker.

    :param image: (height, width, 3) uint8 BGR, or (height, width) uint8.

    :raises OutputError: as :func:`write_file`.
    """
    import cv2
    fine, png = cv2.imencode('.png', image)
    if not fine:
        raise OutputError(f'{path}: OpenCV cannot encode this picture as PNG')
    write_png(path, png.tobytes(), option)


def write_figure(path: Path, figure: Figure, dpi: float | None = None) -> None:
    """Write a figure in the format of the path's ending; only a PNG is marked.

    :raises OutputError: as :func:`write_file`.
    """
    kind = path.suffix[1:] or 'png'
    data = BytesIO()
    figure.savefig(data, format=kind, dpi=dpi or figure.dpi)
    (write_png if kind == 'png' else write_file)(path, data.getvalue())


def _content(folder: Path) -> list[Path]:
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            found += _content(entry)
        found.append(entry)
    return found


def _try_folder(folder: Path, what: str) -> None:
    """Refuse a folder in which no file can be made; the file tried has no name or goes again."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f'{what} cannot be written: {folder}: {error.strerror}') from error
