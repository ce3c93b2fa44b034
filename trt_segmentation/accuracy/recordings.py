# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Frames to calibrate on: out of bags, folders of images, or the street's own scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..bags.reader import BagReader, stamp_text
from ..builder.feeds import Joined, Named
from ..errors import GraphError, PictureError
from ..frame import Frame
from ..host.pictures import IMAGES, read_picture
from ..untrusted.regular_file import expand_home

STREET_SEED = 2_000_000
"""First seed of calibration scenes: neither training nor evaluation comes there."""


@dataclass(frozen=True)
class Bag:
    """The frames of one image topic; ``topic`` may be None where the bag has only one."""

    path: Path
    topic: str | None = None

    def __iter__(self) -> Iterator[Named]:
        """In the order recorded.

        :raises BagError: where the bag or the topic cannot be read.
        :raises FrameError: where a message is no image.
        """
        with BagReader(self.path) as bag:
            topic = bag.image_topic(self.topic)
            for message in bag.messages([topic]):
                yield f'{self.path.name} {stamp_text(message.stamp_ns)}', message.frame()


@dataclass(frozen=True)
class Folder:
    """The images of a folder, in the order of their names."""

    path: Path

    def __iter__(self) -> Iterator[Named]:
        """Every image.

        :raises GraphError: where a file is no image.
        """
        for path in sorted(p for p in self.path.iterdir() if p.suffix.lower() in IMAGES):
            try:
                yield path.name, bgr_frame(read_picture(path))
            except PictureError as error:
                raise GraphError(f'{error}; take it out of the folder') from error


@dataclass(frozen=True)
class Street:
    """Scenes of the package's own street, of some conditions in turn, from a first seed on."""

    count: int = 300
    conditions: tuple[str, ...] = ('day', 'night', 'rain', 'snow')
    first_seed: int = STREET_SEED

    def __iter__(self) -> Iterator[Named]:
        """Every scene."""
        from .. import street
        for index in range(self.count):
            condition = self.conditions[index % len(self.conditions)]
            scene = street.scene(self.first_seed + index, condition)
            yield f'{condition} {index}', bgr_frame(scene.image)


def bgr_frame(image: np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]) -> Frame:
    """A frame of (height, width, 3) uint8 BGR."""
    height, width = image.shape[:2]
    return Frame(np.ascontiguousarray(image).reshape(-1), 'bgr8', height, width, 3 * width)


def open_recordings(names: Sequence[str], topic: str | None = None,
                    scenes: int = Street.count) -> Joined:
    """What ``--calibrate`` names: bags, folders of images, ``street``, one after the other.

    :param scenes: how many ``street`` has.
    :raises GraphError: where a name is none of them.
    """
    sources: list[Bag | Folder | Street] = []
    for name in names:
        try:
            path = expand_home(name)
        except FileNotFoundError as error:
            raise GraphError(f'nothing to calibrate on: {error}') from error
        if name == 'street':
            sources.append(Street(scenes))
        elif path.is_dir() and not any(p.suffix in ('.yaml', '.mcap', '.db3')
                                       for p in path.iterdir()):
            if not any(p.suffix.lower() in IMAGES for p in path.iterdir()):
                raise GraphError(f'{path} holds no images; known are {", ".join(IMAGES)}')
            sources.append(Folder(path))
        elif path.exists():
            sources.append(Bag(path, topic))
        else:
            raise GraphError(f'nothing to calibrate on at {name}; give a bag, a folder of '
                             f'images, or street')
    return Joined(sources)
