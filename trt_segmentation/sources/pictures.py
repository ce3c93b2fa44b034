# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Picture files, a picture on standard input, and drawn street scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
import sys

from .. import street
from ..errors import PictureError, SourceError
from ..host.pictures import decode_picture, read_picture
from ..threads.ordered_map import map_ahead
from .image import AnyImage, BadImage, count_bytes, OpenSource, SourceImage

MAX_STDIN = 1 << 28
"""Largest number of bytes that are read from standard input."""
SCENES = 8
"""Number of drawn street scenes."""
FIRST_SEED = 3_000_000
"""Seed of the first drawn scene. Training, evaluation and calibration use only smaller seeds."""


@dataclass(frozen=True)
class PictureFiles:
    """Picture files, in the order in which they were given. Threads decode files in advance.

    :param files: the path and the name of each picture. :class:`.SourceImage` explains the name.
    """

    title: str
    files: Sequence[tuple[Path, str]]
    name: None = None

    @property
    def picture_names(self) -> tuple[str, ...]:
        """Names for the results of the pictures."""
        return tuple(name for _, name in self.files)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The picture files."""
        return tuple(path for path, _ in self.files)

    def open(self) -> OpenSource:
        """Return the pictures. No file is read before the iteration begins."""
        return OpenSource(map_ahead(lambda file: read_file(*file), self.files, 'decode picture',
                                    size_of=count_bytes), len(self.files))


def read_file(path: Path, name: str) -> AnyImage:
    """Read a picture file, and turn the picture upright."""
    try:
        return SourceImage(name, str(path), read_picture(path, is_upright=True))
    except PictureError as error:
        return BadImage(str(path), error)


@dataclass(frozen=True)
class PictureOnStdin:
    """One picture on standard input."""

    title: str = 'standard input'
    name: None = None
    picture_names: tuple[str, ...] = ('stdin',)
    paths: tuple[Path, ...] = ()

    def open(self) -> OpenSource:
        """Read and decode the picture.

        :raises SourceError: if standard input is a terminal, or holds no picture.
        """
        if not sys.stdin or sys.stdin.isatty():
            raise SourceError('the source `-` reads a picture from standard input, but standard '
                              'input is a terminal; use a pipe: cat street.jpg | trt_seg segment '
                              '-')
        data = sys.stdin.buffer.read(MAX_STDIN + 1)
        if len(data) > MAX_STDIN:
            raise SourceError(f'standard input has more than {MAX_STDIN:,} bytes; give the path '
                              'of the file')
        try:
            image = decode_picture(data, self.title)
        except PictureError as error:
            raise SourceError(str(error)) from error
        return OpenSource(iter([SourceImage('stdin', self.title, image)]), 1)


@dataclass(frozen=True)
class StreetScenes:
    """Drawn street scenes in all conditions of weather and light.

    :param every: 1 gives every scene, 2 gives every second scene, and so on.
    """

    every: int = 1
    title: str = 'street'
    name: None = None
    paths: tuple[Path, ...] = ()

    @property
    def picture_names(self) -> tuple[str, ...]:
        """Names of the scenes. A name contains the condition and a number."""
        return tuple(name for _, _, name in self._scenes())

    def open(self) -> OpenSource:
        """Return the scenes. Each scene is drawn when it is needed."""
        return OpenSource((SourceImage(name, name, street.scene(seed, condition).image)
                           for seed, condition, name in self._scenes()), len(self.picture_names))

    def _scenes(self) -> Iterator[tuple[int, str, str]]:
        for index in range(0, SCENES, self.every):
            number, place = divmod(index, len(street.CONDITIONS))
            condition = street.CONDITIONS[place]
            yield FIRST_SEED + index, condition, f'street_{condition}_{number + 1}'
