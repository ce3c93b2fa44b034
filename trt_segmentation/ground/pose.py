# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The pose of a camera above the ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from ..errors import GroundError
from ..lens.lens import Floats

_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""(3, 3) rotation from optical coordinates (x right, y down, z forward) to coordinates with x
forward, y left and z up."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Pose of a camera in the ground frame. The ground is the plane z = 0, and z points up.

    :param turn: (3, 3) rotation from optical coordinates to the ground frame.
    :param position: (3,) position of the camera in metres.
    :raises GroundError: if the camera is not above the ground.
    """

    turn: Floats
    position: Floats

    def __post_init__(self) -> None:
        if not (np.isfinite(self.turn).all() and np.isfinite(self.position).all()):
            raise GroundError("the camera's pose has a number that is not finite. The position is "
                              f'{self.position.tolist()} and the rotation '
                              f'{self.turn.tolist()}')
        if self.position[2] <= 0:
            raise GroundError(
                f'the camera is at z = {self.position[2]:g} m, but it must be above the ground. '
                'The ground is the plane z = 0 of the frame `ground_frame`. Set `ground_frame` to '
                'a frame on the ground, such as base_footprint')

    def is_near(self, other: Pose) -> bool:
        """Return whether another pose differs by less than 0.1 mm and 0.00001 rad."""
        return bool(np.abs(self.turn - other.turn).max() < 1e-5
                    and np.abs(self.position - other.position).max() < 1e-4)

    @classmethod
    def of_mount(cls, height: float, pitch: float, roll: float) -> Pose:
        """Return the pose of a camera above the origin. The camera looks along the x axis.

        :param height: height above the ground in metres, above 0.
        :param pitch: angle of the optical axis below the horizon in radians.
        :param roll: rotation about the optical axis in radians. If the angle is above 0, the right
            side of the camera is lower than the left side.
        """
        down, side = (math.cos(pitch), math.sin(pitch)), (math.cos(roll), math.sin(roll))
        pitched = np.array([[down[0], 0, down[1]], [0, 1, 0], [-down[1], 0, down[0]]])
        rolled = np.array([[1, 0, 0], [0, side[0], -side[1]], [0, side[1], side[0]]])
        return cls(pitched @ rolled @ _OPTICAL, np.array([0.0, 0.0, height]))

    @classmethod
    def of_transform(cls, position: Sequence[float], quaternion: Sequence[float]) -> Pose:
        """Return the pose of a camera from the translation and rotation of a tf2 transform.

        :param position: x, y and z in metres.
        :param quaternion: x, y, z and w. Its length may be any number above 0.
        :raises GroundError: if the length of the quaternion is 0, or if the camera is not above
            the ground.
        """
        length = math.sqrt(sum(part * part for part in quaternion))
        if not length > 0:
            raise GroundError(f"the quaternion {list(quaternion)} of the camera's pose is not a "
                              'rotation')
        x, y, z, w = (part / length for part in quaternion)
        return cls(np.array([
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]), np.array(position, np.float64))
