# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the topics of the options before any work, in the first bags that have these topics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...bags.reader import BagReader, name_camera
from ...errors import BagError, SourceError
from ...fleet.jobs.evaluate import check_label_topic
from ...fleet.recordings import is_bag, Recording
from ...fleet.remote_topics import read_remote_topics
from ...untrusted.terminal_text import did_you_mean
from .workers import print_line


def check_topics(recordings: Sequence[Recording], image_topic: str | None,
                 label_topic: str | None = None, say: Callable[[str], None] = print_line) -> None:
    """Check that a bag has images of the camera of ``image_topic``, and label maps.

    Bags are opened only until both topics are found. Bags on this machine that cannot be read are
    ignored here. No remote bag is copied.

    :param image_topic: the topic that the user chose; None for all cameras.
    :param label_topic: topic of the label maps; None if no label maps are needed.
    :param say: called with one line of text for a check that needs a copy of a remote bag.
    :raises BagError: if no bag has a topic. The message lists the image topics of a bag.
    :raises EvaluationError: if the label topic of the first bag with this topic has camera images.
    """
    wanted = {kind: topic for kind, topic in (('images', image_topic), ('label maps', label_topic))
              if topic is not None}
    listed = skipped = None
    for recording in recordings:
        if not wanted:
            return
        try:
            topics = _read_topics(recording, wanted.get('label maps'))
        except SourceError as error:
            skipped = skipped or f'{recording.url} cannot be read without a copy: {error}'
            continue
        listed = listed or (recording.url, topics) if topics else listed
        for kind, topic in list(wanted.items()):
            if any(count and (found == topic or (kind == 'images' and name_camera(found)
                              == name_camera(topic))) for found, count in topics.items()):
                del wanted[kind]
                if kind == 'label maps' and recording.local is None:
                    say(f'before the work, only the name of {topic} is checked, because '
                        f'{recording.url} is not on this machine')
    for kind, topic in wanted.items():
        if skipped:
            say(f'the topic {topic} is not checked before the work: {skipped}')
        elif listed:
            url, topics = listed
            raise BagError(
                f'no recording has {kind} on {topic}{did_you_mean(topic, topics) or "."} Image '
                f'topics of {url}: ' + ', '.join(f'{n} ({c})' for n, c in topics.items()))


def _read_topics(recording: Recording, label_topic: str | None) -> Mapping[str, int]:
    """Return the image topics of a bag, and check the label maps of a bag on this machine."""
    if recording.local is None:
        return read_remote_topics(recording)
    if not is_bag(recording):
        return {}
    try:
        bag = BagReader(recording.local)
    except (BagError, OSError):
        return {}
    with bag:
        if label_topic is not None:
            check_label_topic(bag, label_topic)
        return bag.image_topics()
