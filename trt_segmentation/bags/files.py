# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the files of a bag before the Python library ``rosbags`` opens them."""

from __future__ import annotations

from pathlib import Path
import shlex

from ..errors import BagError, BagLimitError
from ..host.pictures import IMAGES
from ..untrusted.git_lfs import is_lfs_pointer, LFS_ADVICE
from ..video.source import VIDEO_SUFFIXES

MAGIC = {'.mcap': b'\x89MCAP0\r\n', '.db3': b'SQLite format 3\0'}
"""Maps the suffix of a bag's file to the first bytes of the file."""
_PICTURES = ('. `trt_seg eval --images DIR --labels DIR` and `trt_seg build --calibrate DIR` read '
             'folders of pictures too')
_REPAIR = 'If the recording was cut off, repair it with `ros2 bag reindex` or `mcap recover`'
_CONVERT = 'Convert the bag with `ros2 bag convert` on a machine that can read the bag'
_ADVICE = {
    'database files are missing': 'Copy the missing files into the folder',
    'not supported': _CONVERT,
    'Unsupported chunk compression': _CONVERT,
    'Profile is not ros2': 'Only recordings of ROS 2 can be read',
}
"""Maps a part of an error message of the library ``rosbags`` to advice. For every other message of
this library, the advice is to repair the bag."""


def check_files(path: Path) -> None:
    """Refuse a path that is not a bag, or a bag whose files cannot be opened.

    :param path: a rosbag2 folder, or a bare .mcap or .db3 file.
    :raises FileNotFoundError: if the path does not exist.
    :raises BagError: if the path is refused. The message names the file and what to do.
    """
    try:
        if not path.exists():
            raise FileNotFoundError(f'no bag at {path}')
        if path.is_dir():
            _check_folder(path)
        else:
            _check_file(path)
    except PermissionError as error:
        raise BagError(f'{error.filename} cannot be read, because this user has no permission. '
                       f'Give the permission with `chmod u+rX`, or run as the owner') from error


def bag_error(path: Path, error: Exception) -> BagError:
    """Return an error that says why a bag could not be read, and what to do.

    :param error: the exception that was raised while the bag was read. If this exception is a
        BagLimitError or an OSError, the result does not say what to do.
    """
    text = (str(error) or type(error).__name__).replace('; please report issue', '').rstrip('.')
    advice = next((words for part, words in _ADVICE.items() if part in text), _REPAIR)
    is_damaged = not isinstance(error, (BagLimitError, OSError))
    return BagError(f'{path} cannot be read as a bag: {text}' + f'. {advice}' * is_damaged)


def _check_folder(path: Path) -> None:
    files = sorted(path.iterdir())
    storage = [p for p in files if p.suffix in MAGIC]
    metadata = path / 'metadata.yaml'
    if not metadata.is_file():
        if storage:
            raise BagError(
                f'{path} has no metadata.yaml. Either it is not a rosbag2 folder, or its '
                f'recording was cut off. Run `ros2 bag reindex {path}`, or give the file '
                f'{storage[0]} itself')
        if any(p.suffix.lower() in IMAGES for p in files):
            raise BagError(f'{path} is a folder of pictures, {_segment(path)}{_PICTURES}')
        raise BagError(f'{path} has no metadata.yaml, so it is not a rosbag2 folder')
    for file in (metadata, *storage, *(p for p in files if p.suffix == '.zstd')):
        _refuse_pointer(file)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise BagError(f'{path} is neither a file nor a folder')
    _refuse_pointer(path)
    kind = path.suffix.lower()
    if kind in IMAGES or kind in VIDEO_SUFFIXES:
        what = 'picture' if kind in IMAGES else 'video'
        raise BagError(f'{path} is a {what}, {_segment(path)}')
    if path.name == 'metadata.yaml':
        raise BagError(f'{path} is only a part of a bag. Give the folder {path.parent}')
    if path.suffix not in MAGIC:
        raise BagError(f'{path} is not a rosbag2 folder, .mcap or .db3 file' + (
            '. Convert a ROS 1 bag with `rosbags-convert`' if kind == '.bag' else ''))
    expected = MAGIC[path.suffix]
    with path.open('rb') as file:
        found = file.read(len(expected))
    if found != expected:
        raise BagError(f'{path} cannot be read as a bag. ' + (
            f'It starts with {found.hex(" ")}, but a {path.suffix} file starts with '
            f'{expected.hex(" ")}' if found else 'It is empty. Copy or record it again'))


def _segment(path: Path) -> str:
    return f'not a bag. Segment it with `trt_seg segment {shlex.quote(str(path))}`'


def _refuse_pointer(file: Path) -> None:
    if is_lfs_pointer(file):
        raise BagError(f'{file} is {LFS_ADVICE}')
