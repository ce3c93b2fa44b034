# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Interpolates the grid of a network output bilinearly to the camera pixels.

OpenCV's remap and warpAffine are not used, because they round positions to 1/32 of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import gcd
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..model.geometry import Geometry
from .decode_raw import as_array

BAND_ROWS = 180
"""Largest number of rows of a band. A band is the part of the image that one thread computes. With
this number of rows and 1920 columns, a float32 band has 1.4 MB."""

Plane = npt.NDArray[np.float32]
Upsample = Callable[..., Plane]


class Taps(NamedTuple):
    """Two grid cells and a weight for each output pixel, on one axis.

    A pixel is interpolated from its two cells.

    :param low: (n,) index of the cell before the pixel.
    :param high: (n,) index of the cell after the pixel; equal to ``low`` at the last cell.
    :param weight: (n,) float32, weight of ``high``; the weight of ``low`` is 1 − weight.
    """

    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    weight: Plane


def make_taps(pixels: range, scale: float, offset: float, size: int) -> Taps:
    """Compute the taps of pixels on one axis of a grid. The axis has ``size`` cells.

    Pixel ``i`` lies at grid coordinate ``(i + 0.5) * scale + offset``. A pixel before the centre
    of the first cell has the value of the first cell. A pixel after the centre of the last cell
    has the value of the last cell.
    """
    position = (np.asarray(pixels) + 0.5) * scale + offset - 0.5
    position = np.clip(position, 0, size - 1)
    low = np.floor(position).astype(np.intp)
    return Taps(low, np.minimum(low + 1, size - 1), (position - low).astype(np.float32))


def interpolate(grid: Plane, rows: Taps, cols: Taps, out: Plane | None = None) -> Plane:
    """Interpolate an (h, w) float32 grid.

    The result has one row for each tap of ``rows``, and one column for each tap of ``cols``.

    :param out: a float32 array of the right size for the result; None for a new array.
    """
    return _blend(_blend(grid, cols, 1, None), rows, 0, out)


def _blend(grid: Plane, taps: Taps, axis: int, out: Plane | None) -> Plane:
    weight: Any = taps.weight[:, None] if axis == 0 else taps.weight
    low = np.take(grid, taps.low, axis=axis, mode='clip', out=out)
    high = np.take(grid, taps.high, axis=axis, mode='clip')
    np.subtract(high, low, out=high)
    np.multiply(high, weight, out=high)
    return np.add(low, high, out=low)


@lru_cache(maxsize=64)
def make_upsampler(geometry: Geometry, grid: tuple[int, int]) -> Upsample:
    """Make a function that interpolates a grid of network values to camera pixels.

    The function computes only the camera pixels that the network sees. These pixels are called
    visible.

    :param grid: (h, w), the shape of the grid.
    :returns: a function of an (h, w) float32 grid and an optional output array. The function
        returns a float32 array of shape (visible rows, visible columns).
    """
    rows, cols = geometry.rows, geometry.cols
    if is_stretched(geometry):
        return lambda plane, out=None: _stretch(plane, (cols.camera, rows.camera), out)
    down, across = (make_taps(range(*axis.visible), *axis.grid(size), size)
                    for axis, size in zip((rows, cols), grid))
    return lambda plane, out=None: interpolate(plane, down, across, out)


def _stretch(plane: Plane, size: tuple[int, int], out: Any) -> Plane:
    # For floats, cv2.resize does not round positions. cv2.resize places the pixel
    # centres as make_taps() does.
    return as_array(cv2.resize(plane, size, dst=out, interpolation=cv2.INTER_LINEAR))


class Band(NamedTuple):
    """Some rows of the camera image, and the grid rows that are needed for these camera rows.

    :param camera: the rows of the camera image.
    :param grid: the rows of the grid.
    :param skipped: number of rows above the band, in the enlarged part of the grid.
    :param size: (columns, rows) of the enlarged part of the grid, in the order of OpenCV.
    """

    camera: slice
    grid: slice
    skipped: int
    size: tuple[int, int]

    def upsample(self, plane: Plane, out: Plane | None = None) -> Plane:
        """Enlarge a part of the grid, and return the rows of the band.

        :param plane: the grid rows of this band, for one class.
        :param out: an earlier result of this method, whose memory is used again; None for new
            memory.
        """
        large = _stretch(plane, self.size, None if out is None else out.base)
        return large[self.skipped:self.skipped + self.camera.stop - self.camera.start]


@lru_cache(maxsize=64)
def cut_into_bands(geometry: Geometry, grid: tuple[int, int]) -> tuple[Band, ...]:
    """Cut the camera image into bands of rows. A band fits into the caches of the CPU.

    :param geometry: the mapping from camera pixels to the grid. :func:`is_stretched` must be true
        for this mapping.
    :param grid: (h, w), the shape of the grid.
    :returns: the bands, from top to bottom.
    """
    camera, cells = geometry.rows.camera, grid[0]
    parts = gcd(camera, cells)
    # The camera image and the grid are divided into the same number of parts. A part has
    # `rows_each` camera rows and `cells_each` grid rows, and a band has one part or more. A band
    # is enlarged together with the part above the band and the part below, because pixels at the
    # edges of the band depend on cells outside the band.
    rows_each, cells_each = camera // parts, cells // parts
    # If a part has more than BAND_ROWS rows, the two additional parts would take too much time.
    # The whole image is then one band.
    each = parts if rows_each > BAND_ROWS else BAND_ROWS // rows_each
    bands = []
    for first in range(0, parts, each):
        last = min(first + each, parts)
        begin, end = max(first - 1, 0), min(last + 1, parts)
        bands.append(Band(
            slice(first * rows_each, last * rows_each),
            slice(begin * cells_each, end * cells_each), (first - begin) * rows_each,
            (geometry.cols.camera, (end - begin) * rows_each)))
    return tuple(bands)


def is_stretched(geometry: Geometry) -> bool:
    """Return whether the network sees the whole camera image, without padding."""
    return all(axis.new == axis.net for axis in (geometry.rows, geometry.cols))
