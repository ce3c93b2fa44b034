# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the frames of a shard together with their label maps. The label maps are the truth.

A shard is a part of a recording.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ...accuracy.label_values import LabelValues
from ...accuracy.samples import pair_files, read_sample
from ...bags.reader import BagReader, Recorded
from ...errors import BagError, EvaluationError, FrameError, LabelValueError
from ...sources.image import AnyImage, BadImage, count_bytes, SourceImage
from ...threads.ordered_map import map_ahead
from ..frames import decode_message
from ..recordings import IMAGES, LABELS
from ..shards import Shard

MOST_APART = 2_000_000_000
"""Largest difference between the log times of an image and its label map, in nanoseconds."""
PAIR_NS = 1_000_000_000
"""Images in a folder have no times. So the image with index i gets the time i × ``PAIR_NS``."""

Labelled = tuple[AnyImage, npt.NDArray[Any] | None]
"""An image and its label map. The label map is None if the image cannot be used."""


def is_labelled_folder(path: Path) -> bool:
    """Return whether a path is a folder of labelled images."""
    return (path / IMAGES).is_dir() and (path / LABELS).is_dir()


def find_pairs(path: Path) -> list[tuple[Path, Path]]:
    """Return the paths of the images of a folder, each with the path of its label map.

    :raises EvaluationError: if an image has no label map, or if a label map has no image.
    """
    return pair_files(path / IMAGES, path / LABELS)


def read_labelled(shard: Shard, path: Path, label_topic: str | None, values: LabelValues,
                  classes: int) -> Generator[Labelled, None, None]:
    """Yield the images of a shard with their label maps. Several threads do the decoding.

    In a bag, an image and its label map have the same header stamp. Their log times may differ by
    up to :data:`MOST_APART`. So the log time of the label map may lie before the beginning
    or after the end of the shard.

    A BadImage takes the place of an image if the image or its label map cannot be decoded, or if
    the image has no label map. If there is no label map, the error of the BadImage is an
    :class:`.EvaluationError`.

    :param path: the recording on this machine.
    :param label_topic: topic of the label maps in a bag.
    :param values: tells how the values of the label maps become class ids.
    :param classes: number of classes of the model.
    :raises EvaluationError: if a label map has a value without a class, or if a file in the
        folder cannot be read.
    :raises BagError: if the bag cannot be read.
    """
    found = (_read_folder(shard, path, values, classes) if label_topic is None or not shard.topic
             else _read_bag(shard, path, label_topic, values, classes))
    with closing(found) as pairs:
        yield from pairs


def _read_folder(shard: Shard, path: Path, values: LabelValues, classes: int
                 ) -> Generator[Labelled, None, None]:
    def read(pair: tuple[Path, Path]) -> Labelled:
        try:
            sample = read_sample(*pair, classes, values)
        except LabelValueError as error:
            raise EvaluationError(f'{pair[1].name}: {error}') from error
        return SourceImage('', sample.name, sample.image), sample.truth

    pairs = find_pairs(path)[shard.begin_ns // PAIR_NS:shard.end_ns // PAIR_NS]
    return map_ahead(read, pairs, 'read image', size_of=lambda pair: count_bytes(pair[0]))


def _read_bag(shard: Shard, path: Path, label_topic: str, values: LabelValues, classes: int
              ) -> Generator[Labelled, None, None]:
    def decode(pair: tuple[Recorded, Recorded | None]) -> Labelled:
        image, label = pair
        origin = f'{shard.recording.name} {shard.topic} {image.log_time_ns}'
        if label is None:
            return BadImage(origin, EvaluationError(f'{origin} has no label map')), None
        _, decoded = decode_message(image, shard)
        try:
            truth = label.labels()
        except FrameError as error:
            return BadImage(origin, BagError(f'the label map of {origin}: {error}')), None
        try:
            truth = values.to_class_ids(truth, classes)
        except LabelValueError as error:
            raise EvaluationError(f'{origin}: {error}') from error
        return decoded, truth if isinstance(decoded, SourceImage) else None

    with BagReader(path) as bag:
        messages = bag.messages([shard.topic, label_topic], max(0, shard.begin_ns - MOST_APART),
                                shard.end_ns + MOST_APART)
        with closing(map_ahead(decode, pair_messages(messages, shard), 'decode image',
                               size_of=lambda pair: count_bytes(pair[0]))) as pairs:
            yield from pairs


def pair_messages(messages: Iterable[Recorded], shard: Shard
                  ) -> Iterator[tuple[Recorded, Recorded | None]]:
    """Yield each image of a shard once, with the label map that has the same stamp.

    If there is no such label map, the second item is None.

    :param messages: images and label maps in the order of their log times, from :data:`MOST_APART`
        before the shard until :data:`MOST_APART` after the shard.
    """
    labels: dict[int, Recorded] = {}
    waiting: dict[int, list[Recorded]] = defaultdict(list)
    for message in messages:
        oldest = message.log_time_ns - MOST_APART
        while labels and next(iter(labels.values())).log_time_ns < oldest:
            del labels[next(iter(labels))]
        while waiting and next(iter(waiting.values()))[0].log_time_ns < oldest:
            yield from ((image, None) for image in waiting.pop(next(iter(waiting))))
        is_image = message.topic == shard.topic
        stamp = message.stamp_ns
        if is_image and not shard.begin_ns <= message.log_time_ns < shard.end_ns:
            continue
        if stamp is None:   # the message is too short for a header
            yield from [(message, None)] * is_image
        elif not is_image:
            yield from ((image, message) for image in waiting.pop(stamp, ()))
            labels.pop(stamp, None)     # so that the new entry becomes the last
            labels[stamp] = message
        elif stamp in labels:
            yield message, labels[stamp]
        else:
            waiting[stamp].append(message)
    yield from ((image, None) for images in waiting.values() for image in images)
