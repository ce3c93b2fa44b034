# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the photographs of CamVid, and scores networks like the demo model on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from trt_segmentation.accuracy.label_values import LabelValues
from trt_segmentation.accuracy.metrics import confusion, Counts, Scores
from trt_segmentation.accuracy.samples import make_frame, read_folder_samples, Sample
from trt_segmentation.frame import UNLABELLED, Wanted
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette
from trt_segmentation.pipeline import Pipeline, segment_one

CLASSES = ('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car',
           'pedestrian', 'bicyclist')
VOID = LabelValues(left_out=(range(len(CLASSES), len(CLASSES) + 1),))
"""The label 11 of CamVid means that a pixel has no class."""
STREET_NAMES = {'sky': 'sky', 'building': 'building', 'pole': 'pole', 'road': 'road',
                'pavement': 'sidewalk', 'tree': 'vegetation', 'sign': 'traffic sign',
                'car': 'vehicle', 'pedestrian': 'person'}
"""Maps each class of CamVid that the demo model knows to its name in the demo model."""
DUSK = '0001TP'
"""The names of the photographs at dusk begin with these letters."""


def read_photographs(data: Path, split: str, step: int = 1) -> Iterator[Sample]:
    """Read the photographs of a split with their labels. The condition is ``dusk`` or ``day``.

    :param split: ``train``, ``val`` or ``test``.
    :param step: only each ``step``-th photograph of each condition is returned.
    :raises EvaluationError: if a folder is missing, or if a file cannot be used.
    """
    count = {'dusk': 0, 'day': 0}
    for sample in read_folder_samples(data / split, data / f'{split}annot', len(CLASSES), VOID):
        condition = 'dusk' if sample.name.startswith(DUSK) else 'day'
        count[condition] += 1
        if (count[condition] - 1) % step == 0:
            yield Sample(sample.name, sample.image, sample.truth, condition)


def make_card(name: str, model: Path) -> ModelCard:
    """Make the card of a network with the classes of CamVid, normalised as in ImageNet."""
    return ModelCard(name, model, CLASSES, spread_palette(len(CLASSES)), InputCard())


def score_demo_model(pipeline: Pipeline, samples: Sequence[Sample], scale: int
                     ) -> tuple[Scores, Counts]:
    """Segment photographs with the demo model, and compare the labels with the truth.

    Only the classes of :data:`STREET_NAMES` count. Lane markings are road in CamVid.

    :param scale: the photographs and their truth are enlarged by this factor first.
    :returns: scores, and (2, 256) int64: the number of wrong pixels and the number of right
        pixels, for each value of the confidence.
    """
    names, known = pipeline.card.classes, list(STREET_NAMES)
    to_known, truth_ids = np.full((2, 256), UNLABELLED[np.dtype(np.uint8)], np.uint8)
    for index, name in enumerate(known):
        to_known[names.index(STREET_NAMES[name])] = truth_ids[CLASSES.index(name)] = index
    to_known[names.index('lane marking')] = known.index('road')
    matrix = np.zeros((len(known), len(known) + 1), np.int64)
    trust = np.zeros((2, 256), np.int64)
    for sample in samples:
        assert sample.truth is not None
        size = (sample.image.shape[1] * scale, sample.image.shape[0] * scale)
        image = cv2.resize(sample.image, size, interpolation=cv2.INTER_LINEAR)
        truth = truth_ids[cv2.resize(sample.truth, size, interpolation=cv2.INTER_NEAREST)]
        result = segment_one(pipeline, make_frame(np.asarray(image, np.uint8)),
                             Wanted(confidence=True))
        labels = to_known[result.labels]
        assert result.confidence is not None
        matrix += confusion(truth, labels, len(known))
        seen = truth != UNLABELLED[truth.dtype]
        right = (labels == truth)[seen].astype(np.int64)
        trust += np.bincount(right * 256 + result.confidence[seen], minlength=512).reshape(2, 256)
        result.release()
    return Scores(known, matrix, len(samples)), trust


def score_by_light(pipeline: Pipeline, samples: Sequence[Sample], scale: int
                   ) -> dict[str, tuple[Scores, Counts]]:
    """Map ``day``, ``dusk`` and ``all`` to the results of :func:`score_demo_model`."""
    found = {light: score_demo_model(
        pipeline, [sample for sample in samples if sample.condition == light], scale)
        for light in ('day', 'dusk')}
    (day, day_trust), (dusk, dusk_trust) = found.values()
    found['all'] = (Scores(day.classes, day.matrix + dusk.matrix, len(samples)),
                    day_trust + dusk_trust)
    return found


def risk_coverage_area(trust: Counts) -> float:
    """Return the area under the risk-coverage curve, 0 to 1. A smaller area is better.

    The pixels are ordered by their confidence, the most confident pixel first. The coverage is a
    fraction of the pixels from the start of this order. The risk is the fraction of wrong labels
    among these pixels. Pixels of equal confidence have a random order.

    :param trust: (2, 256), see :func:`score_demo_model`.
    """
    wrong, right = trust[:, ::-1].astype(np.float64)
    total = np.concatenate([[0.0], np.cumsum(wrong + right)])
    errors = np.concatenate([[0.0], np.cumsum(wrong)])
    steps = np.linspace(0, 1, 2001)[1:] * total[-1]
    return float(np.mean(np.interp(steps, total, errors) / steps))
