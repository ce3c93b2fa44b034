# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the montage of a report: rows of pictures.

A row shows one camera image in several pictures: the image itself, its true classes (truth), its
label map, and its overlay. In an overlay, the class colours are drawn over the image. A row can
also have a ground picture, which shows the ground from above as a grid of cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
from matplotlib import get_data_path
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ..accuracy.metrics import size
from ..model.card import ModelCard

Picture = npt.NDArray[np.uint8]

WIDTH = 1600
"""Width of a montage in pixels, for a README on a wide screen."""

_MARGIN = 24
_GAP = 10
_INK = (32, 33, 36)
_FAINT = (110, 114, 120)
_UNLABELLED = (0, 0, 0)

_Entry = tuple[str, 'tuple[int, ...] | None']
"""A name in a legend, and its RGB colour. The colour is None for a text without a colour box."""


class GroundLegend(NamedTuple):
    """The legend that explains the colours of the ground pictures.

    :param colors: maps the meaning of a cell, such as ``drivable``, to the RGB colour of the cell.
    :param note: text after the colours, for example how far the grid reaches.
    """

    colors: Mapping[str, tuple[int, ...]]
    note: str


class MontageRow(NamedTuple):
    """One row of a montage. All arrays except ``ground`` have the same height and width.

    :param image: (height, width, 3) uint8 BGR.
    :param truth: (height, width) true class ids; None if they are unknown.
    :param labels: (height, width) class ids.
    :param overlay: (height, width, 3) uint8 BGR.
    :param name: text beside the row; empty for no text.
    :param ground: (side, side, 3) uint8 BGR, the ground picture; None for no ground picture.
    """

    image: Picture
    truth: npt.NDArray[Any] | None
    labels: npt.NDArray[Any]
    overlay: Picture
    name: str = ''
    ground: Picture | None = None


def colorize(labels: npt.NDArray[Any], card: ModelCard) -> Picture:
    """Return a label map in the class colours of the card: (height, width, 3) uint8 RGB.

    Unlabelled pixels are black.
    """
    palette = np.vstack([card.palette, np.array([_UNLABELLED], np.uint8)])
    return np.asarray(palette[np.minimum(labels, len(card.classes))])


def draw_montage(rows: Sequence[MontageRow], card: ModelCard, caption: str = '',
                 ground: GroundLegend | None = None) -> Picture:
    """Draw rows of pictures with column titles and a legend of the class colours.

    The montage has a truth column if at least one row has a truth. The legend shows only the
    classes that occur in the rows.

    :param caption: one line below the legend, for example the engine; empty for no line.
    :param ground: a second legend, for the ground pictures; None for no such legend.
    :returns: (height, :data:`WIDTH`, 3) uint8 BGR.
    :raises ValueError: if there are no rows, or the arrays of a row differ in size.
    """
    _check(rows)
    titles = ['Camera image', 'Truth', 'Label map', 'Overlay']
    if all(row.truth is None for row in rows):
        titles.remove('Truth')
    left = _MARGIN + (34 if any(row.name for row in rows) else 0)
    has_ground = any(row.ground is not None for row in rows)
    room = WIDTH - left - _MARGIN - _GAP * (len(titles) - 1 + has_ground)
    height, width = rows[0].image.shape[:2]
    cell = int(room / (len(titles) + has_ground * height / width))
    titles += ['Ground'] * has_ground
    columns = {title: left + i * (cell + _GAP) for i, title in enumerate(titles)}
    heights = [round(cell * row.image.shape[0] / row.image.shape[1]) for row in rows]
    legend = _Legend(_list_classes(rows, card), ground)
    top = _MARGIN + 40
    bottom = top + sum(heights) + _GAP * (len(rows) - 1) + 22
    end = bottom + legend.height + (34 if caption else 0)
    page = Image.new('RGB', (WIDTH, end + _MARGIN), 'white')
    draw = ImageDraw.Draw(page)
    for title, x in columns.items():
        draw.text((x, top - 12), title, _INK, load_font(24, bold=True), anchor='ls')
    y = top
    for row, height in zip(rows, heights):
        _draw_name(page, row.name, y, height)
        _draw_row(page, row, card, columns, (y, cell, height))
        y += height + _GAP
    legend.draw(draw, left, bottom)
    draw.text((left, end - 5), caption, _FAINT, load_font(18), anchor='ls')
    return np.ascontiguousarray(np.asarray(page)[..., ::-1])


def _draw_row(page: Image.Image, row: MontageRow, card: ModelCard, columns: Mapping[str, int],
              place: tuple[int, int, int]) -> None:
    """Draw the pictures of a row.

    :param columns: maps the title of each column to the left edge of its picture.
    :param place: (top edge, width, height) of the pictures. A ground picture is a square of this
        height.
    """
    y, width, height = place
    pictures = {'Camera image': row.image[..., ::-1], 'Overlay': row.overlay[..., ::-1],
                'Label map': colorize(row.labels, card),
                'Truth': None if row.truth is None else colorize(row.truth, card),
                'Ground': None if row.ground is None else row.ground[..., ::-1]}
    for title, x in columns.items():
        width = height if title == 'Ground' else place[1]
        if (picture := pictures[title]) is None:
            ImageDraw.Draw(page).text((x + width // 2, y + height // 2), f'no {title.lower()}',
                                      _FAINT, load_font(20), anchor='mm')
            continue
        small = cv2.resize(np.ascontiguousarray(picture), (width, height),
                           interpolation=cv2.INTER_AREA)
        page.paste(Image.fromarray(np.asarray(small, np.uint8)), (x, y))


def _list_classes(rows: Sequence[MontageRow], card: ModelCard) -> list[_Entry]:
    maps = [labels for row in rows for labels in (row.labels, row.truth) if labels is not None]
    found = sorted({int(i) for labels in maps for i in np.unique(labels)})
    count = len(card.classes)
    entries: list[_Entry] = [
        (card.classes[i], tuple(card.palette[i].tolist())) for i in found if i < count]
    return entries + [('unlabelled', _UNLABELLED)] * any(i >= count for i in found)


class _Legend:
    """A legend with a colour box for each name, in as many lines as needed."""

    def __init__(self, classes: Sequence[_Entry], ground: GroundLegend | None) -> None:
        self._font = load_font(21)
        self._lines: list[list[tuple[float, _Entry]]] = []
        self._add_lines(classes)
        if ground:
            self._add_lines([('Ground:', None), *ground.colors.items(), (ground.note, None)])

    @property
    def height(self) -> int:
        return 34 * len(self._lines)

    def _add_lines(self, entries: Sequence[_Entry]) -> None:
        self._lines.append([])
        x = 0.0
        for name, color in entries:
            advance = (30 if color else 0) + self._font.getlength(name) + 22
            if x + advance > WIDTH - 2 * _MARGIN - 34:
                self._lines.append([])
                x = 0.0
            self._lines[-1].append((x, (name, color)))
            x += advance

    def draw(self, draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
        for number, line in enumerate(self._lines):
            middle = top + 34 * number + 17
            for x, (name, color) in line:
                if color:
                    box = (left + x, middle - 10, left + x + 20, middle + 10)
                    draw.rounded_rectangle(box, 4, color, (150, 150, 150))
                    x += 30
                draw.text((left + x, middle), name, _INK, self._font, anchor='lm')


def _check(rows: Sequence[MontageRow]) -> None:
    if not rows:
        raise ValueError('a montage needs at least one row')
    for row in rows:
        for what, pixels in zip(MontageRow._fields[1:4], row[1:4]):
            if pixels is not None and pixels.shape[:2] != row.image.shape[:2]:
                raise ValueError(f'{what} is {size(pixels)}, but the image is {size(row.image)}')


def _draw_name(page: Image.Image, name: str, y: int, height: int) -> None:
    if not name:
        return
    strip = Image.new('RGB', (height, 30), 'white')
    ImageDraw.Draw(strip).text((height // 2, 15), name, _FAINT, load_font(21), anchor='mm')
    page.paste(strip.rotate(90, expand=True), (_MARGIN - 8, y))


@cache
def load_font(points: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font for text in pictures."""
    # matplotlib always installs these fonts.
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(get_data_path(), 'fonts', 'ttf', name)), points)
