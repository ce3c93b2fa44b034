# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the files of a bag before a library opens them."""

from __future__ import annotations

from pathlib import Path
import shlex

from ..errors import BagError, BagLimitError
from ..host.pictures import IMAGES
from ..untrusted.git_lfs import is_lfs_pointer, LFS_ADVICE

MAGIC = {'.mcap': b'\x89MCAP0\r\n', '.db3': b'SQLite format 3\0'}
"""First bytes of a bag's files, by suffix."""
VIDEOS = ('.mp4', '.avi', '.mkv', '.mov', '.webm')
_SEGMENT = 'not a bag; `trt_seg segment {}` segments it'
_PICTURES = ('. `trt_seg eval --images DIR --labels DIR` and `trt_seg build --calibrate DIR` take '
             'folders of pictures too')
_REPAIR = 'if its recording was cut off, repair it with `ros2 bag reindex` or `mcap recover`'
_CONVERT = 'convert it with `ros2 bag convert` on a machine that can read it'
_ADVICE = {
    'database files are missing': 'copy them into the folder',
    'not supported': _CONVERT,
    'Unsupported chunk compression': _CONVERT,
    'Profile is not ros2': 'only recordings of ROS 2 can be read',
}
"""Advice about bags that are not damaged: a part of the rosbags message -> what to do."""


def check_files(path: Path) -> None:
    """Refuse a path that is not a bag, or a bag whose files cannot be opened.

    :param path: expected to be a rosbag2 folder, or a bare .mcap or .db3 file.
    :raises FileNotFoundError: if the path does not exist.
    :raises BagError: if the path is refused. The message names the file, and says what the file
        is and what to do.
    """
    try:
        if not path.exists():
            raise FileNotFoundError(f'no bag at {path}')
        if path.is_dir():
            _check_folder(path)
        else:
            _check_file(path)
    except PermissionError as error:
        raise BagError(f'{error.filename} cannot be read: this user has no permission; give it '
                       f'with `chmod u+rX`, or run as its owner') from error


def bag_error(path: Path, error: Exception) -> BagError:
    """Return an error that says why a library could not read a bag, and what to do.

    The error advises a repair only if the bag can be damaged.

    :param path: the bag.
    :param error: the exception that the library raised. The library raises many types.
    """
    text = (str(error) or type(error).__name__).replace('; please report issue', '').rstrip('.')
    advice = next((words for part, words in _ADVICE.items() if part in text), _REPAIR)
    if isinstance(error, (BagLimitError, OSError)):
        advice = ''
    return BagError(f'{path} cannot be read as a bag: {text}' + (f'; {advice}' if advice else ''))


def _check_folder(path: Path) -> None:
    files = sorted(path.iterdir())
    storage = [p for p in files if p.suffix in MAGIC]
    metadata = path / 'metadata.yaml'
    if not metadata.is_file():
        if storage:
            raise BagError(
                f'{path} has no metadata.yaml, so it is not a rosbag2 folder, or its recording '
                f'was cut off. Run `ros2 bag reindex {path}`, or give the file itself: '
                f'{storage[0]}')
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
    if kind in IMAGES:
        raise BagError(f'{path} is a picture, {_segment(path)}')
    if kind in VIDEOS:
        raise BagError(f'{path} is a video, {_segment(path)}')
    if path.name == 'metadata.yaml':
        raise BagError(f'{path} is part of a bag; give its folder: {path.parent}')
    if path.suffix not in MAGIC:
        raise BagError(f'{path} is not a rosbag2 folder, .mcap or .db3 file' + (
            '; `rosbags-convert` converts a ROS 1 bag' if kind == '.bag' else ''))
    expected = MAGIC[path.suffix]
    with path.open('rb') as file:
        found = file.read(len(expected))
    if found != expected:
        raise BagError(f'{path} cannot be read as a bag: ' + (
            f'it starts with {found.hex(" ")}, and a {path.suffix} file starts with '
            f'{expected.hex(" ")}, so it is another kind of file' if found else
            'it has no bytes; copy or record it again'))


def _segment(path: Path) -> str:
    return _SEGMENT.format(shlex.quote(str(path)))


def _refuse_pointer(file: Path) -> None:
    if is_lfs_pointer(file):
        raise BagError(f'{file} {LFS_ADVICE}')
