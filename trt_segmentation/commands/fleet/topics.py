# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks, before any work is done, that each topic of the user is in at least one bag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from ...bags.mcap_summary import count_images
from ...bags.reader import BagReader, name_camera, suggest_topic
from ...errors import BagError, SourceError
from ...fleet.jobs.evaluate import check_label_topic
from ...fleet.recordings import is_bag, open_filesystem, Recording, shorten_error
from ...video.source import VIDEO_SUFFIXES
from .workers import print_line


def check_topics(recordings: Sequence[Recording], image_topic: str | None,
                 label_topic: str | None = None, say: Callable[[str], None] = print_line) -> None:
    """Check that each topic that the user chose is in at least one bag.

    Another topic of the same camera, such as its compressed images, counts as ``image_topic`` too.
    Bags on this machine that cannot be read are ignored here. No remote bag is copied.

    :param image_topic: the topic that the user chose; None for all cameras.
    :param label_topic: topic of label maps; None if none are needed.
    :param say: called with a line of text if a check would need a copy of a remote bag.
    :raises BagError: if one of the two topics is in no bag.
    :raises EvaluationError: if ``label_topic`` has camera images in the first bag with this topic.
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
                f'no recording has {kind} on {topic}{suggest_topic(topic, topics) or "."} Image '
                f'topics of {url}: ' + ', '.join(f'{n} ({c})' for n, c in topics.items()))


def _read_topics(recording: Recording, label_topic: str | None) -> Mapping[str, int]:
    """Return the image topics of a bag. Check the label maps if the bag is on this machine."""
    if recording.local is None:
        return _read_remote_topics(recording.url)
    if not is_bag(recording):
        return {}
    try:
        with BagReader(recording.local) as bag:
            if label_topic is not None:
                check_label_topic(bag, label_topic)
            return bag.image_topics()
    except (BagError, OSError):
        return {}


def _read_remote_topics(url: str) -> Mapping[str, int]:
    counts: Counter[str] = Counter()
    try:
        fs, root = open_filesystem(url)
        is_video = PurePosixPath(root).suffix.lower() in VIDEO_SUFFIXES
        for file in [] if is_video else fs.find(root) or [root]:
            if '.mcap' in file or '.db3' in file:
                counts += count_images(fs, file)
    except Exception as error:      # each object store has its own error classes
        raise SourceError(shorten_error(error)) from error
    return counts
