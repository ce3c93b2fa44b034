# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reports the accuracy of each precision as tables and as JSON.

A condition is a group of images, such as all images at night.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..model.card import ModelCard
from ..untrusted.output_files import make_folder, write_json
from .compare import Accuracy
from .differences import write_differences


def write_accuracy(accuracy: Accuracy, card: ModelCard, folder: Path, console: Console,
                   fp32: Sequence[str] = (), warning: str = '') -> None:
    """Write accuracy.json and differences.png to a folder, and print the tables.

    :param folder: created if it does not exist.
    :param fp32: names of the graph nodes that stay FP32, because FP16 cannot hold their values.
    :param warning: a text about the images, which is printed below the first table; may be empty.
    :raises OutputError: if the folder or a file cannot be written.
    """
    make_folder(folder, '--report')
    tree = {'model': card.name, 'truth': accuracy.has_truth(), 'fp32_nodes': list(fp32),
            'precisions': accuracy.tree()}
    write_json(folder / 'accuracy.json', tree)
    write_differences(accuracy, card, folder / 'differences.png')
    console.print(tabulate_conditions(accuracy))
    if warning:
        console.print(f'warning: {warning}', markup=False, highlight=False, soft_wrap=True)
    if fp32:
        console.print(f'Nodes that stay fp32, because their values are above 65504: '
                      f'{", ".join(fp32)}', markup=False, highlight=False, soft_wrap=True)
    if accuracy.has_truth():
        console.print(tabulate_classes(accuracy))
        labelled = [name for name in accuracy.conditions if accuracy.has_truth(name)]
        for condition in labelled if len(labelled) > 1 else ():
            console.print(tabulate_classes(accuracy, condition))
    else:
        console.print('These images have no truth, so only the agreement with fp32 is known.')
    console.print(f'→ {folder / "accuracy.json"}, {folder / "differences.png"}', markup=False,
                  highlight=False, soft_wrap=True)


def tabulate_conditions(accuracy: Accuracy) -> Table:
    """Make a table with a row for each precision and condition."""
    table = Table(title='accuracy')
    # On a narrow terminal, names are broken into several lines, but numbers are not.
    for name in ('precision', 'condition'):
        table.add_column(name, overflow='fold')
    for figure in ('images', 'as fp32', 'mean\nIoU', 'boundary\nIoU'):
        table.add_column(figure, no_wrap=True)
    named = [name for name in accuracy.conditions if name]
    # With only one condition, the row of all images would repeat the row of this condition.
    conditions = named if len(named) == len(accuracy.conditions) == 1 else [None, *named]
    for precision in accuracy.precisions:
        for condition in conditions:
            scores = [accuracy.scores(precision, condition).mean_iou,
                      accuracy.boundary_iou(precision, condition)]
            table.add_row(
                precision, Text(condition or 'all'),
                str(accuracy.totals(precision, condition).images),
                f'{accuracy.agreement(precision, condition):.4%}', *map(_cell, scores))
        table.add_section()
    return table


def tabulate_classes(accuracy: Accuracy, condition: str | None = None) -> Table:
    """Make a table with a row for each class and a column for each precision.

    :param condition: name of the condition; None for all conditions together.
    """
    table = Table('IoU', *accuracy.precisions,
                  title='accuracy by class' + (f', {condition}' if condition else ''))
    columns = [accuracy.scores(name, condition).iou for name in accuracy.precisions]
    for name, *row in zip(accuracy.classes, *columns):
        if not np.isnan(row).all():
            # The name is a Text, because rich reads brackets in a plain string as markup.
            table.add_row(Text(name), *map(_cell, row))
    return table


def _cell(value: float) -> str:
    return '–' if np.isnan(value) else f'{value:.4f}'
