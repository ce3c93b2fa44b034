# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the topics of the options in the bags on this machine, before any work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from ...bags.cameras import find_camera_encoding
from ...bags.reader import BagReader, name_camera
from ...errors import BagError, EvaluationError
from ...fleet.recordings import is_bag, Recording


def check_image_topic(recordings: Sequence[Recording], topic: str | None) -> None:
    """Check that at least one bag has images of the camera of a topic.

    The check is left out if a bag is remote, because the bag would have to be copied. Bags that
    cannot be read are ignored here.

    :param topic: the topic that the user chose; None for all cameras.
    :raises BagError: if no bag has the topic. The message lists the image topics of a bag.
    """
    if topic is None:       # no request to an object store is needed then
        return
    bags = [recording for recording in recordings if is_bag(recording)]
    if any(bag.local is None for bag in bags):
        return
    missing = None
    for bag in _open_bags(bags):
        found = {name_camera(name) for name, count in bag.image_topics().items() if count}
        if name_camera(topic) in found:
            return
        try:
            bag.image_topic(topic)
        except BagError as error:
            missing = missing or error
    if missing is not None:
        raise BagError(f'no recording has images on {topic}. The first bag: {missing}')


def check_label_topic(recordings: Sequence[Recording], topic: str | None) -> None:
    """Check that no bag on this machine has camera images on the topic of the label maps.

    :param topic: the topic that the user chose; None if no recording is a bag.
    :raises EvaluationError: if a bag has camera images there.
    """
    if topic is None:
        return
    bags = [each for each in recordings if each.local is not None and is_bag(each)]
    for bag in _open_bags(bags):
        if encoding := find_camera_encoding(bag, topic):
            raise EvaluationError(
                f'the topic {topic} of {bag.path} has camera images ({encoding}), not label maps. '
                f'Give another --label-topic. Image topics: {", ".join(bag.image_topics())}')


def _open_bags(recordings: Sequence[Recording]) -> Iterator[BagReader]:
    """Yield the readers of the bags that can be read."""
    for recording in recordings:
        assert recording.local is not None
        try:
            bag = BagReader(recording.local)
        except (BagError, OSError):
            continue
        with closing(bag):
            yield bag
