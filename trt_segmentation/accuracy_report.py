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

"""What a precision costs, as tables, JSON and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from .builder.accuracy import Accuracy, write_differences
from .model_card import ModelCard


def write_accuracy(accuracy: Accuracy, card: ModelCard, folder: Path, console: Console) -> None:
    """Write accuracy.json and differences.png, and print the tables.

    :raises OSError: where the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tree = {'model': card.name, 'truth': accuracy.has_truth(), 'precisions': accuracy.tree()}
    (folder / 'accuracy.json').write_text(json.dumps(tree, indent=1) + '\n', encoding='utf-8')
    write_differences(accuracy, card, folder / 'differences.png')
    console.print(by_condition(accuracy))
    if accuracy.has_truth():
        console.print(by_class(accuracy))
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
                precision, condition or 'all', str(accuracy.tally(precision, condition).images),
                f'{accuracy.agreement(precision, condition):.4%}', *map(_cell, scores))
        table.add_section()
    return table


def by_class(accuracy: Accuracy) -> Table:
    """A row for every class, a column for every precision."""
    table = Table('IoU', *_precisions(accuracy), title='accuracy by class')
    columns = [accuracy.scores(precision).iou for precision in _precisions(accuracy)]
    for name, *row in zip(accuracy.classes, *columns):
        if not np.isnan(row).all():
            table.add_row(name, *map(_cell, row))
    return table


def _precisions(accuracy: Accuracy) -> list[str]:
    return list(dict.fromkeys(precision for precision, _ in accuracy.tallies))


def _cell(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.4f}'
