# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a ground grid, which is a map of the ground around the camera, as seen from above."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

SIDE = 800
"""Width and height of the picture in pixels."""
RING_METRES = 5.0
"""Distance between two rings around the camera."""

# colours in BGR
_UNKNOWN, _FREE = (226, 222, 220), (122, 178, 104)
_COSTLY, _OCCUPIED = (96, 190, 226), (60, 50, 190)
_RING, _INK = (150, 140, 134), (70, 66, 62)


def draw_ground(grid: npt.NDArray[np.int8], resolution: float) -> Picture:
    """Draw the part of a ground grid that lies ahead of the camera.

    The driving direction points up in the picture. The part ahead of the camera is twice as wide
    as it is deep. The picture is a square, so it shows only the middle half of this width.

    :param grid: (cells, cells) int8, values as in nav_msgs/OccupancyGrid. The camera is in the
        centre of the grid, and x points ahead.
    :param resolution: side of a cell in metres.
    :returns: (:data:`SIDE`, :data:`SIDE`, 3) uint8 BGR.
    """
    cells = len(grid)
    quarter = cells // 4
    # In the grid, the column index is x, and the row index is y. In the picture, x points up, and
    # y points left.
    ahead = grid[quarter:cells - quarter, cells // 2:].T[::-1, ::-1]
    large = np.asarray(cv2.resize(_paint(ahead), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST),
                       np.uint8)
    _draw_rings(large, SIDE / (ahead.shape[0] * resolution))
    return large


def ground_colors(walkable_cost: int) -> dict[str, tuple[int, ...]]:
    """Map the name of each kind of cell, such as ``obstacle``, to its RGB colour.

    :param walkable_cost: value of a cell of walkable ground, 0 to 99.
    """
    values = {'drivable': 0, 'walkable': walkable_cost, 'obstacle': 100, 'unknown': -1}
    painted = _paint(np.array([[*values.values()]], np.int8))[0, :, ::-1]
    return {name: tuple(color.tolist()) for name, color in zip(values, painted)}


def _paint(values: npt.NDArray[np.int8]) -> Picture:
    share = np.clip(values / 99.0, 0, 1)[..., None]
    picture = (1 - share) * _FREE + share * _COSTLY
    picture[values == 100] = _OCCUPIED
    picture[values < 0] = _UNKNOWN
    return np.ascontiguousarray(picture.astype(np.uint8))


def _draw_rings(picture: Picture, scale: float) -> None:
    """Draw the camera, and rings with their distances. The scale is in pixels per metre."""
    camera = (SIDE // 2, SIDE - 1)
    for number in range(1, int(SIDE / scale / RING_METRES) + 1):
        radius = round(number * RING_METRES * scale)
        cv2.circle(picture, camera, radius, _RING, 2, cv2.LINE_AA)
        if radius < SIDE - 40:
            cv2.putText(picture, f'{number * RING_METRES:g} m',
                        (camera[0] + 8, SIDE - radius - 10), cv2.FONT_HERSHEY_SIMPLEX, 1.1, _INK,
                        2, cv2.LINE_AA)
    cv2.fillPoly(picture, [np.array([(camera[0] - 22, SIDE), (camera[0] + 22, SIDE),
                                     (camera[0], SIDE - 46)], np.int32)], _INK)
