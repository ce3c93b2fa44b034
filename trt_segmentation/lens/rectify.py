# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the position in the camera image for each pixel of a rectified image.

A rectified image is a camera image without the distortion of the lens. A lookup is the array of
these positions.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from .calibration import Rectified
from .lens import Lens

STEP = 32
"""Positions are rounded to 1/32 of a pixel, because cv2.remap rounds positions in this way."""
NOWHERE = -2.0
"""Column and row for a pixel that the camera image does not show. A bilinear interpolation at this
position reads only pixels outside the camera image."""


def make_lookup(lens: Lens, rectified: Rectified) -> npt.NDArray[np.float32]:
    """Return the lookup of one camera.

    :returns: (height, width, 2) float32: column and row in the camera image, in pixels, rounded
        to multiples of 1 / :data:`STEP`. If the camera image does not show a pixel, its
        column and row are :data:`NOWHERE`.
    """
    target = rectified.lens
    size = (target.width, target.height)
    rows, columns = np.mgrid[:target.height, :target.width].astype(np.float64)
    rays = np.stack([(columns - target.cx) / target.fx, (rows - target.cy) / target.fy,
                     np.ones_like(rows)], axis=-1).reshape(-1, 3)
    inside = lens.is_in_view(rays @ rectified.turn)
    coefficients = np.array(lens.coefficients, np.float64)
    make_maps = (cv2.fisheye.initUndistortRectifyMap if lens.model == 'equidistant'
                 else cv2.initUndistortRectifyMap)
    maps = make_maps(lens.matrix, coefficients, rectified.turn, target.matrix, size, cv2.CV_32FC1)
    lookup = np.rint(np.stack(maps, axis=-1) * np.float32(STEP)) / np.float32(STEP)
    seen = inside.reshape(size[::-1])
    for axis, side in ((0, lens.width), (1, lens.height)):
        seen &= (lookup[..., axis] >= 0) & (lookup[..., axis] <= side - 1)
    lookup[~seen] = NOWHERE
    return np.ascontiguousarray(lookup, np.float32)
