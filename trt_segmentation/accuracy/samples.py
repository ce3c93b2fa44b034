# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Images with their truth, from street scenes or folders, and the scores of a model on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import street
from ..errors import EvaluationError, FrameError, LabelError, LabelValueError, PictureError
from ..frame import Frame
from ..host.pictures import IMAGES, read_ids, read_picture
from ..model.card import ModelCard
from ..pipeline import Pipeline, segment_one
from .label_values import LabelValues
from .metrics import confusion, Scores, size

FIRST_SEED = 1_000_000
"""Seed of the first scene to evaluate on; training uses smaller ones only."""

SCENE_SIZE = (1280, 720)
"""Width and height of the scenes, pixels."""


@dataclass(frozen=True)
class Sample:
    """One image with its truth.

    :param image: (height, width, 3) uint8.
    :param encoding: ``bgr8`` or ``rgb8``.
    :param truth: (height, width) uint8 or uint16 ids of the model's classes.
    """

    name: str
    image: npt.NDArray[np.uint8]
    encoding: str
    truth: npt.NDArray[Any]


def evaluate(pipeline: Pipeline, samples: Iterable[Sample]) -> Scores:
    """Segment every sample and score all of them together.

    :raises EvaluationError: naming the sample whose truth does not fit.
    :raises EngineError: when the engine fails.
    """
    classes = pipeline.card.classes
    matrix = np.zeros((len(classes), len(classes) + 1), np.int64)
    images = 0
    for sample in samples:
        height, width = sample.image.shape[:2]
        data = np.ascontiguousarray(sample.image).reshape(-1)
        try:
            answer = segment_one(
                pipeline, Frame(data, sample.encoding, height, width, width * 3))
            matrix += confusion(sample.truth, answer.labels, len(classes))
        except (FrameError, LabelError) as error:
            raise EvaluationError(f'{sample.name}: {error}') from error
        answer.release()
        images += 1
    return Scores(classes, matrix, images)


def street_samples(card: ModelCard, count: int, condition: str) -> Iterator[Sample]:
    """Scenes of seeds no training has seen, their truth in the card's own ids.

    :raises EvaluationError: when the card lacks a class of the scenes, or there is no such
        condition.
    """
    if condition not in street.CONDITIONS:
        near = get_close_matches(condition, street.CONDITIONS, n=1)
        raise EvaluationError(
            f'no condition {condition!r}' + (f', did you mean {near[0]!r}?' if near else '.')
            + f' There are {", ".join(street.CONDITIONS)}')
    missing = [name for name in street.CLASSES if name not in card.classes]
    if missing:
        raise EvaluationError(
            f'street scenes have classes that {card.name} has not: {", ".join(missing)}; '
            'evaluate it on images of its own with --images and --labels')
    ids = np.array([card.classes.index(name) for name in street.CLASSES], card.label_dtype)
    width, height = SCENE_SIZE
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        scene = street.scene(seed, condition, width, height)
        yield Sample(f'{condition} scene {seed}', scene.image, 'bgr8', ids[scene.truth])


def folder_samples(images: Path, labels: Path, classes: int,
                   values: LabelValues = LabelValues()) -> Iterator[Sample]:
    """Images and label maps of the same file stem, in the order of their names.

    A label map is a PNG: 8 or 16 bits grey, or with a colour table as Pascal VOC has it. All of
    them are checked at once, the images when their sample comes.

    :param classes: of the model.
    :param values: how the values of the label maps become class ids.
    :raises EvaluationError: naming the file without a partner, or what is wrong with one.
    """
    found = pairs(images, labels)
    try:
        values.check((label_path for _, label_path in found), read_ids, classes)
    except PictureError as error:
        raise EvaluationError(str(error)) from error
    except LabelValueError as error:
        raise EvaluationError(f'{labels}: {error}') from error
    return (_folder_sample(*pair, classes, values) for pair in found)


def _folder_sample(image_path: Path, label_path: Path, classes: int,
                   values: LabelValues) -> Sample:
    try:
        image, truth = read_picture(image_path), read_ids(label_path)
    except PictureError as error:
        raise EvaluationError(str(error)) from error
    if truth.shape != image.shape[:2]:
        raise EvaluationError(f'{label_path} is {size(truth)}, but its image {image_path} is '
                              f'{size(image)}')
    return Sample(image_path.name, image, 'bgr8', values.apply(truth, classes))


def pairs(images: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Match the files of two folders by stem.

    :raises EvaluationError: naming the first without a partner and the nearest name.
    """
    for folder in (images, labels):
        if not folder.is_dir():
            raise EvaluationError(f'{folder} is not a folder')
    found = {p.stem: p for p in sorted(images.iterdir()) if p.suffix.lower() in IMAGES}
    truths = {p.stem: p for p in labels.iterdir() if p.suffix.lower() == '.png'}
    if not found:
        raise EvaluationError(f'no images in {images}; known are {", ".join(IMAGES)}')
    for have, others, folder in ((found, truths, labels), (truths, found, images)):
        alone = [path for stem, path in sorted(have.items()) if stem not in others]
        if alone:
            near = get_close_matches(alone[0].stem, others, n=1)
            raise EvaluationError(
                f'{alone[0]} has no partner in {folder}'
                + (f', did you mean {others[near[0]].name} to be it?' if near else '.')
                + f' {len(alone)} of {len(have)} have none; an image and its label map (PNG) '
                'need the same name but for the ending')
    return [(path, truths[stem]) for stem, path in found.items()]
