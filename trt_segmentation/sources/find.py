# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the sources that a user names: files, folders, globs, cameras, bags and drawn streets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
import glob
import os
from pathlib import Path

from ..bags.files import MAGIC
from ..errors import SourceError
from ..host.pictures import IMAGES
from ..untrusted.regular_file import expand_home
from ..untrusted.terminal_text import suggest_path
from ..video.source import CAMERA, find_source, is_video
from .image import ImageSource
from .names import choose_names, choose_video_names
from .pictures import PictureFiles, PictureOnStdin, StreetScenes
from .sequences import BagImages, VideoImages

BAGS = (*MAGIC, '.bag')
"""Suffixes of bags. A .bag file of ROS 1 is refused later, with advice."""


@dataclass(frozen=True)
class SourceOptions:
    """How the images of the sources are read.

    :param recursive: whether pictures in subfolders are read too.
    :param every: 1 gives every image of each source, 2 gives every second image, and so on.
    :param topic: image topic of the bags; None for the topic of the only camera in each bag.
    :param leave_out: folder of the results; None to read every folder. The folder of the results
        is not read, and it cannot be a source.
    :param say: called with one line of text if a bag has image topics that are left out.
    :raises SourceError: if ``every`` is below 1.
    """

    recursive: bool = False
    every: int = 1
    topic: str | None = None
    leave_out: Path | None = None
    say: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise SourceError(f'every is {self.every}; it must be 1 or more')


@dataclass
class _Found:
    """The sources that were found, in the order in which the user named them.

    ``pictures`` maps the path of each picture to its path below the folder that the user gave.
    """

    pictures: dict[Path, Path]
    videos: dict[str, str | Path]
    bags: dict[str, Path]
    others: list[ImageSource]


def open_sources(names: Sequence[str | Path], options: SourceOptions = SourceOptions()
                 ) -> list[ImageSource]:
    """Find the sources that a user names. Folders are listed, but no source is opened.

    All pictures together are the first source. A file that is named twice is read once.

    :param names: each name is a picture, a glob such as ``frames/*.jpg`` for several files, a
        folder of pictures, a video, a bag, the path or number of a camera, an RTSP URL, ``-`` for
        standard input, or ``street`` for drawn scenes.
    :raises SourceError: if a name is none of these, if a folder or a glob gives no file that can
        be read, or if a folder is also the folder of the results. The message contains the name.
    :raises VideoError: if a URL is not an RTSP URL.
    """
    found = _Found({}, {}, {}, [])
    for name in names:
        _find(name, options, found)
    sources: list[ImageSource] = []
    if found.pictures:
        files = list(choose_names(found.pictures).items())[::options.every]
        title = str(files[0][0]) if len(files) == 1 else f'{len(files)} pictures'
        sources.append(PictureFiles(title, files))
    folders = {name.partition('/')[0] for source in [*sources, *found.others]
               for name in source.picture_names}
    named = choose_video_names([*found.videos, *found.bags], folders)
    sources += [VideoImages(source, title, named[title], options.every)
                for title, source in found.videos.items()]
    sources += [BagImages(path, title, named[title], options.topic, options.every, options.say)
                for title, path in found.bags.items()]
    return sources + found.others


def name_kind(name: str | Path) -> str:
    """Return what a source is, in words for an error message, such as ``a video``.

    :returns: an empty string for a picture file or for an unknown source.
    """
    text = str(name)
    if isinstance(name, str) and text in ('-', 'street'):
        return 'standard input' if text == '-' else 'the drawn street scenes'
    if text.startswith(('rtsp://', 'rtsps://')):
        return 'a network camera'
    try:
        path = expand_home(text)
    except FileNotFoundError:
        return ''
    if path.is_dir():
        return 'a folder'
    if path.exists():
        suffix = path.suffix.lower()
        return '' if suffix in IMAGES else 'a bag' if suffix in BAGS else 'a video' * is_video(
            path)
    if CAMERA.fullmatch(text):
        return 'a camera'
    return 'a pattern for several files' if glob.has_magic(text) else ''


def _find(name: str | Path, options: SourceOptions, found: _Found) -> None:
    text = str(name)
    if text in ('-', 'street') and isinstance(name, str):
        other: ImageSource = PictureOnStdin() if text == '-' else StreetScenes(options.every)
        found.others += [] if other in found.others else [other]
    elif '://' in text or (CAMERA.fullmatch(text) and not Path(text).is_file()):
        camera = find_source(text)
        found.videos[camera.name] = text
    else:
        _find_path(text, options, found)


def _find_path(text: str, options: SourceOptions, found: _Found) -> None:
    try:
        path = expand_home(text)
    except FileNotFoundError as error:
        raise SourceError(f'there is no source {text}: {error}') from error
    if path.is_dir():
        _find_in_folder(path, options, found)
    elif path.exists():
        if not _add_file(path, Path(path.name), found):
            raise SourceError(
                f'{path} is no picture, no bag and no video. Pictures end in '
                f'{", ".join(IMAGES)}; bags end in {", ".join(MAGIC)}; videos end in .mp4, .mkv '
                'and so on')
    elif glob.has_magic(text):
        _find_glob(path, options, found)
    else:
        near = suggest_path(path, ['street'])
        raise SourceError(f'there is no source {text}{near or "."} Give a picture, a folder, a '
                          'video, a bag, a camera such as /dev/video0, an rtsp:// URL, - for '
                          'standard input, or street')


def _find_in_folder(folder: Path, options: SourceOptions, found: _Found) -> None:
    if options.leave_out and os.path.realpath(folder) == os.path.realpath(options.leave_out):
        # A later run would also read the results in this folder.
        raise SourceError(f'{folder} is a source, and also the folder of the results; choose '
                          'another folder for the results')
    try:
        files = list(_walk(folder, options)) if options.recursive else sorted(folder.iterdir())
    except OSError as error:
        raise SourceError(f'{folder} cannot be read: {error.strerror}') from error
    if any(f.parent == folder and (f.name == 'metadata.yaml' or f.suffix in MAGIC) for f in files):
        found.bags[str(folder)] = folder
        return
    pictures = [f for f in files if f.suffix.lower() in IMAGES and f.is_file()]
    if not pictures:
        more = '' if options.recursive else \
            '. To read its subfolders too, give --recursive' * any(f.is_dir() for f in files)
        video = next(filter(is_video, files), None)
        more += '' if video is None else (
            f". It holds videos. To read them, give '{video.parent}/*{video.suffix}'")
        raise SourceError(f'{folder} holds no files that end in {", ".join(IMAGES)}{more}')
    for file in pictures:
        found.pictures.setdefault(file, file.relative_to(folder))


def _walk(folder: Path, options: SourceOptions) -> Iterable[Path]:
    leave_out = options.leave_out and os.path.realpath(options.leave_out)
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders
                            if os.path.realpath(Path(parent, name)) != leave_out)
        yield from (Path(parent, name) for name in sorted(files))


def _find_glob(pattern: Path, options: SourceOptions, found: _Found) -> None:
    """Add the picture, video and bag files that match. Folders and other files are left out."""
    matches = sorted(map(Path, glob.glob(str(pattern), recursive=True)))
    added = [path for path in matches if path.is_file()
             and _add_file(path, Path(path.name), found)]
    if not added:
        reason = 'no file matches' if not matches else (
            f'none of the {len(matches)} matches is a picture, a video or a bag')
        raise SourceError(f'there is no source {pattern}: {reason}')


def _add_file(path: Path, below: Path, found: _Found) -> bool:
    """Add a file to the sources. Return False if the kind of the file is unknown."""
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        found.pictures.setdefault(path, below)
    elif suffix in BAGS:
        found.bags[str(path)] = path
    elif is_video(path):
        found.videos[str(path)] = path
    else:
        return False
    return True
