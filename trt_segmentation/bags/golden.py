# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the label maps of a replay with the label maps that an earlier replay recorded."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BagError, FrameError
from .reader import BagReader, Recorded, stamp_text


class Expectation:
    """The expected label maps of a bag. Each is found by its header stamp.

    Label maps with the same stamp are compared in the order in which they were recorded.

    :param bag: the bag with the expected label maps. The caller closes it after the comparison.
    :param topic: topic of the label maps in the bag.
    :param classes: class names, which the texts about differences use.
    :param min_agreement: fraction of the pixels of a frame that must be equal, 0 to 1.
    :param allow_missing: whether the bag may lack label maps of some frames. If the bag was
        recorded from a running node, it lacks the frames that the node dropped.
    """

    def __init__(self, bag: BagReader, topic: str, classes: Sequence[str],
                 min_agreement: float = 1.0, allow_missing: bool = False) -> None:
        self._name = f'{bag.path} {topic}'
        self._classes = classes
        self._min_agreement = min_agreement
        self._allow_missing = allow_missing
        self._compared = 0
        self._unexpected = 0
        self._pixels = 0
        self._equal = 0
        self._worst = (2.0, 0)
        self._left = Counter(recorded.stamp_ns for recorded in bag.messages([topic]))
        self._source = bag.messages([topic])
        self._ahead: dict[int | None, deque[Recorded]] = defaultdict(deque)

    def compare(self, stamp_ns: int, labels: npt.NDArray[Any]) -> str | None:
        """Compare a label map with the expected label map of the same stamp.

        :param stamp_ns: header stamp of the frame, in nanoseconds.
        :param labels: array (height, width), uint8 or uint16.
        :returns: a text that says how the label maps differ; None if enough pixels are equal.
        :raises BagError: if the bag ends too early.
        """
        if not self._left[stamp_ns]:
            self._unexpected += 1
            return None if self._allow_missing else f'{self._name} has no label map of this stamp'
        self._left[stamp_ns] -= 1
        self._compared += 1
        while not self._ahead[stamp_ns]:
            recorded = next(self._source)
            self._ahead[recorded.stamp_ns].append(recorded)
        try:
            expected = self._ahead[stamp_ns].popleft().labels()
        except FrameError as error:
            return f'the expected label map in {self._name} cannot be read: {error}'
        finally:
            if not self._ahead[stamp_ns]:
                del self._ahead[stamp_ns]
        return self._difference(expected, labels, stamp_ns)

    def summary(self) -> str:
        """Return one line of text about all the frames that were compared so far."""
        if not self._compared:
            return f'no frame was compared with {self._name}'
        agreement, stamp_ns = self._worst
        worst = ('every frame is equal' if self._equal == self._pixels else
                 f'worst frame: stamp {stamp_text(stamp_ns)}, {agreement:.7f} of its pixels equal')
        unexpected = (f'; frames without an expected label map: {self._unexpected}'
                      if self._unexpected else '')
        return (f'compared with {self._name}: {self._compared} frames, {self._equal:,} '
                f'of {self._pixels:,} pixels equal; {worst}{unexpected}')

    def describe_missing(self) -> str | None:
        """Return a text about the expected label maps without a frame.

        :returns: the number of these label maps and the stamp of the first; None if every
            expected label map was compared with a frame.
        """
        left = [stamp for stamp, count in self._left.items() if count]
        if left:
            return (f'there was no frame for {sum(self._left.values())} of the label maps of '
                    f'{self._name}. The first of these label maps has stamp '
                    f'{stamp_text(left[0])}')
        if not self._compared:
            return f'no frame has a label map in {self._name}'
        return None

    def _difference(self, expected: npt.NDArray[Any], labels: npt.NDArray[Any],
                    stamp_ns: int) -> str | None:
        if expected.shape != labels.shape or expected.dtype != labels.dtype:
            return (f'the label map is {_size(labels)}, expected {_size(expected)}')
        unequal = expected != labels
        count = int(np.count_nonzero(unequal))
        agreement = 1 - count / labels.size
        self._pixels += labels.size
        self._equal += labels.size - count
        self._worst = min(self._worst, (agreement, stamp_ns))
        if agreement >= self._min_agreement:
            return None
        row, column = np.unravel_index(int(np.argmax(unequal)), labels.shape)
        return (f'{count} of {labels.size} pixels differ, agreement {agreement:.9f} is below '
                f'{self._min_agreement:g}; first difference at row {row}, column {column}: '
                f'expected {self._class(expected[row, column])}, '
                f'got {self._class(labels[row, column])}')

    def _class(self, label: int) -> str:
        return f'{label} ({self._classes[label]})' if label < len(self._classes) else str(label)


def _size(labels: npt.NDArray[Any]) -> str:
    return f'{labels.shape[1]}x{labels.shape[0]} {labels.dtype}'


def choose_label_topic(bag: BagReader, root: str, asked: str | None = None) -> str:
    """Choose the topic of the expected label maps.

    :param root: topic prefix of the namespace that is searched first, such as ``/segmentation``.
    :param asked: name of a topic; None to choose the label map topic in the namespace, or, if
        there is none, the only label map topic of the bag.
    :raises BagError: if the bag has no images on the topic, or if no topic was asked for and the
        bag has no label map topic or several. The message lists the image topics.
    """
    topics = bag.image_topics()
    if asked is None:
        ours = (f'{root}/label_map', f'{root}/label_map/compressed')
        found = [t for t in ours if t in topics][:1] or [
            t for t in topics if t.removesuffix('/compressed').endswith('/label_map')]
        if len(found) != 1:
            raise BagError(
                f'{bag.path} has '
                + (f'{len(found)} label map topics; choose one' if found else
                   'no label map topic; give a topic')
                + f' with --expect-topic. Image topics: {", ".join(topics) or "none"}')
        asked = found[0]
    return bag.image_topic(asked)
