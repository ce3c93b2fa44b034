# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What a precision costs: agreement with FP32 and, where truth is known, mean IoU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..frame import Frame, UNLABELLED
from ..host.pipeline import HostPipeline
from ..model.card import ModelCard
from ..pipeline import segment_one
from ..untrusted.output_files import write_image
from .metrics import boundary_overlap, confusion, Counts, mean, ratio, Scores

REFERENCE = 'fp32'
EXAMPLES = 6
BOUNDARY = 0.005
"""Width of a boundary, as a part of the image's diagonal."""


@dataclass(frozen=True)
class Shot:
    """One image to compare on.

    :param condition: such as ``night``; '' where nothing is known of it.
    :param image: (height, width, 3) uint8 BGR.
    :param truth: (height, width) class ids of the card, or None.
    """

    name: str
    condition: str
    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[Any] | None = None


@dataclass
class Tally:
    """Sums over the shots of one condition, for one precision.

    :param matrix: (classes, classes + 1) confusion with the truth.
    :param boundary: (2, classes) intersections and unions of boundaries.
    :param images: how many shots.
    :param same: pixels labelled as FP32 labels them, of ``pixels``.
    """

    matrix: Counts
    boundary: Counts
    images: int = 0
    same: int = 0
    pixels: int = 0

    def add(self, other: Tally) -> None:
        """Take another's counts in."""
        self.matrix += other.matrix
        self.boundary += other.boundary
        self.images += other.images
        self.same += other.same
        self.pixels += other.pixels


@dataclass(frozen=True)
class Difference:
    """A shot that two precisions label differently, kept to be looked at."""

    shot: Shot
    precision: str
    reference: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    fraction: float


@dataclass
class Accuracy:
    """The comparison of several precisions of one network on the same shots."""

    classes: Sequence[str]
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def tally(self, precision: str, condition: str | None = None) -> Tally:
        """Counts of one condition, or of all together."""
        total = Tally(*_no_counts(len(self.classes)))
        for (name, where), counts in self.tallies.items():
            if name == precision and condition in (None, where):
                total.add(counts)
        return total

    @property
    def conditions(self) -> list[str]:
        """In the order they came."""
        return list(dict.fromkeys(condition for _, condition in self.tallies))

    def has_truth(self, condition: str | None = None) -> bool:
        """Whether any shot had truth; of one condition, or of all together."""
        return bool(self.tally(REFERENCE, condition).matrix.any())

    def scores(self, precision: str, condition: str | None = None) -> Scores:
        """Mean IoU and IoU by class."""
        tally = self.tally(precision, condition)
        return Scores(self.classes, tally.matrix, tally.images)

    def boundary_iou(self, precision: str, condition: str | None = None) -> float:
        """Mean over the classes."""
        return mean(ratio(*self.tally(precision, condition).boundary))

    def agreement(self, precision: str, condition: str | None = None) -> float:
        """Fraction of pixels labelled as FP32 labels them."""
        tally = self.tally(precision, condition)
        return tally.same / tally.pixels

    def loss(self, precision: str) -> float:
        """Mean IoU lost to FP32 or, without truth, the fraction of pixels that changed."""
        if self.has_truth():
            return self.scores(REFERENCE).mean_iou - self.scores(precision).mean_iou
        return 1 - self.agreement(precision)

    def tree(self) -> dict[str, Any]:
        """Everything for JSON, by precision and condition; '' is all conditions."""
        found: dict[str, Any] = {}
        for precision in dict.fromkeys(name for name, _ in self.tallies):
            for condition in [None, *self.conditions]:
                entry: dict[str, Any] = {'agreement': self.agreement(precision, condition)}
                if self.has_truth():
                    boundary = self.boundary_iou(precision, condition)
                    entry |= self.scores(precision, condition).tree()
                    entry['boundary_iou'] = None if np.isnan(boundary) else boundary
                found.setdefault(precision, {})[condition or ''] = entry
        return found


def _on_the_host(card: ModelCard) -> HostPipeline:
    return HostPipeline(card, 'accuracy report')


def compare(card: ModelCard, models: Mapping[str, Path], shots: Iterable[Shot],
            opened: Callable[[ModelCard], Any] = _on_the_host) -> Accuracy:
    """Segment every shot with every precision.

    :param models: ONNX file by precision; :data:`REFERENCE` has to be among them.
    :param opened: opens the pipeline of a card; as it is, the host's, on the CPU.
    :raises EngineError: where a model does not run.
    """
    accuracy = Accuracy(card.classes)
    pipelines: dict[str, Any] = {}
    try:
        for name, path in models.items():
            pipelines[name] = opened(replace(card, model=path))
        for shot in shots:
            labels = {name: _segment(pipeline, shot) for name, pipeline in pipelines.items()}
            for name, found in labels.items():
                _take(accuracy, shot, name, labels[REFERENCE], found)
    finally:
        for pipeline in pipelines.values():
            pipeline.close()
    return accuracy


def _segment(pipeline: Any, shot: Shot) -> npt.NDArray[Any]:
    height, width = shot.image.shape[:2]
    data = np.ascontiguousarray(shot.image).reshape(-1)
    answer = segment_one(pipeline, Frame(data, 'bgr8', height, width, 3 * width))
    labels: npt.NDArray[Any] = answer.labels.copy()      # a GPU's are its slot's
    answer.release()
    return labels


def _take(accuracy: Accuracy, shot: Shot, precision: str, reference: npt.NDArray[Any],
          labels: npt.NDArray[Any]) -> None:
    count = len(accuracy.classes)
    matrix, boundary = _no_counts(count)
    if shot.truth is not None:
        width = max(1, round(BOUNDARY * float(np.hypot(*shot.truth.shape))))
        matrix = confusion(shot.truth, labels, count)
        boundary = boundary_overlap(shot.truth, labels, count, width)
    same = int(np.count_nonzero(reference == labels))
    tally = accuracy.tallies.setdefault((precision, shot.condition), Tally(*_no_counts(count)))
    tally.add(Tally(matrix, boundary, 1, same, labels.size))
    if same < labels.size:
        _keep(accuracy, Difference(shot, precision, reference, labels, 1 - same / labels.size))


def _keep(accuracy: Accuracy, difference: Difference) -> None:
    """Keep the largest differences, one a shot."""
    best = {kept.shot.name: kept for kept in accuracy.differences}
    rival = best.get(difference.shot.name)
    if rival is None or rival.fraction < difference.fraction:
        best[difference.shot.name] = difference
    accuracy.differences[:] = sorted(best.values(), key=lambda d: -d.fraction)[:EXAMPLES]


def _no_counts(count: int) -> tuple[Counts, Counts]:
    return np.zeros((count, count + 1), np.int64), np.zeros((2, count), np.int64)


def write_differences(accuracy: Accuracy, card: ModelCard, path: Path, height: int = 240) -> None:
    """Write a PNG of where precisions differ most: image, FP32, the other, and the pixels.

    :raises OutputError: if it cannot be written.
    """
    rows = [_row(difference, card, height) for difference in accuracy.differences]
    if not rows:
        rows = [np.zeros((height, 4 * height, 3), np.uint8)]
    width = max(row.shape[1] for row in rows)
    padded = [cv2.copyMakeBorder(row, 0, 4, 0, width - row.shape[1], cv2.BORDER_CONSTANT)
              for row in rows]
    write_image(path, np.vstack(padded))


def _row(difference: Difference, card: ModelCard, height: int) -> npt.NDArray[np.uint8]:
    image = difference.shot.image
    changed = np.zeros_like(image)
    changed[difference.reference != difference.labels] = (255, 255, 255)
    tiles = [image, _painted(difference.reference, card), _painted(difference.labels, card),
             changed]
    size = (round(image.shape[1] * height / image.shape[0]), height)
    small = np.asarray(np.hstack(
        [cv2.resize(t, size, interpolation=cv2.INTER_AREA) for t in tiles]), np.uint8)
    text = (f'{difference.shot.name}: image, {REFERENCE}, {difference.precision}, the '
            f'{difference.fraction:.2%} of pixels that differ')
    small[-20:] //= 4
    cv2.putText(small, text, (6, height - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1,
                cv2.LINE_AA)
    return small


def _painted(labels: npt.NDArray[Any], card: ModelCard) -> npt.NDArray[np.uint8]:
    colors = np.zeros((UNLABELLED[labels.dtype] + 1, 3), np.uint8)
    colors[:len(card.palette)] = card.palette[:, ::-1]
    return np.asarray(colors[labels], np.uint8)
