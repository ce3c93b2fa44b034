# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds recordings in folders and object stores, and copies remote recordings to this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
import filecmp
import glob
import hashlib
import json
import os
from pathlib import Path, PurePosixPath
import shutil
from typing import Any

import fsspec

from ..bags.files import MAGIC
from ..errors import SourceError
from ..untrusted.regular_file import expand_home
from ..untrusted.terminal_text import suggest_path
from ..video.source import VIDEO_SUFFIXES

SUFFIXES = frozenset(MAGIC) | VIDEO_SUFFIXES
IMAGES, LABELS = 'images', 'labels'
"""Names of the two folders in a folder of labelled images."""
EDGE = 1 << 16
"""Number of bytes that are read at the start and at the end of each file of a local recording.
:attr:`Recording.identity` depends on these bytes, on :data:`BLOCKS`, and on the file sizes."""
BLOCKS, BLOCK = 64, 1 << 14
"""Number of blocks that are also read from each file, and the number of bytes in a block. The
blocks are spread evenly over the file."""
PIECE = 1 << 24
"""A remote file is copied in pieces of this number of bytes."""
_EXPECTED = {
    False: 'at {name}. A recording is a rosbag2 folder, an .mcap or .db3 file, or a video file '
           'such as .mp4',
    True: 'with label maps at {name}. Such a recording is a rosbag2 folder, an .mcap or .db3 '
          f'file, or a folder with the folders {IMAGES} and {LABELS}. A video has no label maps'}
"""The end of an error message that begins with "there is no recording". The text for True is used
if the recordings must have label maps."""
_TAGS = ('ETag', 'etag', 'md5Hash')
_TIMES = ('LastModified', 'updated', 'mtime', 'created')
"""Object stores give a digest or a time of each file under one of these keys. If there is only a
time, the identity depends on time and URL, because two different files may have the same time."""


@dataclass(frozen=True)
class Recording:
    """A bag, a video file, or a folder of labelled images.

    :param name: last part of the path, without a suffix.
    :param url: address for fsspec, such as ``file:///data/drive.mcap`` or ``s3://bucket/drive``.
    :param identity: digest of 40 hex digits that stands for the content. A copy of a local
        recording has the identity of the original.
    :param size: number of bytes of all files.
    """

    name: str
    url: str
    identity: str
    size: int

    @property
    def local(self) -> Path | None:
        """Path of the recording; None if the recording is remote."""
        return Path(self.url.removeprefix('file://')) if self.url.startswith('file://') else None


def find_recordings(names: Sequence[str], labelled: bool = False, out: str | None = None,
                    say: Callable[[str], None] = lambda line: None) -> list[Recording]:
    """Find recordings. Folders are searched with all their subfolders.

    If two recordings have the same content, only the first one is returned.

    :param names: files, folders and patterns such as ``drives/*.mcap``, or URLs that fsspec can
        open, such as ``s3://bucket/drives``.
    :param labelled: whether to find only recordings that may have label maps: bags, and folders
        that hold the folders :data:`IMAGES` and :data:`LABELS`.
    :param out: folder or URL of the results. The recordings inside this folder are not returned.
        None if there is no such folder.
    :param say: called with one line of text for each recording that is not returned because it is
        a copy, and with one line if videos are not returned because ``labelled`` is True.
    :raises SourceError: if no recording is found for a name, if a name is inside ``out``, or if
        the files cannot be read. This error is also raised if two local recordings have the same
        identity, but different contents.
    """
    found: dict[str, list[Recording]] = {}
    videos: list[str] = []
    for name in names:
        known = len(videos)
        recordings = _find(name, labelled, videos)
        outside = [each for each in recordings if out is None or not is_inside(each.url, out)]
        if out is not None and not outside and (recordings or is_inside(name, out)):
            raise SourceError(f'{name} is inside the folder of the results, {out}. Recordings in '
                              'this folder are not read. Choose another folder for the results')
        if not recordings and len(videos) == known:
            raise SourceError(f'there is no recording {_EXPECTED[labelled].format(name=name)}')
        for recording in outside:
            found.setdefault(recording.identity, []).append(recording)
    if videos and not found:
        raise SourceError('there is no recording '
                          + _EXPECTED[labelled].format(name=', '.join(names)))
    if videos:
        say(f'left out, because a video has no label maps: {", ".join(videos)}')
    return [_leave_out_copies(same, say) for same in found.values()]


def _leave_out_copies(same: Sequence[Recording], say: Callable[[str], None]) -> Recording:
    first, *_ = same
    for copy in {each.url: each for each in same if each.url != first.url}.values():
        _check_copy(first, copy)
        say(f'left out: {copy.url} has the same content as {first.url}')
    return first


def _check_copy(first: Recording, copy: Recording) -> None:
    old, new = first.local, copy.local
    if old is None or new is None:
        return
    try:
        pairs = [(old, new)] if new.is_file() else [
            (old / path.relative_to(new), path) for path in sorted(new.rglob('*'))
            if path.is_file() and (old / path.relative_to(new)).is_file()]
        is_equal = all(filecmp.cmp(*pair, shallow=False) for pair in pairs)
    except OSError as error:
        raise SourceError(f'{new} cannot be compared with {old}: {shorten_error(error)}'
                          ) from error
    if not is_equal:
        raise SourceError(
            f'{old} and {new} seem to be copies, but some of their bytes differ. One of them may '
            'be damaged. Leave the damaged recording out of the SOURCEs')


def shorten_error(error: Exception, names_file: bool = False) -> str:
    """Return the reason of an error, without ``[Errno 2]`` and without a period at the end.

    :param names_file: whether to add the name of the file, if the error has one.
    """
    reason = getattr(error, 'strerror', None) or str(error) or type(error).__name__
    file = getattr(error, 'filename', None) if names_file else None
    return (f'{file}: ' if file else '') + str(reason).rstrip('.')


def is_bag(recording: Recording) -> bool:
    """Return whether a recording is a bag. For a remote folder, the check needs one request."""
    fs, root = open_filesystem(recording.url)
    return PurePosixPath(root).suffix.lower() in MAGIC or bool(fs.exists(f'{root}/metadata.yaml'))


def is_inside(url: str, folder: str) -> bool:
    """Return whether ``url`` is inside ``folder``, or is ``folder`` itself."""
    url, folder = (fs.unstrip_protocol(path) for fs, path in map(
        open_filesystem, map(find_url, (url, folder))))
    if url.startswith('file://') and folder.startswith('file://'):
        url, folder = (os.path.realpath(each.removeprefix('file://')) for each in (url, folder))
    return f'{url}/'.startswith(f'{folder.rstrip("/")}/')


def copy_recording(recording: Recording, folder: Path) -> Iterator[Path | None]:
    """Copy a remote recording into a folder.

    :returns: an iterator. It yields None after each piece of a file. Its last item is the path of
        the copy.
    :raises OSError: if the recording cannot be read, or if the disk is full.
    """
    fs, root = open_filesystem(recording.url)
    files = fs.find(root) or [root]
    target = folder / PurePosixPath(root).name
    for file in files:
        path = target if file == root else target / PurePosixPath(file).relative_to(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        with fs.open(file, 'rb', block_size=PIECE) as source, path.open('wb') as copy:
            while piece := source.read(PIECE):
                copy.write(piece)
                yield None
    yield target


class RecordingCopies:
    """Copies remote recordings into an empty or new folder. Only the latest copy is kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: tuple[str, Path] | None = None

    def find(self, recording: Recording) -> Path:
        """Return the path of a recording on this machine.

        :raises OSError: if the recording cannot be copied.
        """
        *_, path = self.fetch(recording)
        assert path, 'the last item is the path'
        return path

    def fetch(self, recording: Recording) -> Iterator[Path | None]:
        """Copy a remote recording. Yield None after each piece, and at the end the local path."""
        if (local := recording.local) is not None:
            yield local
            return
        if self._last is None or self._last[0] != recording.identity:
            self._last = None
            shutil.rmtree(self._folder, ignore_errors=True)
            for path in copy_recording(recording, self._folder):
                if path is None:
                    yield None
                else:
                    self._last = recording.identity, path
        assert self._last
        yield self._last[1]


def open_filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system for a path or URL, and the path inside this file system.

    File lists are not cached, because other processes add and delete files.
    """
    fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False, skip_instance_cache=True)
    return fs, path


def find_url(name: str) -> str:
    """Return the URL of a path. A URL stays unchanged."""
    return name if '://' in name else f'file://{expand_home(name).absolute()}'


def _find(name: str, labelled: bool, videos: list[str]) -> list[Recording]:
    try:
        return list(_search(name, labelled, videos))
    except ImportError as error:
        raise SourceError(f'{name} needs a package that is not installed: {error}') from error
    except Exception as error:      # each object store has its own error classes
        is_missing = isinstance(error, FileNotFoundError) and '://' not in name
        near = suggest_path(expand_home(name)) if is_missing else ''
        raise SourceError(f'{name} cannot be read: {shorten_error(error)}{near}') from error


def _search(name: str, labelled: bool, videos: list[str]) -> Iterator[Recording]:
    fs, path = open_filesystem(find_url(name))
    entries = fs.glob(path, detail=True) if glob.has_magic(path) else {path: fs.info(path)}
    for root, info in sorted(entries.items()):
        files: Mapping[str, Any] = {root: info}
        if info['type'] == 'directory':
            files = fs.find(root, detail=True)
        yield from _group(fs, files, labelled)
        if labelled:
            videos += [file for file in sorted(files)
                       if PurePosixPath(file).suffix.lower() in VIDEO_SUFFIXES]


def _group(fs: Any, files: Mapping[str, Any], labelled: bool) -> Iterator[Recording]:
    """Yield the recordings that consist of these files. A recording is a folder or one file."""
    paths = {file: PurePosixPath(file) for file in files}
    owners = {path.parent: path.parent for path in paths.values() if path.name == 'metadata.yaml'}
    if labelled:
        parents = {path.parent for path in paths.values()}
        for images in parents:
            if images.name == IMAGES and (labels := images.with_name(LABELS)) in parents:
                owners |= {images: images.parent, labels: images.parent}
    folders: dict[str, dict[str, Any]] = {str(owner): {} for owner in owners.values()}
    single: dict[str, dict[str, Any]] = {}
    for file, info in files.items():
        if (owner := owners.get(paths[file].parent)) is not None:
            folders[str(owner)][file] = info
        elif paths[file].suffix.lower() in (MAGIC if labelled else SUFFIXES):
            single[file] = {file: info}
    for root, members in sorted({**folders, **single}.items()):
        digest = hashlib.sha256()
        for file, info in sorted(members.items()):
            name = '' if file == root else str(PurePosixPath(file).relative_to(root))
            digest.update(json.dumps([name, info['size'], _version(fs, file, info)]).encode())
        yield Recording(PurePosixPath(root).stem, fs.unstrip_protocol(root),
                        digest.hexdigest()[:40], sum(i['size'] or 0 for i in members.values()))


def _version(fs: Any, file: str, info: Mapping[str, Any]) -> str:
    """Return a text that stands for the content of a file.

    For a local file, the text depends only on the bytes that are read; see :data:`EDGE` and
    :data:`BLOCKS`.
    """
    if 'file' in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)):
        # The modification time is not used, because a copy may have another modification time.
        size = info['size']
        places = [(0, EDGE), (max(0, size - EDGE), EDGE), *(
            (max(0, size - BLOCK) * index // (BLOCKS - 1), BLOCK) for index in range(BLOCKS))]
        digest = hashlib.sha256()
        with open(file, 'rb') as content:
            for begin, count in places:
                content.seek(begin)
                digest.update(content.read(count))
        return digest.hexdigest()
    tag, time = (next((str(info[key]) for key in keys if info.get(key)), '')
                 for keys in (_TAGS, _TIMES))
    return tag or f'{fs.unstrip_protocol(file)} {time}'
