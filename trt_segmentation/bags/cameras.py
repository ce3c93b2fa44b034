# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Chooses the image topics of a bag that come from cameras.

Topics with other images are not chosen. Examples are depth images and label maps, which are images
of class ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BagError, FrameError
from .reader import BagReader, is_result, name_camera, Recorded

SAMPLES = 3
"""This many images of a topic are checked to find out whether the topic has label maps."""
MOST_VALUES = 64
"""A label map has at most this number of different values."""
LEAST_EQUAL = 0.9
"""In a label map, at least this share of the pixels is equal to the right neighbour."""
DEPTH = ('16UC1', '32FC1')
"""The encodings of depth images."""


@dataclass(frozen=True)
class CameraTopics:
    """The image topics of a bag.

    :param chosen: one topic for each camera, sorted by name.
    :param left_out: maps each other topic with images to the reason why it was not chosen.
    """

    chosen: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)


def choose_topics(bag: BagReader, asked: str | None) -> CameraTopics:
    """Return one image topic for each camera of a bag, or only the topic ``asked``.

    If a camera has a raw and a compressed topic, the raw topic is chosen. If the bag has no images
    on ``asked``, another topic of the same camera is chosen.

    :raises BagError: if ``asked`` is None and no topic comes from a camera, or if the bag has no
        images on ``asked`` and on the other topics of the same camera.
    """
    topics = sorted(topic for topic, count in bag.image_topics().items() if count)
    if asked is not None:
        same = [topic for topic in topics if name_camera(topic) == name_camera(asked)]
        return CameraTopics((
            asked if asked in same else same[0] if same else bag.image_topic(asked),))
    chosen: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for topic in topics:
        # In sorted order, the raw topic of a camera comes before its compressed topic.
        camera = name_camera(topic)
        if is_result(topic):
            left_out[topic] = 'it has results of trt_segmentation'
        elif camera in chosen:
            left_out[topic] = f'{chosen[camera]} has the same images'
        elif reason := find_other_content(bag, topic):
            left_out[topic] = reason
        else:
            chosen[camera] = topic
    if not chosen:
        listed = ', '.join(f'{topic} ({left_out.get(topic, "no messages")})'
                           for topic in bag.image_topics())
        raise BagError(f'{bag.path} has no images of a camera. Its image topics: '
                       f'{listed or "none"}')
    return CameraTopics(tuple(chosen.values()), left_out)


def find_camera_topic(bag: BagReader, asked: str | None,
                      say: Callable[[str], None] = lambda line: None) -> str:
    """Return what :meth:`.BagReader.image_topic` returns. Without ``asked``, refuse depth images.

    :raises BagError: see :meth:`.BagReader.image_topic`. This error is also raised if ``asked`` is
        None and the only image topic has depth images.
    """
    topic = bag.image_topic(asked, say)
    if asked is None and topic not in bag.video_topics():
        with closing(bag.undecoded_messages([topic])) as messages:
            first = next(messages, None)
        if first is not None and (encoding := _find_depth_encoding(first)):
            raise BagError(f'{bag.path} has no images of a camera: {topic} has depth images '
                           f'({encoding}). To read this topic anyway, choose it with '
                           '--image-topic, or in Python with `topic`')
    return topic


def find_other_content(bag: BagReader, topic: str) -> str:
    """Return why the images of a topic are not camera images; empty if no reason is found.

    The first image shows whether the topic has depth images. A thermal camera may send mono16, so
    a mono16 image counts as a depth image only if the name of its topic contains ``depth``.

    A label map is a mono8 or mono16 image with few values, and most of its pixels are equal to
    their neighbours. A gray image of a camera has many values and noise. Up to :data:`SAMPLES`
    images from different parts of the bag are checked, and all of them must look like label maps.
    """
    if topic in bag.video_topics():
        return ''
    for message in _read_samples(bag, topic):
        if encoding := _find_depth_encoding(message):
            return f'it has depth images ({encoding})'
        if not _is_label_map(message):
            return ''
    return 'it has label maps'


def find_camera_encoding(bag: BagReader, topic: str) -> str | None:
    """Return the encoding of the first image of a topic, such as ``bgr8``; ``video`` for a video.

    :returns: None if the image is mono8 or mono16, if the image cannot be decoded, or if the topic
        has no image.
    """
    if topic not in bag.image_topics():
        return None
    if topic in bag.video_topics():
        return 'video'
    with closing(bag.undecoded_messages([topic])) as messages:
        message = next(messages, None)
    try:
        encoding = message.frame().encoding if message is not None else 'mono8'
    except FrameError:
        return None
    return None if encoding in ('mono8', 'mono16') else encoding


def _read_samples(bag: BagReader, topic: str) -> Iterator[Recorded]:
    for index in range(SAMPLES):
        begin = bag.start_ns + bag.duration_ns * index // SAMPLES
        with closing(bag.undecoded_messages([topic], begin)) as messages:
            if (message := next(messages, None)) is not None:
                yield message


def _find_depth_encoding(message: Recorded) -> str:
    try:
        encoding = message.read_encoding()
    except FrameError:
        return ''
    return encoding if encoding in DEPTH or (
        encoding == 'mono16' and 'depth' in message.topic) else ''


def _is_label_map(message: Recorded) -> bool:
    try:
        labels: npt.NDArray[Any] = message.labels()
    except FrameError:
        return False
    return (float((labels[:, 1:] == labels[:, :-1]).mean()) >= LEAST_EQUAL
            and np.unique(labels).size <= MOST_VALUES)
