# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Images kept back from calibration, to measure on what a precision costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..builder.feeds import Feeds, Named
from ..errors import GraphError
from ..host.decode_raw import decode
from ..model.card import ModelCard
from ..street import CLASSES, CONDITIONS, scene
from .compare import Shot
from .label_values import LabelValues
from .recordings import open_recordings
from .samples import FIRST_SEED, folder_samples, pairs, SCENE_SIZE, street_samples

NO_LABELS = '-'
"""Stands in ``--hold-out-labels`` for a source without label maps."""


def held_out(card: ModelCard, sources: Sequence[str], labels: Sequence[str] = (),
             values: LabelValues = LabelValues(), count: int = 48,
             topic: str | None = None) -> list[Shot]:
    """Images of every source, spread evenly over it; each source is a condition of its own.

    :param sources: bags, folders of images, or ``street``, whose truth is known where the card
        has the classes of the scenes.
    :param labels: folder of label maps for each source, ``-`` for none; () for none at all.
    :param values: how the values of the label maps become class ids.
    :param count: images of a source at most.
    :raises GraphError: where labels and sources do not go together, or a source is nothing.
    :raises EvaluationError: where an image and its label map do not.
    """
    found: list[Shot] = []
    for name, truth, condition in zip(sources, labels or [NO_LABELS] * len(sources),
                                      _conditions(sources), strict=True):
        if truth != NO_LABELS:
            if not Path(name).is_dir():
                raise GraphError(f'--hold-out {name} is no folder of images, so it has no label '
                                 f'maps; give - instead of {truth} in --hold-out-labels')
            found += _labelled(card, Path(name), Path(truth), values, count, condition)
        elif name == 'street':
            found += street_shots(card, count)
        else:
            source = open_recordings([name], topic)
            found += _unlabelled(source, _spread(sum(1 for _ in source), count), condition)
    return found


def _conditions(sources: Sequence[str]) -> list[str]:
    """Names of sources in reports: the last part of each path, or all of it if two are equal."""
    short = [Path(name).name for name in sources]
    return short if len(set(short)) == len(short) else list(sources)


def not_chosen(feeds: Feeds, count: int = 48) -> list[Shot]:
    """Frames of a recording that calibration left out, spread evenly; [] where it took all."""
    left = np.setdiff1d(np.arange(len(feeds.choice.looks)), feeds.choice.chosen)
    return list(_unlabelled(feeds.source, left[_spread(len(left), count)], ''))


def street_shots(card: ModelCard, count: int) -> Iterator[Shot]:
    """Scenes no training and no calibration has seen, in equal parts of every condition."""
    each = -(-count // len(CONDITIONS))
    if set(CLASSES) <= set(card.classes):
        for condition in CONDITIONS:
            for sample in street_samples(card, each, condition):
                yield Shot(sample.name, condition, sample.image, sample.truth)
        return
    for condition in CONDITIONS:
        for seed in range(FIRST_SEED, FIRST_SEED + each):
            yield Shot(f'{condition} scene {seed}', condition,
                       scene(seed, condition, *SCENE_SIZE).image)


def _labelled(card: ModelCard, images: Path, labels: Path, values: LabelValues, count: int,
              condition: str) -> Iterator[Shot]:
    wanted = set(_spread(len(pairs(images, labels)), count).tolist())
    samples = folder_samples(images, labels, len(card.classes), values)
    for index, sample in enumerate(samples):
        if index in wanted:
            yield Shot(sample.name, condition, sample.image, sample.truth)


def _unlabelled(source: Iterable[Named], positions: npt.NDArray[np.intp],
                condition: str) -> Iterator[Shot]:
    wanted = set(positions.tolist())
    for index, (name, frame) in enumerate(source):
        if index in wanted:
            yield Shot(name, condition, decode(frame).bgr())


def _spread(total: int, count: int) -> npt.NDArray[np.intp]:
    """Positions of ``count`` of ``total`` things, evenly from the first to the last."""
    return np.unique(np.linspace(0, total - 1, min(total, count)).round().astype(np.intp))
