# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a ground grid has the grid ahead of the camera, the right way round."""

import numpy as np

from trt_segmentation.view.ground_picture import draw_ground, ground_colors, SIDE


def test_left_and_far_are_left_and_up():
    grid = np.full((80, 80), -1, np.int8)
    grid[50, 70] = 100  # 6 m ahead, 2 m to the left
    picture = draw_ground(grid, 0.2)
    assert picture.shape == (SIDE, SIDE, 3)
    red = np.argwhere((picture[..., 2] > 150) & (picture[..., 1] < 80))
    row, column = red.mean(axis=0) / SIDE
    assert abs(row - (1 - 30.5 / 40)) < 0.01 and abs(column - (0.5 - 10.5 / 40)) < 0.01
    assert len(red) > 300


def test_each_kind_of_cell_has_a_colour():
    grid = np.full((80, 80), -1, np.int8)
    grid[:, 45:50], grid[:, 55:60], grid[:, 65:70] = 0, 50, 100
    colours = [tuple(draw_ground(grid, 0.2)[round(SIDE * (1 - at / 40)), 100]) for at in
               (7.5, 17.5, 27.5, 35)]
    assert len(set(colours)) == 4
    named = ground_colors(50)
    assert [*named] == ['drivable', 'walkable', 'obstacle', 'unknown']
    assert [color[::-1] for color in named.values()] == [
        tuple(map(int, color)) for color in colours]
