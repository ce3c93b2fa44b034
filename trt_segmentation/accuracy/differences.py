# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the images whose label maps differ most from the label maps in FP32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..frame import UNLABELLED
from ..model.card import ModelCard
from ..untrusted.output_files import write_image
from .compare import Accuracy, Difference, REFERENCE

LEGEND_LINE = 22
"""Height in pixels of the title and of each legend line in differences.png."""


def write_differences(accuracy: Accuracy, card: ModelCard, path: Path, height: int = 240) -> None:
    """Write a PNG of the samples whose label maps differ most from the FP32 label maps.

    Each row is ``height`` pixels high and shows one sample: the image, the labels in FP32, the
    labels in the precision that is compared with FP32, and the pixels with different labels in
    white. A legend shows the colours of the classes.

    :raises OutputError: if the file cannot be written.
    """
    rows = [_draw_row(difference, card, height) for difference in accuracy.differences]
    if not rows:
        rows = [np.zeros((height, 4 * height, 3), np.uint8)]
    width = max(row.shape[1] for row in rows)
    padded = [cv2.copyMakeBorder(row, 0, 4, 0, width - row.shape[1], cv2.BORDER_CONSTANT)
              for row in rows]
    title = f'{card.name}: the images with the most labels that differ from {REFERENCE}'
    write_image(path, np.vstack([_draw_title(title, width), *padded,
                                 *_draw_legend(accuracy, card, width)]))


def _draw_title(text: str, width: int) -> npt.NDArray[np.uint8]:
    line = np.zeros((LEGEND_LINE, width, 3), np.uint8)
    cv2.putText(line, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1,
                cv2.LINE_AA)
    return line


def _draw_legend(accuracy: Accuracy, card: ModelCard, width: int) -> list[npt.NDArray[np.uint8]]:
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
