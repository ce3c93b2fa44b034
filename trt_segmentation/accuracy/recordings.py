# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read recordings frame by frame: bags, folders of images, and drawn street scenes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .. import street
from ..bags.reader import BagReader, stamp_text
from ..builder.feeds import NamedFrame
from ..builder.settings import CALIBRATION_FRAMES
from ..errors import GraphError, PictureError
from ..host.pictures import IMAGES, read_picture
from ..untrusted.regular_file import expand_home
from .samples import make_frame

STREET_SEED = 2_000_000
"""Seed of the first scene for calibration. Training and evaluation use only smaller seeds."""


@dataclass(frozen=True)
class Bag:
    """The frames of one image topic in a bag.

    :param path: a rosbag2 folder, or a bare .mcap or .db3 file.
    :param topic: name of the image topic; None if the bag has only one image topic.
    :ivar left_out: one line of text for each video frame that the latest iteration did not yield.
    """

    path: Path
    topic: str | None = None
    left_out: list[str] = field(default_factory=list, init=False, compare=False)

    def __iter__(self) -> Iterator[NamedFrame]:
        """Yield the frames in the order of their log times.

        Video frames that cannot be decoded are skipped, such as frames before the first keyframe.

        :raises BagError: if the bag or the topic cannot be read.
        :raises FrameError: if a message is not an image.
        """
        self.left_out.clear()
        with BagReader(self.path) as bag:
            topic = bag.image_topic(self.topic)
            for message in bag.messages([topic]):
                name = f'{self.path.name} {stamp_text(message.stamp_ns)}'
                if message.problem:
                    self.left_out.append(f'{name}: {message.problem}')
                else:
                    yield name, message.frame()


@dataclass(frozen=True)
class Folder:
    """The images of a folder, in the order of their names."""

    path: Path

    def __iter__(self) -> Iterator[NamedFrame]:
        """Yield every image. Raise a GraphError if an image file cannot be read."""
        for path in sorted(p for p in self.path.iterdir() if p.suffix.lower() in IMAGES):
            try:
                yield path.name, make_frame(read_picture(path))
            except PictureError as error:
                raise GraphError(f'{error}. Move this file out of the folder') from error


@dataclass(frozen=True)
class Street:
    """Drawn street scenes.

    :param count: number of scenes.
    :param conditions: weather or light, such as ``night``. Each scene has the next condition.
        After the last condition, the first condition follows again.
    :param first_seed: seed of the first scene. Each later scene has the next seed.
    """

    count: int = CALIBRATION_FRAMES
    conditions: tuple[str, ...] = street.CONDITIONS
    first_seed: int = STREET_SEED

    def __iter__(self) -> Iterator[NamedFrame]:
        for index in range(self.count):
            condition = self.conditions[index % len(self.conditions)]
            scene = street.scene(self.first_seed + index, condition)
            yield f'{condition} {index}', make_frame(scene.image)


@dataclass(frozen=True)
class JoinedRecordings:
    """The frames of several recordings, one recording after the other."""

    sources: Sequence[Bag | Folder | Street]

    @property
    def left_out(self) -> list[str]:
        """One line of text for each video frame that the latest iteration did not yield."""
        return [line for source in self.sources if isinstance(source, Bag)
                for line in source.left_out]

    def __iter__(self) -> Iterator[NamedFrame]:
        for source in self.sources:
            yield from source


def open_recordings(names: Sequence[str], topic: str | None = None,
                    scenes: int = Street.count) -> JoinedRecordings:
    """Open bags, folders of images and drawn street scenes as one recording.

    :param names: paths of bags, paths of folders of images, or ``street`` for drawn street scenes.
    :param topic: image topic of the bags; None if each bag has only one image topic.
    :param scenes: number of scenes of ``street``.
    :raises GraphError: if a name is neither a bag, nor a folder of images, nor ``street``.
    """
    sources: list[Bag | Folder | Street] = []
    for name in names:
        try:
            path = expand_home(name)
        except FileNotFoundError as error:
            raise GraphError(f'the recording {name} cannot be read: {error}') from error
        if name == 'street':
            sources.append(Street(scenes))
        elif path.is_dir() and not any(p.suffix in ('.yaml', '.mcap', '.db3')
                                       for p in path.iterdir()):
            if not any(p.suffix.lower() in IMAGES for p in path.iterdir()):
                raise GraphError(f'the folder {path} has no images; expected files with the '
                                 f'endings {", ".join(IMAGES)}')
            sources.append(Folder(path))
        elif path.exists():
            sources.append(Bag(path, topic))
        else:
            raise GraphError(f'there are no frames at {name}. Give a bag, a folder of images, or '
                             f'the word street. --calibrate also takes a pattern, a URL, or a '
                             f'folder of bags, if you give --workers or --ray')
    return JoinedRecordings(sources)
