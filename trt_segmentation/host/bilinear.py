# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Bilinear interpolation between the centres of a grid, for any scale and offset.

OpenCV's remap and warpAffine round positions to 1/32 of a pixel; this does not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Taps(NamedTuple):
    """Where each output pixel of one axis lies between two grid cells.

    :param low: (n,) index of the cell before it.
    :param high: (n,) index of the cell after it; ``low`` at the last.
    :param weight: (n,) float32, of ``high``; that of ``low`` is 1 − weight.
    """

    low: npt.NDArray[np.intp]
    high: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


def taps(pixels: range, scale: float, offset: float, size: int) -> Taps:
    """Taps of pixels ``i`` that lie at ``(i + 0.5) * scale + offset`` on a grid of ``size``.

    Positions beyond the first or last cell's centre are held there.
    """
    position = (np.arange(pixels.start, pixels.stop) + 0.5) * scale + offset - 0.5
    position = np.clip(position, 0, size - 1)
    low = np.floor(position).astype(np.intp)
    return Taps(low, np.minimum(low + 1, size - 1), (position - low).astype(np.float32))


def interpolate(grid: npt.NDArray[np.float32], rows: Taps, cols: Taps,
                out: npt.NDArray[np.float32] | None = None) -> npt.NDArray[np.float32]:
    """Interpolate a (h, w) float32 grid to (len(rows), len(cols)) float32."""
    wide = _blend(grid, cols, 1, None)
    return _blend(wide, rows, 0, out)


def _blend(grid: npt.NDArray[np.float32], taps: Taps, axis: int,
           out: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float32]:
    weight: Any = taps.weight[:, None] if axis == 0 else taps.weight
    low = np.take(grid, taps.low, axis=axis, mode='clip', out=out)
    high = np.take(grid, taps.high, axis=axis, mode='clip')
    np.subtract(high, low, out=high)
    np.multiply(high, weight, out=high)
    return np.add(low, high, out=low)
