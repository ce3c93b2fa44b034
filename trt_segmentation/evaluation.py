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
from pathlib import Path
import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from rich.text import Text

from .frame import Frame, FrameError
from .label_values import label_values, LabelValueError, LabelValues
from .metrics import confusion, LabelError, Scores, size
from .model_card import load_card, ModelCard
from .outputs import check_file, write_json
from .pictures import IMAGES, PictureError, read_ids, read_picture
from .pipeline import open_pipeline, Pipeline

FIRST_SEED = 1_000_000
"""Seed of the first scene to evaluate on; training uses smaller ones only."""

SCENES = 100
"""Scenes of each condition, if nobody says how many."""

SCENE_SIZE = (1280, 720)
"""Width and height of the scenes, pixels."""


Source: TypeAlias = 'tuple[Iterable[Sample], int, str]'
"""Samples, how many they are, and what the progress bar calls them."""


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


def run_eval(model: str, engine: str, street: int | None, conditions: Sequence[str],
             images: Path | None, labels: Path | None, json_path: Path | None,
             gpu: int = 0, precision: str = 'auto', ignore: Sequence[range] = (),
             label_map: str | None = None) -> int:
    """Evaluate with a progress bar, print a table and write the JSON file.

    :param street: scenes of each condition, without ``images``; None for :data:`SCENES`.
    :param conditions: all where empty.
    :param json_path: file for the scores; checked before anything is scored.
    :param ignore: values of the label maps to leave out; ``label_map`` is
        :func:`.label_values.load_map`'s.
    :raises EvaluationError, LabelValueError, ModelCardError, EngineError, OutputError: as those
        it calls.
    """
    if (images is None) != (labels is None):
        raise EvaluationError('--images and --labels go together')
    if (ignore or label_map) and labels is None:
        raise EvaluationError('--ignore and --map are for label maps: --images and --labels')
    for option, value in (('--street', street), ('--condition', conditions)):
        if images and value:
            raise EvaluationError(f'{option} is for street scenes; leave it out with --images')
    if json_path:
        check_file(json_path, '--json')
    card, values = load_card(model), label_values(ignore, label_map)
    given = (_folder(card, images, labels, values) if images and labels else
             _scenes(card, street or SCENES, conditions))
    pipeline = open_pipeline(card, engine, gpu=gpu, precision=precision,
                             log=lambda line: print(line, file=sys.stderr))
    try:
        scored = {name: _tracked(pipeline, *source) for name, source in given.items()}
    finally:
        pipeline.close()
    tell(scored, f'{card.name}, {pipeline.identity.engine} {pipeline.identity.precision}')
    if json_path:
        tree = {'model': card.name, 'engine': pipeline.identity.engine,
                'precision': pipeline.identity.precision,
                'scores': {name: scores.tree() for name, scores in scored.items()}}
        write_json(json_path, tree, '--json')
    return 0


def _folder(card: ModelCard, images: Path, labels: Path, values: LabelValues) -> dict[str, Source]:
    samples = folder_samples(images, labels, len(card.classes), values)
    return {images.name: (samples, len(pairs(images, labels)), str(images))}


def _scenes(card: ModelCard, count: int, conditions: Sequence[str]) -> dict[str, Source]:
    from .street import CONDITIONS
    return {condition: (street_samples(card, count, condition), count, condition)
            for condition in conditions or CONDITIONS}


def _tracked(pipeline: Pipeline, samples: Iterable[Sample], count: int, what: str) -> Scores:
    return evaluate(pipeline, track(samples, escape(what), count, console=Console(stderr=True)))


def tell(scored: dict[str, Scores], title: str) -> None:
    """Print a table: a row a class, a column a condition."""
    # escaped or a Text: rich would take brackets in names for its markup
    table = Table('IoU', *map(escape, scored), title=Text(title))
    classes = next(iter(scored.values())).classes
    for name, *row in zip(classes, *(scores.iou for scores in scored.values())):
        table.add_row(Text(name), *map(_cell, row))
    table.add_section()
    table.add_row('mean IoU', *(_cell(s.mean_iou) for s in scored.values()))
    table.add_row('pixel accuracy', *(_cell(s.pixel_accuracy) for s in scored.values()))
    Console().print(table)


def _cell(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.3f}'
