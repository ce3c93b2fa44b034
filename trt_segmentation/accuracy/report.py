# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Report the accuracy of each precision as tables, as JSON and as an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..frame import UNLABELLED
from ..model.card import ModelCard
from ..untrusted.output_files import make_folder, write_image, write_json
from .compare import Accuracy, Difference, REFERENCE

LEGEND_LINE = 22
"""Height of a line of the legend in differences.png, in pixels."""


def write_accuracy(accuracy: Accuracy, card: ModelCard, folder: Path, console: Console,
                   fp32: Sequence[str] = ()) -> None:
    """Write accuracy.json and differences.png to a folder, and print the tables.

    :param folder: folder of the two files. If the folder does not exist, it is created.
    :param fp32: names of the nodes that stay FP32, because FP16 cannot hold their values.
    :raises OutputError: if the folder or a file cannot be written.
    """
    make_folder(folder, '--report')
    tree = {'model': card.name, 'truth': accuracy.has_truth(), 'fp32_nodes': list(fp32),
            'precisions': accuracy.tree()}
    write_json(folder / 'accuracy.json', tree)
    write_differences(accuracy, card, folder / 'differences.png')
    console.print(tabulate_conditions(accuracy))
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
    conditions = [None, *(name for name in accuracy.conditions if name)]
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

    :param condition: name of a condition; None for all conditions together.
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


def write_differences(accuracy: Accuracy, card: ModelCard, path: Path, height: int = 240) -> None:
    """Write a PNG of the samples whose label maps differ most from FP32.

    Each row shows one sample: the image, the labels in FP32, the labels in the other precision,
    and the different pixels in white. A row is ``height`` pixels high. A legend below shows the
    colours of the classes.

    :raises OutputError: if the file cannot be written.
    """
    rows = [_draw_row(difference, card, height) for difference in accuracy.differences]
    if not rows:
        rows = [np.zeros((height, 4 * height, 3), np.uint8)]
    width = max(row.shape[1] for row in rows)
    padded = [cv2.copyMakeBorder(row, 0, 4, 0, width - row.shape[1], cv2.BORDER_CONSTANT)
              for row in rows]
    write_image(path, np.vstack([*padded, *_draw_legend(accuracy, card, width)]))


def _draw_legend(accuracy: Accuracy, card: ModelCard, width: int) -> list[npt.NDArray[np.uint8]]:
    """Draw the colour and the name of each class that occurs in the drawn label maps.

    :param width: width of a line in pixels.
    :returns: one image for each line of the legend.
    """
    seen = {int(label) for difference in accuracy.differences
            for labels in (difference.reference, difference.labels) for label in np.unique(labels)}
    lines: list[npt.NDArray[np.uint8]] = []
    x = width
    for label in sorted(label for label in seen if label < len(card.classes)):
        name = card.classes[label]
        (advance, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)
        if x + advance + 24 > width:
            lines.append(np.zeros((LEGEND_LINE, width, 3), np.uint8))
            x = 6
        lines[-1][5:17, x:x + 12] = card.palette[label, ::-1]
        cv2.putText(lines[-1], name, (x + 18, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                    (255, 255, 255), 1, cv2.LINE_AA)
        x += advance + 36
    return lines


def _draw_row(difference: Difference, card: ModelCard, height: int) -> npt.NDArray[np.uint8]:
    image = difference.sample.image
    changed = np.zeros_like(image)
    changed[difference.reference != difference.labels] = (255, 255, 255)
    tiles = [image, _color_labels(difference.reference, card),
             _color_labels(difference.labels, card), changed]
    size = (round(image.shape[1] * height / image.shape[0]), height)
    small = np.asarray(np.hstack(
        [cv2.resize(t, size, interpolation=cv2.INTER_AREA) for t in tiles]), np.uint8)
    text = (f'{difference.sample.name}: image, {REFERENCE}, {difference.precision}, the '
            f'{difference.fraction:.2%} of pixels that differ')
    small[-20:] //= 4
    cv2.putText(small, text, (6, height - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1,
                cv2.LINE_AA)
    return small


def _color_labels(labels: npt.NDArray[Any], card: ModelCard) -> npt.NDArray[np.uint8]:
    colors = np.zeros((UNLABELLED[labels.dtype] + 1, 3), np.uint8)
    colors[:len(card.palette)] = card.palette[:, ::-1]
    return np.asarray(colors[labels], np.uint8)
