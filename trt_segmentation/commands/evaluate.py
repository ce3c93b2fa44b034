# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of a model on street scenes or on a folder of labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
import sys
from typing import TypeAlias

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table
from rich.text import Text

from ..accuracy.label_values import LabelValues, read_label_values
from ..accuracy.metrics import Scores
from ..accuracy.samples import (
    draw_street_samples,
    evaluate,
    pair_files,
    read_folder_samples,
    Sample,
)
from ..errors import EvaluationError
from ..model.card import load_card, ModelCard
from ..pipeline import open_pipeline, Pipeline
from ..untrusted.output_files import check_file, write_json

SCENES = 100
"""Scenes of each condition, if nobody says how many."""

Source: TypeAlias = 'tuple[Iterable[Sample], int, str]'
"""Samples, how many they are, and what the progress bar calls them."""


def run_eval(model: str, engine: str, street: int | None, conditions: Sequence[str],
             images: Path | None, labels: Path | None, json_path: Path | None,
             gpu: int = 0, precision: str = 'auto', ignore: Sequence[range] = (),
             label_map: str | None = None) -> int:
    """Evaluate with a progress bar, print a table and write the JSON file.

    :param street: scenes of each condition, without ``images``; None for :data:`SCENES`.
    :param conditions: all where empty.
    :param json_path: file for the scores; checked before anything is scored.
    :param ignore: values of the label maps to leave out; ``label_map`` is
        :func:`.label_values.load_value_map`'s.
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
    card, values = load_card(model), read_label_values(ignore, label_map)
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
    samples = read_folder_samples(images, labels, len(card.classes), values)
    return {images.name: (samples, len(pair_files(images, labels)), str(images))}


def _scenes(card: ModelCard, count: int, conditions: Sequence[str]) -> dict[str, Source]:
    from ..street import CONDITIONS
    return {condition: (draw_street_samples(card, count, condition), count, condition)
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
