# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg eval``: measure the accuracy of a model on street scenes or on labelled images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from itertools import chain
import sys
from typing import TypeAlias

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..accuracy.class_count import load_checked_card
from ..accuracy.label_values import read_label_values
from ..accuracy.metrics import Scores
from ..accuracy.samples import (
    draw_street_samples,
    evaluate,
    pair_files,
    read_folder_samples,
    Sample,
)
from ..errors import AccuracyLossError, EvaluationError
from ..frame import Wanted
from ..model.card import ModelCard
from ..pipeline import open_pipeline
from ..street import CONDITIONS
from ..untrusted.output_files import check_file, write_json
from ..view.progress import ProgressBars
from .evaluate_options import EvaluateOptions
from .evaluate_trust import print_temperature, ReferenceWriter

SCENES = 100
"""Default number of street scenes for each condition, such as ``night``."""
FPS = 30.0
"""Default number of frames per second of a simulated drive, as in the node street_camera."""

SampleSource: TypeAlias = 'tuple[Iterable[Sample], int, str]'
"""The samples, the number of samples, and the label of the progress bar."""


def run_evaluate(options: EvaluateOptions) -> int:
    """Score the model, print a table of the scores, and write the files that the options name.

    :returns: the exit code: 0, or 1 if a part or a frame of a recording could not be scored.
    :raises EvaluationError, LabelValueError: if an option, an image or a label map is wrong.
    :raises ModelCardError, EngineError: if the model cannot be opened.
    :raises OutputError: if the JSON file cannot be written. The path is checked before any work.
    :raises AccuracyLossError: if a mean IoU is below ``options.min_miou``. All files are
        written before this error is raised.
    """
    options.check()
    for path, name in ((options.json, '--json'), (options.save_card, '--save-card')):
        if path:
            check_file(path, name)
    card = load_checked_card(options.model)
    if options.sources:
        return _evaluate_recordings(card, options)
    reference = ReferenceWriter(card, options)
    sources = _sources(card, options)
    with closing(open_pipeline(card, options.engine, gpu=options.gpu,
                               precision=options.precision,
                               log=lambda line: print(line, file=sys.stderr))) as pipeline, \
            ProgressBars() as bars:
        wanted = Wanted(confidence=pipeline.gives_confidence,
                        tally=options.save_reference is not None)
        scored = {name: evaluate(pipeline, bars.track(title, samples, count), wanted,
                                 reference.observe)
                  for name, (samples, count, title) in sources.items()}
    identity = pipeline.identity
    print_scores(scored, f'{card.name}, {identity.engine} {identity.precision}')
    if options.json:
        write_json(options.json, {
            'model': card.name, 'engine': identity.engine, 'precision': identity.precision,
            'scores': {name: scores.tree() for name, scores in scored.items()}}, '--json')
    reference.save()
    if options.fit_temperature:
        _fit_temperature(card, options)
    refuse_low_scores(scored, options.min_miou)
    return 0


def _sources(card: ModelCard, options: EvaluateOptions) -> dict[str, SampleSource]:
    """Return the samples for each column of the table, by the name of the column."""
    images, labels = options.images, options.labels
    if images and labels:
        values = read_label_values(options.ignore, options.label_map)
        samples = read_folder_samples(images, labels, len(card.classes), values)
        return {images.name: (samples, len(pair_files(images, labels)), str(images))}
    count = options.street or SCENES
    drive = None if options.drive is None else (options.drive, options.fps or FPS)
    return {condition: (draw_street_samples(card, count, condition, drive=drive), count, condition)
            for condition in options.condition or CONDITIONS}


def _fit_temperature(card: ModelCard, options: EvaluateOptions) -> None:
    with ProgressBars() as bars:
        print_temperature(card, chain.from_iterable(
            bars.track(f'scores of {title}', samples, count)
            for samples, count, title in _sources(card, options).values()), options.save_card)


def _evaluate_recordings(card: ModelCard, options: EvaluateOptions) -> int:
    from ..fleet.jobs.evaluate import EvaluateJob
    from .fleet.evaluate import evaluate_recordings
    job = EvaluateJob('', '', options.model, options.engine, options.precision,
                      options.image_topic, label_topic=options.label_topic,
                      values=read_label_values(options.ignore, options.label_map))
    done = evaluate_recordings(card, job, options.sources, options.work, options)
    if done.scores:
        given = [each for each in (options.engine, options.precision) if each != 'auto']
        print_scores(done.scores, ', '.join([card.name, *given]))
    done.print_summary()
    if options.json and done.scores:
        write_json(options.json, {
            'model': card.name, 'engine': options.engine, 'precision': options.precision,
            'scores': {name: scores.tree() for name, scores in done.scores.items()},
            'recordings': done.sums.recordings, 'quarantine': done.result.quarantined}, '--json')
    refuse_low_scores(done.scores, options.min_miou)
    return done.result.exit_code


def print_scores(scored: dict[str, Scores], title: str) -> None:
    """Print a table with a row for each class and a column for each entry of ``scored``."""
    # The library rich reads brackets in a string as markup. So names are escaped or become Text.
    table = Table('IoU', *map(escape, scored), title=Text(title))
    classes = next(iter(scored.values())).classes
    for name, *row in zip(classes, *(scores.iou for scores in scored.values())):
        table.add_row(Text(name), *map(_cell, row))
    table.add_section()
    table.add_row('mean IoU', *(_cell(s.mean_iou) for s in scored.values()))
    table.add_row('pixel accuracy', *(_cell(s.pixel_accuracy) for s in scored.values()))
    if not all(np.isnan(s.calibration_error) for s in scored.values()):
        table.add_row('calibration error', *(_cell(s.calibration_error) for s in scored.values()))
    Console().print(table)


def refuse_low_scores(scored: Mapping[str, Scores], limit: float | None) -> None:
    """Refuse scores with a mean IoU below a limit.

    :param scored: the columns of the table by name; empty if the command was stopped. A column
        without labelled pixels is accepted if another column has labelled pixels.
    :param limit: smallest accepted mean IoU; None for no limit.
    :raises AccuracyLossError: if the mean IoU of a column is below ``limit``.
    :raises EvaluationError: if no column has labelled pixels.
    """
    if limit is None or not scored:
        return
    known = {name: scores.mean_iou for name, scores in scored.items()
             if not np.isnan(scores.mean_iou)}
    if not known:
        raise EvaluationError('--min-miou needs a mean IoU, but no pixel is labelled')
    if low := [f'{name} has {iou:.4f}' for name, iou in known.items() if iou < limit]:
        raise AccuracyLossError(f'the mean IoU is below --min-miou {limit:g}: {", ".join(low)}')


def _cell(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.3f}'
