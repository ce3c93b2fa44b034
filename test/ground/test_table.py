# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A label map becomes a ground grid: what is free, and what an obstacle hides."""

import math

import cv2
from lenses import lens_of, LENSES
import numpy as np
import pytest

from trt_segmentation.errors import GroundError
from trt_segmentation.ground.pose import Pose
from trt_segmentation.ground.table import GridSize, GroundTable
from trt_segmentation.ground.values import make_values
from trt_segmentation.lens.lens import Lens
from trt_segmentation.street.camera import PinholeCamera

ROAD, WALK, CAR, SKY = range(4)
VALUES = make_values(('road', 'walk', 'car', 'sky'), {
    'drivable': ('road',), 'walkable': ('walk',), 'obstacle': ('car',)}, 50)
CAMERA = PinholeCamera(0, 0, 1.5, 0, 0.1, 300.0, 400, 300)
LENS = Lens(400, 300, 300.0, 300.0, 199.5, 149.5)
POSE = Pose.of_mount(1.5, 0.1, 0.0)
SIZE = GridSize(10.0, 0.25)


def draw(*shapes):
    """Return a label map of a road under the sky, with (corners in metres, class) drawn on it."""
    labels = np.full((300, 400), SKY, np.uint8)
    labels[math.ceil(CAMERA.horizon):] = ROAD
    for corners, label in shapes:
        outline = CAMERA.outline(np.array(corners, np.float64))
        cv2.fillPoly(labels, [np.rint(outline).astype(np.int32)], int(label))
    return labels


def wall(ahead, right, left, height=1.0):
    return ([(ahead, left, height), (ahead, right, height), (ahead, right, 0), (ahead, left, 0)],
            CAR)


def at(grid, x, y):
    """Return the cell at a place in metres from the point below the camera."""
    return int(grid[int((y + 10) / 0.25), int((x + 10) / 0.25)])


def test_an_empty_road_is_free_wherever_the_camera_sees_it():
    table = GroundTable(LENS, POSE, SIZE)
    grid = table.read(draw(), VALUES)
    assert (grid.shape, grid.dtype) == ((80, 80), np.int8)
    assert table.origin.tolist() == [-10.0, -10.0]
    x, y = np.meshgrid(np.arange(80) * 0.25 - 9.875, np.arange(80) * 0.25 - 9.875)
    ground = np.stack([x, y, 0 * x], axis=-1).reshape(-1, 3)
    pixels, _ = CAMERA.project(ground)
    inside = ((pixels > -0.5) & (pixels < (399.5, 299.5))).all(axis=1) & (ground[:, 0] > 0.6)
    assert np.array_equal(grid == 0, inside.reshape(80, 80))
    assert (grid[~inside.reshape(80, 80)] == -1).all()
    assert inside.sum() > 800


def test_a_wall_is_occupied_and_hides_the_ground_behind_it():
    grid = GroundTable(LENS, POSE, SIZE).read(draw(wall(6.1, -1.0, 1.0)), VALUES)
    for y in (-0.6, 0.1, 0.6):
        assert [at(grid, x, y) for x in (4.0, 5.0, 5.8)] == [0, 0, 0]
        assert 100 in [at(grid, x, y) for x in (5.9, 6.2)]
        assert [at(grid, x, y) for x in (6.6, 7.5, 9.0)] == [-1, -1, -1]
    assert [at(grid, 8.0, y) for y in (-2.0, 2.0)] == [0, 0]
    # The occupied cells are a line, and a few cells at the two edges of the shadow: there a line
    # of sight touches the upright edge of the wall, and this edge has pixels above the ground.
    occupied = np.argwhere(grid == 100)[:, ::-1] * 0.25 - 9.875
    on_wall = np.abs(occupied[:, 0] - 6.1) < 0.4
    assert on_wall.sum() >= 7
    assert np.abs(occupied[on_wall, 1]).max() < 1.3
    edge = np.abs(np.abs(occupied[:, 1]) - occupied[:, 0] / 6.1)
    assert edge[~on_wall].max() < 0.3


def test_ground_above_a_low_obstacle_stays_unknown():
    """The ground behind a kerb is visible, but a planner must not drive across the kerb."""
    grid = GroundTable(LENS, POSE, SIZE).read(draw(wall(4.0, -3.0, 3.0, 0.2)), VALUES)
    assert (at(grid, 3.5, 0.1), at(grid, 8.0, 0.1)) == (0, -1)


def test_walkable_ground_has_its_cost_and_other_classes_are_unknown():
    labels = draw((((9, 1, 0), (9, 4, 0), (3, 4, 0), (3, 1, 0)), WALK),
                  (((9, -4, 0), (9, -1, 0), (3, -1, 0), (3, -4, 0)), SKY),
                  (((9, -0.5, 0), (9, 0.5, 0), (7, 0.5, 0), (7, -0.5, 0)), 255))
    grid = GroundTable(LENS, POSE, SIZE).read(labels, VALUES)
    assert [at(grid, 6.0, y) for y in (1.6, 0.1, -1.6)] == [50, 0, -1]
    # an unlabelled pixel is unknown, and hides nothing
    assert [at(grid, x, 0.1) for x in (6.5, 8.0, 9.6)] == [0, -1, 0]


@pytest.mark.parametrize('model', LENSES)
def test_a_grid_agrees_with_a_slow_search_along_each_line_of_sight(model):
    rng = np.random.default_rng(5)
    lens, size = lens_of(model), GridSize(6.0, 0.5)
    turn = Pose.of_mount(1.3, 0.4, 0.15).turn
    pose = Pose(turn, np.array([40.3, -7.2, 1.3]))
    labels = np.full((720, 1280), ROAD, np.uint8)
    for _ in range(6):
        column, row = rng.integers(100, 1100), rng.integers(150, 550)
        labels[row:row + 60, column:column + 80] = CAR
    table = GroundTable(lens, pose, size)
    grid = table.read(labels, VALUES)
    assert table.origin.tolist() == [34.5, -13.0]

    checked = {0: 0, -1: 0}
    for row, column in np.ndindex(24, 24):
        offset = np.array([34.75 + 0.5 * column, -12.75 + 0.5 * row]) - pose.position[:2]
        own, lines = look(lens, pose, labels, offset)
        length = float(np.hypot(*offset))
        starts = [length * np.argmax(line) / len(line) for line in lines]
        is_long = [line.mean() * length > 0.5 for line in lines]
        if own is None or (all(is_long) and length - max(starts) > 1.0):
            assert grid[row, column] in (-1, 100)
            checked[-1] += 1
        elif own == ROAD and not lines.any():
            assert grid[row, column] in (0, 100)
            checked[0] += 1
    assert min(checked.values()) > 20
    assert (grid == 100).sum() >= 5


def look(lens, pose, labels, offset):
    """Look at a point on the ground, and along three close lines from below the camera to it.

    :returns: the label of the point, or None outside the image, and a (3, 200) array: whether the
        image shows a car there.
    """
    share = np.linspace(0, 1, 200)[:, None]
    sights = []
    for turn in (0.0, -0.05, 0.05):
        c, s = math.cos(turn), math.sin(turn)
        along = share * (np.array([[c, -s], [s, c]]) @ offset)
        sights.append(np.hstack([along, np.full((200, 1), -pose.position[2])]))
    pixels, seen = lens.project(np.concatenate(sights) @ pose.turn)
    column, row = np.rint(pixels * seen[:, None]).astype(int).T
    found = np.where(seen, labels[row, column], SKY).reshape(3, 200)
    return (int(found[0, -1]) if seen[199] else None), found == CAR


def test_labels_of_16_bits_are_read():
    values = make_values(tuple(map(str, range(300))), {'drivable': ('280',)}, 50)
    labels = np.full((300, 400), 280, np.uint16)
    grid = GroundTable(LENS, POSE, SIZE).read(labels, values)
    assert at(grid, 5.0, 0.1) == 0


def test_a_label_map_of_another_size_is_refused():
    table = GroundTable(LENS, POSE, SIZE)
    with pytest.raises(GroundError, match='for images of 400x300 pixels, but the image has 40x30'):
        table.read(np.zeros((30, 40), np.uint8), VALUES)


def test_a_camera_that_looks_up_sees_no_ground():
    with pytest.raises(GroundError, match='the camera sees no cell of the ground grid'):
        GroundTable(LENS, Pose.of_mount(1.5, -0.8, 0.0), SIZE)


@pytest.mark.parametrize('reach, resolution, cells', [
    (10.0, 0.1, 200), (10.0, 0.3, 68), (0.1, 1.0, 2)])
def test_the_number_of_cells_is_even_and_covers_the_reach(reach, resolution, cells):
    assert GridSize(reach, resolution).cells == cells
