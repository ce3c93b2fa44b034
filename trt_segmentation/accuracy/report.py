# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What a precision costs, as tables, JSON and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..model.card import ModelCard
from ..untrusted.output_files import make_folder, write_json
from .compare import Accuracy, write_differences


def write_accuracy(accuracy: Accuracy, card: ModelCard, folder: Path, console: Console) -> None:
    """Write accuracy.json and differences.png, and print the tables.

    :raises OutputError: if the folder or a file cannot be written.
    """
    make_folder(folder, '--report')
    tree = {'model': card.name, 'truth': accuracy.has_truth(), 'precisions': accuracy.tree()}
    write_json(folder / 'accuracy.json', tree)
    write_differences(accuracy, card, folder / 'differences.png')
    console.print(by_condition(accuracy))
    if accuracy.has_truth():
        console.print(by_class(accuracy))
        labelled = [name for name in accuracy.conditions if accuracy.has_truth(name)]
        for condition in labelled if len(labelled) > 1 else ():
            console.print(by_class(accuracy, condition))
    else:
        console.print('No truth is known of these images, so only agreement with fp32 is.')
    console.print(f'→ {folder / "accuracy.json"}, {folder / "differences.png"}', markup=False,
                  highlight=False, soft_wrap=True)


def by_condition(accuracy: Accuracy) -> Table:
    """A row for every precision and condition."""
    table = Table(title='accuracy')
    for name in ('precision', 'condition'):  # on a narrow terminal these are folded, not figures
        table.add_column(name, overflow='fold')
    for figure in ('images', 'as fp32', 'mean\nIoU', 'boundary\nIoU'):
        table.add_column(figure, no_wrap=True)
    conditions = [None, *(name for name in accuracy.conditions if name)]
    for precision in _precisions(accuracy):
        for condition in conditions:
            scores = [accuracy.scores(precision, condition).mean_iou,
                      accuracy.boundary_iou(precision, condition)]
            table.add_row(
                precision, Text(condition or 'all'),
                str(accuracy.tally(precision, condition).images),
                f'{accuracy.agreement(precision, condition):.4%}', *map(_cell, scores))
        table.add_section()
    return table


def by_class(accuracy: Accuracy, condition: str | None = None) -> Table:
    """A row for every class, a column for every precision; of one condition, or of all."""
    table = Table('IoU', *_precisions(accuracy),
                  title='accuracy by class' + (f', {condition}' if condition else ''))
    columns = [accuracy.scores(name, condition).iou for name in _precisions(accuracy)]
    for name, *row in zip(accuracy.classes, *columns):
        if not np.isnan(row).all():
            # Text: rich would take brackets in names for its markup
            table.add_row(Text(name), *map(_cell, row))
    return table


def _precisions(accuracy: Accuracy) -> list[str]:
    return list(dict.fromkeys(precision for precision, _ in accuracy.tallies))


def _cell(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.4f}'
