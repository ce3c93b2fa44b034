# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A calibrated camera lens. It projects points to the pixels of a distorted image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
import math

import cv2
import numpy as np
from numpy.polynomial.polynomial import polyval
import numpy.typing as npt

from ..errors import LensError

Floats = npt.NDArray[np.float64]

COUNTS = {'plumb_bob': (0, 4, 5), 'rational_polynomial': (8, 12, 14), 'equidistant': (4,)}
"""Maps each distortion model to the allowed numbers of coefficients."""
_SIDEWAYS = 89.9
"""Largest angle in degrees between the optical axis and a ray that can enter the lens."""


@dataclass(frozen=True)
class Lens:
    """The intrinsic calibration of a camera, in the conventions of sensor_msgs/CameraInfo.

    Camera coordinates are in metres: x points right, y points down, and z points forward. The
    centre of the first pixel of the image lies at pixel position (0, 0).

    :param width: width of the image in pixels. ``height`` is the height of the image.
    :param fx: focal length in pixels along a row. ``fy`` is the focal length along a column.
    :param cx: column of the principal point in pixels. ``cy`` is the row of this point.
    :param model: a key of :data:`COUNTS`.
    :param coefficients: the distortion coefficients, in the order of CameraInfo.
    :raises LensError: if a number is impossible in a calibration. The error names the number.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    model: str = 'plumb_bob'
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.coefficients)
        if not all(map(math.isfinite, numbers)):
            raise LensError(f'the calibration has a number that is not finite: {list(numbers)}. '
                            'Calibrate the camera again')
        if self.fx <= 0 or self.fy <= 0:
            raise LensError(
                f'the focal lengths are {self.fx:g} and {self.fy:g} pixels; expected numbers '
                'above 0. A camera driver sends zeros if it has no calibration file. Calibrate '
                'the camera, and give the file to the driver')
        if self.width < 1 or self.height < 1:
            raise LensError(f'the calibration is for an image of {self.width}x{self.height} '
                            'pixels; expected a width and a height above 0')
        if self.model not in COUNTS:
            raise LensError(f'the distortion model is {self.model!r}; expected one of '
                            f'{", ".join(COUNTS)}')
        if len(self.coefficients) not in COUNTS[self.model]:
            expected = ' or '.join(map(str, COUNTS[self.model]))
            raise LensError(f'the distortion model {self.model} has {len(self.coefficients)} '
                            f'coefficients; expected {expected}')

    @property
    def matrix(self) -> Floats:
        """The (3, 3) camera matrix."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], np.float64)

    def project(self, points: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Project points in camera coordinates to pixels.

        :param points: (N, 3) metres.
        :returns: (N, 2) columns and rows in pixels, and (N,) bool: whether the image shows each
            point. If the image does not show a point, the column and the row of this point are
            invalid.
        """
        seen = self.is_in_view(points)
        pixels = np.zeros((len(points), 2))
        if seen.any():
            pixels[seen] = self._distort(points[seen])
        column, row = pixels.T
        # The outer edges of the image lie half a pixel beyond the centres of the outer pixels.
        seen &= (column >= -0.5) & (column < self.width - 0.5)
        seen &= (row >= -0.5) & (row < self.height - 0.5)
        return pixels, seen

    def _distort(self, points: Floats) -> Floats:
        zero = np.zeros(3)
        coefficients = np.array(self.coefficients, np.float64)
        if self.model == 'equidistant':
            found, _ = cv2.fisheye.projectPoints(
                points[None], zero, zero, self.matrix, coefficients)
        else:
            found, _ = cv2.projectPoints(points, zero, zero, self.matrix, coefficients)
        return np.asarray(found, np.float64).reshape(-1, 2)

    def is_in_view(self, points: Floats) -> npt.NDArray[np.bool_]:
        """Return whether each point lies in the field of view, which may be larger than the image.

        :param points: (N, 3) metres in camera coordinates.
        :returns: (N,) bool.
        """
        depth = points[:, 2]
        return np.asarray(
            (depth > 0) & (np.hypot(points[:, 0], points[:, 1]) < depth * self._widest))

    @cached_property
    def _widest(self) -> float:
        """Tangent of the largest angle at which the distortion model is valid.

        The angle lies between a ray and the optical axis.

        The polynomial of a distortion model fits the lens only inside the image. At larger angles,
        the polynomial may decrease. Then the model would project invisible points into the image.
        """
        angles = np.radians(np.linspace(0, _SIDEWAYS, 2000))
        radii = self._distorted_radii(angles)
        turns = np.flatnonzero(~(np.diff(radii) > 0))  # a NaN ends the valid range too
        return float(np.tan(angles[turns[0] if len(turns) else -1]))

    def _distorted_radii(self, angles: Floats) -> Floats:
        """Return the distance of a pixel from the principal point, for each angle of its ray.

        The distances are in focal lengths.
        """
        values = angles if self.model == 'equidistant' else np.tan(angles)
        square = values ** 2
        k = np.zeros(8)
        k[:min(len(self.coefficients), 8)] = self.coefficients[:8]
        if self.model == 'equidistant':
            above, below = (1.0, *k[:4]), (1.0,)
        else:
            above, below = (1.0, k[0], k[1], k[4]), (1.0, *k[5:])
        with np.errstate(divide='ignore', invalid='ignore'):
            return np.asarray(values * polyval(square, above) / polyval(square, below))
