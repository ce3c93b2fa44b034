# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Computes ground grids from label maps.

A ground grid is a map of the ground around the camera. For each cell of the grid, a table says
which pixel shows this cell. A new table is made only if the lens of the camera, the pose of the
camera, or the size of the grid has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import GroundError
from ..lens.lens import Floats, Lens
from .pose import Pose
from .values import OCCUPIED, UNKNOWN, Values

MOST_CELLS = 1000
"""Largest number of cells along each side of a grid."""
STEPS = 2
"""A ray is a line on the ground that starts below the camera. Each ray is checked for obstacles at
this number of points per cell length. Fewer points could miss a low obstacle."""

Cells = npt.NDArray[np.int8]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class GridSize:
    """The size of a ground grid. The grid is a square with the camera above its middle.

    :param reach: distance from the middle to each side in metres.
    :param resolution: length of the side of a cell in metres.
    :raises GroundError: if the grid has more than :data:`MOST_CELLS` cells along a side.
    """

    reach: float
    resolution: float

    def __post_init__(self) -> None:
        if self.cells > MOST_CELLS:
            raise GroundError(
                f'the ground grid would have {self.cells} x {self.cells} cells, because '
                f'`ground_range` is {self.reach:g} m and `ground_resolution` is '
                f'{self.resolution:g} m; expected at most {MOST_CELLS} x {MOST_CELLS} cells. Set '
                'a larger `ground_resolution` or a smaller `ground_range`')

    @property
    def cells(self) -> int:
        """Number of cells along each side. The number is even."""
        return 2 * max(math.ceil(self.reach / self.resolution - 1e-9), 1)


class GroundTable:
    """Computes ground grids from the label maps of one camera at one pose.

    Several threads may call :meth:`read` at the same time.

    Each cell gets the value of the class at the pixel that shows the middle of the cell. In
    addition, rays run from the point below the camera to the sides of the grid. If a ray meets an
    obstacle, the cell at this point is occupied. The cells behind this cell are unknown.

    :raises GroundError: if the camera sees no cell of the grid.
    """

    def __init__(self, lens: Lens, pose: Pose, size: GridSize) -> None:
        self.lens, self.pose, self.size = lens, pose, size
        resolution, cells = size.resolution, size.cells
        # The coordinates of cell corners are multiples of the resolution. So the cells of two
        # grids coincide, even if the camera has moved.
        corner = np.rint(pose.position[:2] / resolution) - cells // 2
        self.origin: Floats = corner * resolution
        """(2,) smallest x and y of the grid in the ground frame, in metres."""
        steps = np.arange(cells) + 0.5
        along = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        offset = self.origin + along * resolution - pose.position[:2]
        pixels, seen = self._look_at(offset)
        if not seen.any():
            raise GroundError(
                'the camera sees no cell of the ground grid. The grid reaches '
                f'{size.reach:g} m from the point below the camera. Check `ground_range` and the '
                'pose of the camera')
        self._cells: Index = np.flatnonzero(seen)
        distance = np.hypot(*offset[seen].T)
        angle = np.arctan2(offset[seen, 1], offset[seen, 0])
        self._add_rays(pixels[seen], distance, angle)

    def read(self, labels: npt.NDArray[Any], values: Values) -> Cells:
        """Compute the ground grid of a label map.

        :param labels: (height, width) uint8 or uint16, C-contiguous.
        :param values: the result of :func:`.make_values` for the model of the label map.
        :returns: (cells, cells) int8. The numbers have the meaning of nav_msgs/OccupancyGrid. The
            first row has the smallest y, and the first column has the smallest x. The caller
            owns the array.
        :raises GroundError: if the label map does not have the image size of the lens.
        """
        lens = self.lens
        if labels.shape != (lens.height, lens.width):
            raise GroundError(
                f'camera_info is for images of {lens.width}x{lens.height} pixels, but the image '
                f'has {labels.shape[1]}x{labels.shape[0]} pixels. Let the driver '
                'publish the camera_info for this image size')
        found = _find_values(labels.reshape(-1).take(self._pixels), values)
        own = found[:len(self._cells)]
        rays = (found[len(self._cells):] == OCCUPIED).reshape(self._on_image.shape)
        rays &= self._on_image
        first = rays.argmax(axis=1)  # step of the first obstacle; 0 if there is none
        meets = np.flatnonzero(rays[np.arange(len(rays)), first])
        free = np.full_like(first, rays.shape[1])  # number of steps before the obstacle
        free[meets] = first[meets]
        own[self._step > free.take(self._ray)] = UNKNOWN
        grid = np.full(self.size.cells ** 2 + 1, UNKNOWN, np.int8)
        grid[self._cells] = own
        grid[self._cell_of_step[meets, first[meets]]] = OCCUPIED
        return grid[:-1].reshape(self.size.cells, self.size.cells)

    def _add_rays(self, pixels: Index, distance: Floats, angle: Floats) -> None:
        """Make the rays. For each cell, find the nearest ray and the step on this ray.

        At the middle of each side of the grid, neighbouring rays are one cell apart.
        """
        count = math.ceil(math.pi * self.size.cells)
        length = self.size.resolution / STEPS
        self._step = (distance / length).astype(np.intp)
        number = (angle * (count / (2 * math.pi))).round().astype(np.intp) % count
        used, self._ray = np.unique(number, return_inverse=True)
        direction = used * (2 * math.pi / count)
        ahead = (np.arange(self._step.max() + 1) + 0.5) * length
        points = np.stack([np.multiply.outer(np.cos(direction), ahead),
                           np.multiply.outer(np.sin(direction), ahead)], axis=-1)
        ray_pixels, seen = self._look_at(points.reshape(-1, 2))
        self._on_image = seen.reshape(points.shape[:2])
        self._pixels: Index = np.concatenate([pixels, ray_pixels])
        self._cell_of_step = self._find_cells(points)

    def _find_cells(self, points: Floats) -> Index:
        """Return the index of the cell in which each point lies; ``cells ** 2`` outside the grid.

        :param points: (..., 2) x and y in metres from the point below the camera.
        """
        cells = self.size.cells
        place = (points + self.pose.position[:2] - self.origin) / self.size.resolution
        column, row = np.moveaxis(np.floor(place).astype(np.intp), -1, 0)
        inside = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
        return np.where(inside, row * cells + column, cells ** 2)

    def _look_at(self, offset: Floats) -> tuple[Index, npt.NDArray[np.bool_]]:
        """Return the pixels that show points on the ground.

        :param offset: (N, 2) x and y in metres from the point below the camera.
        :returns: (N,) indices into a flattened label map, and (N,) whether the image shows the
            point. If the image does not show the point, the index is 0.
        """
        below = np.full((len(offset), 1), -self.pose.position[2])
        pixels, seen = self.lens.project(np.hstack([offset, below]) @ self.pose.turn)
        column, row = np.rint(pixels).astype(np.intp).T
        return np.where(seen, row * self.lens.width + column, 0), seen


def _find_values(labels: npt.NDArray[Any], values: Values) -> Cells:
    if labels.dtype != np.uint8:
        return values.take(labels)
    # cv2.LUT takes a third of the time that NumPy takes, because NumPy converts each label
    # to 64 bits.
    found = np.asarray(cv2.LUT(labels, values.view(np.uint8)), np.uint8)
    return found.reshape(-1).view(np.int8)
