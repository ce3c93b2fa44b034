# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compares new label maps of recorded images with the expected label maps in a bag."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import BagError, FrameError
from .reader import BagReader, Recorded, stamp_text


class Expectation:
    """The expected label maps in a bag. A frame and its label map have the same header stamp.

    If several label maps have the same stamp, they are compared in the order of the recording.

    :param bag: the bag with the expected label maps. The caller closes the bag at the end.
    :param classes: class names, for the texts about differences.
    :param min_agreement: fraction of a frame's pixels that must be equal, 0 to 1.
    :param allow_missing: whether some frames may have no label map in the bag. If the label maps
        come from a running node that dropped frames, some label maps are missing.
    """

    def __init__(self, bag: BagReader, topic: str, classes: Sequence[str],
                 min_agreement: float = 1.0, allow_missing: bool = False) -> None:
        self._name = f'{bag.path} {topic}'
        self._classes = classes
        self._min_agreement = min_agreement
        self._allow_missing = allow_missing
        self._compared = self._unexpected = self._pixels = self._equal = 0
        self._worst = (2.0, 0)
        self._left = Counter(recorded.stamp_ns for recorded in bag.messages([topic]))
        self._source = bag.messages([topic])
        self._ahead: dict[int | None, deque[Recorded]] = defaultdict(deque)

    def compare(self, stamp_ns: int, labels: npt.NDArray[Any]) -> str | None:
        """Compare a label map with the expected label map of the stamp ``stamp_ns``.

        :param labels: (height, width) uint8 or uint16.
        :returns: a text about the difference. None if enough pixels are equal, or if
            ``allow_missing`` is True and the bag has no label map of this stamp.
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
        """Return one line of text about all frames that were compared."""
        if not self._compared:
            return f'no frame was compared with {self._name}'
        agreement, stamp_ns = self._worst
        worst = ('Every frame is equal' if self._equal == self._pixels else
                 f'The worst frame has stamp {stamp_text(stamp_ns)}, and {agreement:.7f} of its '
                 f'pixels are equal')
        unexpected = (f'. Frames without an expected label map: {self._unexpected}'
                      if self._unexpected else '')
        return (f'{self._compared} frames were compared with {self._name}: {self._equal:,} of '
                f'{self._pixels:,} pixels are equal. {worst}{unexpected}')

    def describe_missing(self) -> str | None:
        """Return a text about the label maps that were not compared; None if all were compared."""
        left = [stamp for stamp, count in self._left.items() if count]
        if left:
            return (f'there was no frame for {sum(self._left.values())} of the label maps of '
                    f'{self._name}. The first of these label maps has stamp '
                    f'{stamp_text(left[0])}')
        return None if self._compared else f'no frame has a label map in {self._name}'

    def _difference(self, expected: npt.NDArray[Any], labels: npt.NDArray[Any],
                    stamp_ns: int) -> str | None:
        if expected.shape != labels.shape or expected.dtype != labels.dtype:
            return f'the label map is {_size(labels)}, but the expected one is {_size(expected)}'
        unequal = expected != labels
        count = int(np.count_nonzero(unequal))
        agreement = 1 - count / labels.size
        self._pixels += labels.size
        self._equal += labels.size - count
        self._worst = min(self._worst, (agreement, stamp_ns))
        if agreement >= self._min_agreement:
            return None
        row, column = np.unravel_index(int(np.argmax(unequal)), labels.shape)
        return (f'{count} of {labels.size} pixels differ, so the agreement {agreement:.9f} is '
                f'below {self._min_agreement:g}. The first difference is at row {row}, column '
                f'{column}: expected {self._class(expected[row, column])}, '
                f'got {self._class(labels[row, column])}')

    def _class(self, label: int) -> str:
        return f'{label} ({self._classes[label]})' if label < len(self._classes) else str(label)


def _size(labels: npt.NDArray[Any]) -> str:
    return f'{labels.shape[1]}x{labels.shape[0]} {labels.dtype}'


def choose_label_topic(bag: BagReader, root: str, asked: str | None = None) -> str:
    """Choose the topic of the expected label maps.

    :param root: topic prefix of a namespace, such as ``/segmentation``.
    :param asked: name of a topic; None for the label map topic in the namespace. If the namespace
        has no label map topic, the only label map topic of the bag is chosen.
    :raises BagError: if the bag has no images on the asked topic. If ``asked`` is None, this
        error is raised if the namespace has no label map topic, and the bag has none or several.
        The message lists the image topics.
    """
    topics = bag.image_topics()
    if asked is None:
        ours = (f'{root}/label_map', f'{root}/label_map/compressed')
        found = [t for t in ours if t in topics][:1] or [
            t for t in topics if t.removesuffix('/compressed').endswith('/label_map')]
        if len(found) != 1:
            raise BagError(
                f'{bag.path} has '
                + (f'{len(found)} label map topics. Choose one' if found else
                   'no label map topic. Give a topic')
                + f' with --expect-topic. Image topics: {", ".join(topics) or "none"}')
        asked = found[0]
    return bag.image_topic(asked)
