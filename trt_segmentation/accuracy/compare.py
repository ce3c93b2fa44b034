# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compare precisions of one network with FP32, and with the truth if the truth is known.

The truth of an image is the correct class id of every pixel. A sample is an image, with its truth
if the truth is known. A condition is a group of samples, such as all images at night.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..host.pipeline import HostPipeline
from ..model.card import ModelCard
from ..pipeline import Pipeline
from .metrics import confusion, count_boundary_overlap, Counts, divide, mean_known, Scores
from .samples import label_image, Sample

REFERENCE = 'fp32'
"""Name of the precision with which all precisions are compared."""
EXAMPLES = 6
"""For each precision, the report shows at most this many samples with the largest differences."""
BOUNDARY = 0.005
"""Width of a class boundary, as a fraction of the image diagonal."""


@dataclass
class Totals:
    """Sums over the samples of one condition, for one precision.

    :param matrix: (classes, classes + 1) int64, sum of :func:`.metrics.confusion`.
    :param boundary: (2, classes) int64, sum of :func:`.metrics.count_boundary_overlap`.
    :param same: number of pixels with the same label as in FP32.
    """

    matrix: Counts
    boundary: Counts
    images: int = 0
    same: int = 0
    pixels: int = 0

    def add(self, other: Totals) -> None:
        """Add the sums of other samples."""
        self.matrix += other.matrix
        self.boundary += other.boundary
        self.images += other.images
        self.same += other.same
        self.pixels += other.pixels


@dataclass(frozen=True)
class Difference:
    """A sample whose label map in one precision differs from its label map in FP32.

    :param reference: (height, width) label map of FP32.
    :param labels: (height, width) label map of the precision.
    :param fraction: fraction of the pixels that differ, 0 to 1.
    """

    sample: Sample
    precision: str
    reference: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    fraction: float


@dataclass
class Accuracy:
    """The comparison of several precisions of one network on the same samples.

    The argument ``condition`` of the methods is the name of a condition, or None for all
    conditions together. A result of NaN means that the value is unknown.

    :param by_condition: sums for each pair of precision and condition.
    :param differences: the samples with the largest differences for each precision, in the order
        of the precisions. For each precision, the largest difference comes first.
    """

    classes: Sequence[str]
    by_condition: dict[tuple[str, str], Totals] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def totals(self, precision: str, condition: str | None = None) -> Totals:
        """Sums of a precision."""
        total = Totals(*_make_counts(len(self.classes)))
        for (name, other), counts in self.by_condition.items():
            if name == precision and condition in (None, other):
                total.add(counts)
        return total

    @property
    def precisions(self) -> list[str]:
        """Names of the precisions, in the order in which they were compared."""
        return list(dict.fromkeys(precision for precision, _ in self.by_condition))

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions, in the order of the samples."""
        return list(dict.fromkeys(condition for _, condition in self.by_condition))

    def has_truth(self, condition: str | None = None) -> bool:
        """Whether any sample has truth."""
        return bool(self.totals(REFERENCE, condition).matrix.any())

    def scores(self, precision: str, condition: str | None = None) -> Scores:
        """Mean IoU, and IoU of each class."""
        totals = self.totals(precision, condition)
        return Scores(self.classes, totals.matrix, totals.images)

    def boundary_iou(self, precision: str, condition: str | None = None) -> float:
        """Mean over the classes of the IoU of their boundaries."""
        return mean_known(divide(*self.totals(precision, condition).boundary))

    def agreement(self, precision: str, condition: str | None = None) -> float:
        """Fraction of pixels with the same label as in FP32, 0 to 1."""
        totals = self.totals(precision, condition)
        return totals.same / totals.pixels

    def loss(self, precision: str) -> float:
        """The mean IoU of FP32 minus the mean IoU of a precision.

        If no sample has truth, the loss is the fraction of pixels whose label differs from FP32.
        """
        if self.has_truth():
            return self.scores(REFERENCE).mean_iou - self.scores(precision).mean_iou
        return 1 - self.agreement(precision)

    def tree(self) -> dict[str, Any]:
        """The results for JSON: for each precision, one entry for each condition.

        The entry with the name '' is for all conditions together.
        """
        found: dict[str, Any] = {}
        for precision in self.precisions:
            for condition in [None, *self.conditions]:
                entry: dict[str, Any] = {'agreement': self.agreement(precision, condition)}
                if self.has_truth():
                    boundary = self.boundary_iou(precision, condition)
                    entry |= self.scores(precision, condition).tree()
                    entry['boundary_iou'] = None if np.isnan(boundary) else boundary
                found.setdefault(precision, {})[condition or ''] = entry
        return found


def compare_precisions(card: ModelCard, models: Mapping[str, Path], samples: Iterable[Sample],
                       open_pipeline: Callable[[ModelCard], Pipeline] = HostPipeline
                       ) -> Accuracy:
    """Segment every sample in every precision.

    :param models: maps the name of each precision to the ONNX file that is used in place of the
        card's file. :data:`REFERENCE` must be one of the names.
    :param open_pipeline: opens the pipeline of a card. The default pipeline runs on the CPU.
    :raises EngineError: if a model does not run.
    """
    # The FP32 network is the reference, so it keeps its last Resize, even if the card asks to
    # remove this Resize. If another precision needs the removal, its file already has no such
    # Resize. So no pipeline may remove a Resize here.
    whole = replace(card.output, cut_resize=False)
    with ExitStack() as stack:
        pipelines = {name: stack.enter_context(closing(open_pipeline(
            replace(card, model=path, output=whole)))) for name, path in models.items()}
        return compare_pipelines(card.classes, pipelines, samples)


def compare_pipelines(classes: Sequence[str], pipelines: Mapping[str, Pipeline],
                      samples: Iterable[Sample]) -> Accuracy:
    """Segment every sample with every pipeline.

    :param pipelines: maps a name, such as a precision or an engine, to an open pipeline.
        :data:`REFERENCE` must be one of the names.
    :raises EngineError: if a pipeline fails.
    """
    accuracy = Accuracy(classes)
    for sample in samples:
        labels = {name: label_image(pipeline, sample.image)
                  for name, pipeline in pipelines.items()}
        for name, found in labels.items():
            _count_sample(accuracy, sample, name, labels[REFERENCE], found)
    return accuracy


def _count_sample(accuracy: Accuracy, sample: Sample, precision: str,
                  reference: npt.NDArray[Any], labels: npt.NDArray[Any]) -> None:
    count = len(accuracy.classes)
    matrix, boundary = _make_counts(count)
    if sample.truth is not None:
        width = max(1, round(BOUNDARY * float(np.hypot(*sample.truth.shape))))
        matrix = confusion(sample.truth, labels, count)
        boundary = count_boundary_overlap(sample.truth, labels, count, width)
    same = int(np.count_nonzero(reference == labels))
    totals = accuracy.by_condition.setdefault((precision, sample.condition),
                                              Totals(*_make_counts(count)))
    totals.add(Totals(matrix, boundary, 1, same, labels.size))
    if same < labels.size:
        _keep_largest(accuracy, Difference(sample, precision, reference, labels,
                                           1 - same / labels.size))


def _keep_largest(accuracy: Accuracy, difference: Difference) -> None:
    found = [difference, *accuracy.differences]
    accuracy.differences[:] = [
        kept for precision in accuracy.precisions
        for kept in sorted((d for d in found if d.precision == precision),
                           key=lambda d: -d.fraction)[:EXAMPLES]]


def _make_counts(classes: int) -> tuple[Counts, Counts]:
    return np.zeros((classes, classes + 1), np.int64), np.zeros((2, classes), np.int64)
