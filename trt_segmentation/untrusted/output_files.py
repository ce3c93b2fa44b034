# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Writes output files for the user, and never replaces a file of the user.

The files that this package writes hold :data:`MARKER`. A file without the marker belongs to the
user, no matter what its name is. Only an empty file, or a file with the marker, is replaced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from io import BytesIO
import json
import os
from pathlib import Path
import stat
import tempfile
from typing import Any, TYPE_CHECKING
import zlib

from ..errors import OutputError
from .container_marks import read_metadata
from .regular_file import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKER = 'trt_segmentation 5d1f0c6e-8b7a-4c39-9e42-7a60d3b815f4'
"""The text that marks a file of this package. No other file contains this text by chance."""
KEY = 'written_by'
"""Key of the marker in JSON, in YAML and in the text chunk of a PNG."""
HEAD = 512
"""Number of bytes at the start of a file that are searched for the marker."""
MOST_NAMES = 5
"""Largest number of file names in one error message."""
_PNG_HEAD = 8 + 25
"""Number of bytes before the second chunk of a PNG: the signature and the first chunk."""


def is_ours(path: Path) -> bool:
    """Return whether a file holds the marker. Return False for a link or an unreadable file."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open('rb') as file:
            return MARKER.encode() in (file.read(HEAD) + read_metadata(file, path))
    except OSError:
        return False


def check_file(path: Path, option: str) -> None:
    """Refuse an output file that cannot be written, or that would replace a file of the user.

    A command calls this function before it starts to work. Terminals and pipes are accepted.

    :param option: name of the command-line option for this file, such as ``--json``; empty if
        there is none. Error messages begin with this name.
    :raises OutputError: if the file is refused.
    """
    what = f'{option} {path}'.strip()
    if str(path) == '-':
        raise OutputError(f'{what}: the result is not written to standard output. Name a file')
    try:
        status = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise OutputError(f'{what} is a link to a file that does not exist. Give the path of '
                              'this file instead of the link') from None
        status = None
    except OSError as error:
        raise OutputError(f'{what} cannot be written: {error.strerror}') from error
    if status is not None:
        if stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode):
            return
        if not stat.S_ISREG(status.st_mode):
            kind = 'a folder' if stat.S_ISDIR(status.st_mode) else 'not a regular file'
            raise OutputError(f'{what} is {kind}. Name a file')
        if not _may_replace(path):
            raise OutputError(f'{what} exists, and trt_seg did not write it. Name another file, '
                              'or remove this file yourself')
        if not os.access(path, os.W_OK):
            raise OutputError(f'{what} is write-protected. Name another file')
    elif not path.parent.is_dir():
        raise OutputError(f'{what} cannot be written: there is no folder {path.parent}')
    _check_writable(path.resolve().parent, what)


def check_folder(path: Path, option: str, names: Iterable[str] = ()) -> None:
    """Refuse an output folder in which no file can be written. The folder need not exist yet.

    :param names: names of the files that will be written. If such a file exists, it must pass
        :func:`check_file`.
    :raises OutputError: if the folder or a file is refused. The message names the user's files.
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
        raise OutputError(f'{what} cannot be a folder, because {nearest} is a file')
    _check_writable(nearest, what)
    found = [name for name in names if os.path.lexists(path / name)] if nearest == path else []
    foreign = [name for name in found if (path / name).is_file() and not _may_replace(path / name)]
    if foreign:
        more = f' and {len(foreign) - MOST_NAMES} more' if len(foreign) > MOST_NAMES else ''
        raise OutputError(
            f'{what} holds {", ".join(foreign[:MOST_NAMES])}{more}, which trt_seg did not write. '
            f'Name another folder, or remove {"these files" if foreign[1:] else "this file"} '
            'yourself')
    for name in found:
        check_file(path / name, option)


def check_absent(folder: Path, option: str, names: Iterable[str]) -> None:
    """Refuse an output folder that cannot be written, or that already holds a file of ``names``.

    Use this function for files that cannot hold a marker, such as ONNX files.

    :raises OutputError: if the folder is refused.
    """
    check_folder(folder, option)
    for name in names:
        if os.path.lexists(folder / name):
            raise OutputError(f'{option} {folder} already holds {name}. Name another folder, or '
                              f'remove {name} yourself'.strip())


def make_folder(path: Path, option: str = '') -> None:
    """Make a folder and the folders above it. A folder that exists stays as it is.

    :raises OutputError: if the folder cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'{option} {path} cannot be made: {error.strerror}'.strip()) from error


def check_claim(path: Path, option: str, names: Collection[str],
                may_be_empty: Collection[str] = ()) -> list[Path]:
    """Refuse a folder that holds a file of the user or of another command.

    Files that an earlier run of this command wrote are accepted.

    :param names: patterns of the files and folders that the command writes, relative to ``path``,
        such as ``bag/*.mcap``. The wildcard ``*`` does not match a ``/``.
    :param may_be_empty: names of log files. If a process is stopped early, its log may be empty
        and have no marker.
    :returns: all files and folders below ``path``; empty if ``path`` does not exist. The content
        of a folder comes before the folder itself.
    :raises OutputError: if the folder is refused.
    """
    check_folder(path, option)
    found = _list_content(path) if path.is_dir() else []
    for entry in found:
        name = entry.relative_to(path)
        is_empty_log = entry.name in may_be_empty and not entry.is_symlink() \
            and not entry.stat().st_size
        if not (_is_folder(entry) or is_ours(entry) or is_empty_log):
            reason = 'trt_seg did not write'
        elif not any(_matches(name, pattern) for pattern in names):
            reason = 'this command does not write'
        else:
            continue
        raise OutputError(f'{option} {path} holds {name}, which {reason}. Name another folder, or '
                          f'remove {name} yourself'.strip())
    return found


def claim_folder(path: Path, option: str, names: Collection[str],
                 may_be_empty: Collection[str] = ()) -> None:
    """Make an empty folder. If the folder exists, delete the files of an earlier run.

    The parameters are those of :func:`check_claim`.

    :raises OutputError: if :func:`check_claim` refuses the folder. Nothing is deleted then.
    """
    for entry in check_claim(path, option, names, may_be_empty):
        (entry.rmdir if _is_folder(entry) else entry.unlink)()
    make_folder(path, option)


def _matches(name: Path, pattern: str) -> bool:
    parts = pattern.split('/')
    return len(parts) == len(name.parts) and all(map(fnmatchcase, name.parts, parts))


@contextmanager
def raise_output_errors(path: Path, option: str = '') -> Iterator[None]:
    """Turn an OSError of the ``with`` block into an OutputError that names ``path``."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f'{option} {path} cannot be written: {error.strerror or error}'.strip()
                          ) from error


def write_file(path: Path, data: bytes, option: str = '') -> None:
    """Write a file. If the file cannot be written, the old file stays as it was.

    :param data: bytes of the file, with the marker in the first :data:`HEAD` bytes.
    :raises OutputError: if the path is a file of the user, or if the file cannot be written.
    """
    check_file(path, option)
    with raise_output_errors(path, option):
        if path.exists() and not path.is_file():    # a terminal or a pipe
            path.write_bytes(data)
            return
        replace_file(path.resolve(), data)


def write_json(path: Path, tree: Mapping[str, Any], option: str = '') -> None:
    """Write a mapping as JSON with :func:`write_file`. The marker is the first entry."""
    text = json.dumps({KEY: MARKER, **tree}, indent=1) + '\n'
    write_file(path, text.encode(), option)


def write_png(path: Path, png: bytes, option: str = '') -> None:
    """Write a PNG with :func:`write_file`. The marker is in a text chunk after the header."""
    text = b'tEXt' + KEY.encode() + b'\0' + MARKER.encode()
    chunk = (len(text) - 4).to_bytes(4, 'big') + text + zlib.crc32(text).to_bytes(4, 'big')
    write_file(path, png[:_PNG_HEAD] + chunk + png[_PNG_HEAD:], option)


def write_image(path: Path, image: Any, option: str = '') -> None:
    """Encode an image and write it with the marker.

    The file is a JPEG if the path ends in .jpg or .jpeg. Otherwise the file is a PNG.

    :param image: (height, width, 3) uint8 BGR, or (height, width) uint8 or uint16.
    :raises OutputError: if OpenCV cannot encode the image, or if the file cannot be written.
    """
    import cv2
    is_jpeg = path.suffix.lower() in ('.jpg', '.jpeg')
    fine, data = cv2.imencode('.jpg' if is_jpeg else '.png', image)
    if not fine:
        raise OutputError(f'{path}: OpenCV cannot encode this image')
    encoded = data.tobytes()
    if not is_jpeg:
        write_png(path, encoded, option)
        return
    # OpenCV begins a JPEG with a JFIF segment. The marker becomes a comment after this segment.
    comment = b'\xff\xfe' + (2 + len(MARKER)).to_bytes(2, 'big') + MARKER.encode()
    end = 4 + int.from_bytes(encoded[4:6], 'big')
    write_file(path, encoded[:end] + comment + encoded[end:], option)


def write_figure(path: Path, figure: Figure, dpi: float | None = None) -> None:
    """Write a figure. The ending of the path gives the format.

    Only a PNG gets the marker. So a figure in another format cannot be replaced later.

    :param dpi: pixels per inch; None for the value of the figure.
    """
    kind = path.suffix[1:].lower() or 'png'
    data = BytesIO()
    figure.savefig(data, format=kind, dpi=dpi or figure.dpi)
    (write_png if kind == 'png' else write_file)(path, data.getvalue())


def _is_folder(entry: Path) -> bool:
    return entry.is_dir() and not entry.is_symlink()


def _list_content(folder: Path) -> list[Path]:
    return [path for entry in sorted(folder.iterdir())
            for path in [*(_list_content(entry) if _is_folder(entry) else []), entry]]


def _may_replace(path: Path) -> bool:
    """Return whether a file is empty or holds the marker. Links are followed."""
    return path.stat().st_size == 0 or is_ours(path.resolve())


def _check_writable(folder: Path, what: str) -> None:
    """Refuse a folder in which no temporary file can be made."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OutputError(f'{what} cannot be written: {folder}: {error.strerror}') from error
