# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The montage shows images, truths, label maps and overlays side by side."""

from pathlib import Path

import numpy as np
import pytest

from trt_segmentation.model.card import ModelCard
from trt_segmentation.view.montage import (
    colorize,
    draw_montage,
    GroundLegend,
    MontageRow,
    WIDTH,
)

PALETTE = np.array([[250, 10, 20], [30, 240, 50], [60, 70, 230]], np.uint8)
CARD = ModelCard('net', Path('net.onnx'), ('red', 'green', 'blue'), PALETTE)
HEIGHT, COLUMNS = 90, 160
IMAGE = (200, 100, 50)  # this is BGR
OVERLAY = (5, 150, 90)


def row(truth=True, name='', labels=1):
    def flat(color):
        return np.full((HEIGHT, COLUMNS, 3), color, np.uint8)

    ids = np.full((HEIGHT, COLUMNS), labels, np.uint8)
    return MontageRow(flat(IMAGE), np.zeros_like(ids) if truth else None, ids, flat(OVERLAY), name)


def test_the_ground_is_a_square_beside_the_overlay():
    ground = np.full((50, 50, 3), (9, 8, 7), np.uint8)
    page = draw_montage([row()._replace(ground=ground), row()], CARD)
    left, right, height = boxes(page, (9, 8, 7))
    assert abs((right - left) - height) <= 2
    assert left > boxes(page, OVERLAY)[1]
    assert right < WIDTH - 20


def test_the_ground_has_a_legend_of_its_own():
    legend = GroundLegend({'drivable': (9, 200, 7), 'obstacle': (250, 8, 9)}, '20 m ahead')
    plain = draw_montage([row()], CARD)
    page = draw_montage([row()], CARD, ground=legend)
    assert page.shape[0] == plain.shape[0] + 34
    assert (page[:plain.shape[0] - 24] == plain[:-24]).all()
    line = page[-58:-24]
    drivable, obstacle = (boxes(line, color) for color in ((7, 200, 9), (9, 8, 250)))
    assert drivable[1] < obstacle[0]
    assert (line[:, 24:drivable[0] - 5] < 100).any()   # the word Ground
    assert (line[:, obstacle[1] + 120:obstacle[1] + 260] < 100).any()  # the note


def boxes(page, color):
    """Return the left end, right end and height of the area of a BGR colour, or None."""
    found = (page == np.array(color, np.uint8)).all(axis=2)
    if not found.any():
        return None
    across = np.flatnonzero(found.any(axis=0))
    return across[0], across[-1], int(found.sum(axis=0).max())


def test_colours_are_the_palettes_and_unlabelled_is_black():
    labels = np.array([[0, 1], [2, 255]], np.uint8)
    np.testing.assert_array_equal(colorize(labels, CARD), [
        [PALETTE[0], PALETTE[1]], [PALETTE[2], [0, 0, 0]]])
    wide = np.array([[2, 65535]], np.uint16)
    np.testing.assert_array_equal(colorize(wide, CARD), [[PALETTE[2], [0, 0, 0]]])


def test_image_truth_label_map_and_overlay_stand_side_by_side_in_this_order():
    page = draw_montage([row(), row()], CARD)
    assert page.shape[1] == WIDTH
    assert page.dtype == np.uint8
    assert page.flags.c_contiguous
    colors = (IMAGE, PALETTE[0][::-1], PALETTE[1][::-1], OVERLAY)
    found = [boxes(page[:-80], color) for color in colors]  # the last 80 rows are the legend
    ends = [end for left, right, _ in found for end in (left, right)]
    assert ends == sorted(ends)
    assert ends[-1] < WIDTH
    # pictures keep their shape, and the two rows are one below the other
    for left, right, height in found:
        assert height == 2 * round((right - left + 1) * HEIGHT / COLUMNS)


def test_the_truth_column_is_there_only_when_a_row_has_one():
    without = draw_montage([row(truth=False)], CARD)
    mixed = draw_montage([row(truth=False), row()], CARD)
    assert boxes(without, PALETTE[0][::-1]) is None
    assert boxes(mixed, PALETTE[0][::-1]) is not None
    wide, narrow = (np.subtract(*boxes(page, OVERLAY)[1::-1]) for page in (without, mixed))
    assert wide > narrow  # with three columns each picture is wider


def test_the_legend_has_the_classes_that_occur():
    def swatches(page):
        legend = page[-75:]
        return [boxes(legend, color[::-1]) is not None for color in [*PALETTE, (0, 0, 0)]]

    assert swatches(draw_montage([row(truth=False)], CARD)) == [False, True, False, False]
    assert swatches(draw_montage([row()], CARD)) == [True, True, False, False]
    assert swatches(draw_montage([row(labels=255)], CARD)) == [True, False, False, True]


def test_a_long_legend_takes_more_lines():
    many = ModelCard('net', Path('net.onnx'), tuple(f'a class of number {i}' for i in range(60)),
                     np.tile(PALETTE, (20, 1)))
    one = row(truth=False)
    labels = (np.arange(HEIGHT * COLUMNS).reshape(HEIGHT, COLUMNS) % 60).astype(np.uint8)
    short, long = draw_montage([one], many), draw_montage([one._replace(labels=labels)], many)
    assert long.shape[0] - short.shape[0] >= 5 * 34


def test_names_move_the_pictures_to_the_right():
    plain, named = (boxes(draw_montage([row(name=name)], CARD), IMAGE) for name in ('', 'night'))
    assert named[0] > plain[0]
    page = draw_montage([row(name='night')], CARD)
    left = page[60:60 + named[2], :named[0]]
    assert (left < 200).any()  # the name is dark


def test_rows_that_cannot_be_set():
    with pytest.raises(ValueError, match='at least one row'):
        draw_montage([], CARD)
    with pytest.raises(ValueError, match='labels is 3x2, but the image is 160x90'):
        draw_montage([row()._replace(labels=np.zeros((2, 3), np.uint8))], CARD)
    with pytest.raises(ValueError, match='truth is 3x2'):
        draw_montage([row()._replace(truth=np.zeros((2, 3), np.uint8))], CARD)


def test_a_caption_is_a_line_below_the_legend():
    plain, named = draw_montage([row()], CARD), draw_montage([row()], CARD, 'onnxruntime-cpu')
    assert named.shape[0] == plain.shape[0] + 34
    assert (plain[-24:] == 255).all() and (named[-50:-24] < 200).any()
