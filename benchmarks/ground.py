# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the accuracy and the time of the ground grid, on drawn street scenes.

    python benchmarks/ground.py [--quick] [--json FILE]

The true camera pose and the true classes of a drawn scene are known. The demo model segments each
image. The grid assumes the mean camera pose of a drive, but the camera sways a little, as on a
car. The true grid is computed from the true classes and the true pose of each frame. For this, a
slow search follows each line of sight through the camera model of the drawing. So the numbers
contain the errors of the network, of the pose and of the grid.

A cell is right if the grid and the truth have the same value: drivable, walkable, or neither of
the two. The free distance is the distance from the camera to the first obstacle in one direction.
The benchmark measures one direction per degree. It counts a direction only if the true obstacle
is within the range of the grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
import math
import os
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from report import FigureReport, run

from trt_segmentation.accuracy.samples import label_image
from trt_segmentation.ground.pose import Pose
from trt_segmentation.ground.table import Cells, GridSize, GroundTable
from trt_segmentation.ground.values import FREE, make_values, OCCUPIED, Values
from trt_segmentation.lens.lens import Lens
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import open_pipeline, Pipeline
from trt_segmentation.street import CONDITIONS, Drive, Scene
from trt_segmentation.street.camera import Floats, PinholeCamera

BAR_MS = 0.5
"""Longest accepted median time of one grid of 200x200 cells on one core, in milliseconds."""
SEED = 6_000_000
FRAMES = (40, 400)
"""One frame of each drive is measured. The drives use these frame numbers in turn."""
SIZE = GridSize(20.0, 0.2)
BANDS = (0.0, 5.0, 10.0, 15.0, 20.0)
"""Edges of the distance bands in metres."""
STEP = 0.02
"""Metres between two points of the slow search along a line of sight."""
COST = 50


class Errors(NamedTuple):
    """The comparison of one grid with its truth.

    :param distance: (N,) distance to each cell that the image shows, in metres.
    :param right: (N,) whether the cell has the true value.
    :param unsafe: (N,) whether the cell is ground in the grid, but not in truth.
    :param free: (M,) true free distance in each direction with an obstacle, in metres.
    :param error: (M,) free distance in the grid minus true free distance, in metres.
    """

    distance: Floats
    right: npt.NDArray[np.bool_]
    unsafe: npt.NDArray[np.bool_]
    free: Floats
    error: Floats


def measure(report: FigureReport, quick: bool) -> None:
    card = load_card('street')
    values = make_values(card.classes, card.ground, COST)
    pipeline = open_pipeline(card, 'onnxruntime-cpu')
    scenes = 4 if quick else 100
    for condition in CONDITIONS:
        found = [compare(pipeline, drive, frame, values) for drive, frame in
                 draw(scenes, condition)]
        whole = Errors(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
        add_rows(report, condition, whole, len(found))
    pipeline.close()
    measure_time(report, values, quick)


def draw(scenes: int, condition: str) -> Iterator[tuple[Drive, int]]:
    for number in range(scenes):
        yield Drive(SEED + number, condition), FRAMES[number % len(FRAMES)]


def compare(pipeline: Pipeline, drive: Drive, index: int, values: Values) -> Errors:
    scene, camera = drive.frame(index), drive.camera(index)
    height, width = scene.truth.shape
    labels = label_image(pipeline, scene.image)
    table = GroundTable(Lens(width, height, *drive.intrinsics), Pose.of_mount(*drive.mount, 0.0),
                        SIZE)
    grid = table.read(labels, values)
    offset, expected = find_truth(camera, scene, values)
    inside = expected > -2
    distance = np.hypot(*offset.T)[inside]
    got, truth = ground_kind(grid.reshape(-1))[inside], ground_kind(expected)[inside]
    free, error = compare_free_distances(camera, scene, values, grid)
    return Errors(distance, got == truth, (got >= 0) & (truth < 0), free, error)


def ground_kind(cells: npt.NDArray[np.int8]) -> npt.NDArray[np.int8]:
    """Return FREE or COST for ground, and -1 for everything else."""
    return np.where((cells == FREE) | (cells == COST), cells, -1).astype(np.int8)


def find_truth(camera: PinholeCamera, scene: Scene, values: Values
               ) -> tuple[Floats, npt.NDArray[np.int8]]:
    """Return the true value of each cell.

    :returns: an array (N, 2) with the position of each cell, in metres ahead of the camera and to
        the left; and an array (N,) with the values. A cell that the image does not show is -2.
    """
    cells = SIZE.cells
    steps = (np.arange(cells) + 0.5 - cells // 2) * SIZE.resolution
    offset = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    seen = look(camera, scene, values, offset)
    shown = seen > -2
    hidden = np.zeros(shown.sum(), bool)
    for part in np.linspace(0.0, 1.0, 200):
        hidden |= look(camera, scene, values, offset[shown] * part) == OCCUPIED
    seen[np.flatnonzero(shown)[hidden]] = -1
    return offset, seen


def look(camera: PinholeCamera, scene: Scene, values: Values, offset: Floats
         ) -> npt.NDArray[np.int8]:
    """Return the true value of the pixel that shows each ground point; -2 outside the image."""
    cosine, sine = math.cos(camera.yaw), math.sin(camera.yaw)
    world = np.stack([camera.x + offset[:, 0] * cosine - offset[:, 1] * sine,
                      camera.y + offset[:, 0] * sine + offset[:, 1] * cosine,
                      np.zeros(len(offset))], axis=-1)
    turned = camera.turn(world)
    ahead = turned[:, 2] > 0.1
    pixels = np.rint(camera.flatten(np.where(ahead[:, None], turned, 1.0))).astype(int)
    inside = (ahead & (pixels >= 0).all(axis=1) & (pixels[:, 0] < camera.width)
              & (pixels[:, 1] < camera.height))
    column, row = (pixels * inside[:, None]).T
    found: npt.NDArray[np.int8] = np.where(inside, values[scene.truth[row, column]], -2)
    return found


def compare_free_distances(camera: PinholeCamera, scene: Scene, values: Values, grid: Cells
                           ) -> tuple[Floats, Floats]:
    """Return the true free distance in each direction, and the error of the grid."""
    half = math.degrees(math.atan(camera.width / 2 / camera.focal))
    angles = np.radians(np.arange(-math.floor(half) + 1, math.floor(half)))
    along = np.arange(STEP, SIZE.reach, STEP)
    offset = np.stack([np.multiply.outer(np.cos(angles), along),
                       np.multiply.outer(np.sin(angles), along)], axis=-1)
    found = look(camera, scene, values, offset.reshape(-1, 2)).reshape(offset.shape[:2])
    place = np.floor(offset / SIZE.resolution).astype(int) + SIZE.cells // 2
    cells = np.where(found == -2, -2, grid[place[..., 1], place[..., 0]])
    # A planner starts at the first ground cell of a direction. The image does not show the cells
    # before it.
    started = np.logical_or.accumulate((cells == FREE) | (cells == COST), axis=1)
    met, got = found == OCCUPIED, started & ((cells == OCCUPIED) | (cells == -1))
    first = met.argmax(axis=1)
    # If a line of sight begins in an obstacle, the image shows no free distance on this line.
    shown = (found != -2).argmax(axis=1)
    usable = met.any(axis=1) & (first > shown)
    end = np.where(started.any(axis=1), SIZE.reach, along[shown])
    reached = np.where(got.any(axis=1), along[got.argmax(axis=1)], end)
    return along[first[usable]], reached[usable] - along[first[usable]]


def add_rows(report: FigureReport, condition: str, found: Errors, scenes: int) -> None:
    report.add(f'{condition}: scenes', scenes, '')
    report.add(f'{condition}: cell accuracy', found.right.mean(), '')
    report.add(f'{condition}: cells called ground, but are not', found.unsafe.mean(), '')
    for low, high in pairwise(BANDS):
        name = f'{condition}: {low:g} to {high:g} m'
        inside = (found.distance >= low) & (found.distance < high)
        if inside.any():
            report.add(f'{name}: cell accuracy', found.right[inside].mean(), '')
        error = found.error[(found.free >= low) & (found.free < high)]
        if len(error):
            report.add(f'{name}: directions with an obstacle', len(error), '')
            report.add(f'{name}: error of free distance, p50', np.median(np.abs(error)), 'm')
            report.add(f'{name}: error of free distance, mean', error.mean(), 'm')
            report.add(f'{name}: error of free distance, p95',
                       np.percentile(np.abs(error), 95), 'm')
            report.add(f'{name}: directions more than 1 m too long', (error > 1.0).mean(), '')


def measure_time(report: FigureReport, values: Values, quick: bool) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    labels = Drive(SEED).frame(FRAMES[0]).truth
    cameras: dict[str, tuple[Any, ...]] = {
        'street camera': (Lens(1280, 720, *Drive(SEED).intrinsics),
                          Pose.of_mount(*Drive(SEED).mount, 0.0)),
        'fisheye camera, 170 degrees': (
            Lens(1280, 720, 430.0, 430.0, 639.5, 359.5, 'equidistant', (0.0,) * 4),
            Pose.of_mount(1.4, 0.5, 0.0)),
        'camera that sees every cell': (
            Lens(1280, 720, 200.0, 200.0, 639.5, 359.5, 'equidistant', (0.0,) * 4),
            Pose.of_mount(2.5, math.pi / 2, 0.0))}
    for name, (lens, pose) in cameras.items():
        began = perf_counter()
        table = GroundTable(lens, pose, GridSize(10.0, 0.1))
        report.add(f'{name}: new table', (perf_counter() - began) * 1e3, 'ms')
        times = []
        for _ in range(200 if quick else 2000):
            began = perf_counter()
            table.read(labels, values)
            times.append((perf_counter() - began) * 1e3)
        report.add(f'{name}: one grid, p50', np.median(times), 'ms', f'≤ {BAR_MS:g}',
                   bool(np.median(times) <= BAR_MS))
        report.add(f'{name}: one grid, p99', np.percentile(times, 99), 'ms')


if __name__ == '__main__':
    run('ground grid', measure)
