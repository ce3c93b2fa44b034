# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Accuracy of a model on street scenes or on a folder of labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
import json
from pathlib import Path
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from .frame import Frame, FrameError
from .metrics import confusion, LabelError, Scores, size
from .model_card import load_card, ModelCard
from .pipeline import open_pipeline, Pipeline

FIRST_SEED = 1_000_000
"""Seed of the first scene to evaluate on; training uses smaller ones only."""

SCENE_SIZE = (1280, 720)
"""Width and height of the scenes, pixels."""

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


class EvaluationError(ValueError):
    """An evaluation that cannot be made; names the file or option and what to do."""


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
            pipeline.submit([Frame(data, sample.encoding, height, width, width * 3)])
            (answer,) = pipeline.collect()
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
    from . import street
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


def folder_samples(images: Path, labels: Path) -> Iterator[Sample]:
    """Images and label maps of the same file stem, in the order of their names.

    A label map is a PNG whose pixels are class ids: 8 or 16 bits grey, or with a colour table
    as Pascal VOC has it. 255 (65535 of 16 bits) is unlabelled.

    :raises EvaluationError: naming the file without a partner, or what is wrong with one.
    """
    for image_path, label_path in pairs(images, labels):
        image = np.asarray(_read(image_path).convert('RGB'))
        truth = read_truth(label_path)
        if truth.shape != image.shape[:2]:
            raise EvaluationError(f'{label_path} is {size(truth)}, but its image {image_path} '
                                  f'is {size(image)}')
        yield Sample(image_path.name, image, 'rgb8', truth)


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


def read_truth(path: Path) -> npt.NDArray[Any]:
    """Read a PNG of class ids: (height, width) uint8 or uint16.

    :raises EvaluationError: when it is a colour picture or no picture.
    """
    picture = _read(path)
    if picture.mode in ('I', 'I;16', 'I;16B'):
        return np.asarray(picture).astype(np.uint16)
    if picture.mode not in ('L', 'P'):
        raise EvaluationError(
            f'{path} is a picture of mode {picture.mode}; a label map has one channel of class '
            'ids (8 or 16 bits grey, or a colour table)')
    return np.asarray(picture)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise EvaluationError(f'{path} cannot be read as a picture: {error}') from error


def run_eval(model: str, engine: str, street: int, conditions: Sequence[str],
             images: Path | None, labels: Path | None, json_path: Path | None,
             gpu: int = 0, precision: str = 'auto') -> int:
    """Evaluate with a progress bar, print a table and write the JSON file.

    :param street: scenes of each condition, where no ``images`` are given.
    :param conditions: all where empty.
    :raises EvaluationError, ModelCardError, EngineError: as those it calls.
    """
    if (images is None) != (labels is None):
        raise EvaluationError('--images and --labels go together')
    card = load_card(model)
    pipeline = open_pipeline(card, engine, gpu=gpu, precision=precision,
                             log=lambda line: print(line, file=sys.stderr))
    try:
        if images and labels:
            scored = {images.name: _tracked(
                pipeline, folder_samples(images, labels), len(pairs(images, labels)),
                str(images))}
        else:
            from .street import CONDITIONS
            scored = {condition: _tracked(
                pipeline, street_samples(card, street, condition), street, condition)
                for condition in (conditions or CONDITIONS)}
    finally:
        pipeline.close()
    tell(scored, f'{card.name}, {pipeline.identity.engine} {pipeline.identity.precision}')
    if json_path:
        tree = {'model': card.name, 'engine': pipeline.identity.engine,
                'precision': pipeline.identity.precision,
                'scores': {name: scores.tree() for name, scores in scored.items()}}
        json_path.write_text(json.dumps(tree, indent=1) + '\n', encoding='utf-8')
    return 0


def _tracked(pipeline: Pipeline, samples: Iterable[Sample], count: int, what: str) -> Scores:
    return evaluate(pipeline, track(samples, what, count, console=Console(stderr=True)))


def tell(scored: dict[str, Scores], title: str) -> None:
    """Print a table: a row a class, a column a condition."""
    table = Table('IoU', *scored, title=title)
    classes = next(iter(scored.values())).classes
    for name, *row in zip(classes, *(scores.iou for scores in scored.values())):
        table.add_row(name, *map(_cell, row))
    table.add_section()
    table.add_row('mean IoU', *(_cell(s.mean_iou) for s in scored.values()))
    table.add_row('pixel accuracy', *(_cell(s.pixel_accuracy) for s in scored.values()))
    Console().print(table)


def _cell(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.3f}'
