# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One grid of numbers over the network's view, interpolated to the camera's pixels."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ..model.geometry import Axis, Geometry
from .bilinear import interpolate, Taps, taps

Plane = npt.NDArray[np.float32]
Upsample = Callable[..., Plane]


@lru_cache(maxsize=64)
def upsampler(geometry: Geometry, grid: tuple[int, int]) -> Upsample:
    """A function from an (h, w) float32 grid, and optionally where to write, to the visible
    camera pixels' (rows, columns) float32.
    """
    rows, cols = geometry.rows, geometry.cols
    if all(axis.new == axis.net for axis in (rows, cols)):
        size = (cols.camera, rows.camera)

        def stretch(plane: Plane, out: Plane | None = None) -> Plane:
            # OpenCV's half-pixel centres are ours, and its float path does not round positions
            result: Plane = cv2.resize(  # type: ignore[assignment]
                plane, size, dst=out, interpolation=cv2.INTER_LINEAR)
            return result
        return stretch
    along = _taps(rows, grid[0]), _taps(cols, grid[1])

    def general(plane: Plane, out: Plane | None = None) -> Plane:
        return interpolate(plane, *along, out=out)
    return general


def _taps(axis: Axis, size: int) -> Taps:
    first, stop = axis.visible
    return taps(range(first, stop), *axis.grid(size), size)
