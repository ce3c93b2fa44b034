# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Slow and simple pre- and postprocessing in float64, written from the definitions.

The tests compare the package with this module. It imports only Frame from the package.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from trt_segmentation.frame import Frame

Array = npt.NDArray[Any]
LUMA = np.array([0.299, 0.587, 0.114])
BAYER = {'bayer_rggb8': 'RGGB', 'bayer_bggr8': 'BGGR', 'bayer_gbrg8': 'GBRG',
         'bayer_grbg8': 'GRBG'}
WIDE = {'mono16': (1, 0, 0, 0), '16UC1': (1, 0, 0, 0), 'bgr16': (3, 2, 1, 0),
        'rgb16': (3, 0, 1, 2), 'bgra16': (4, 2, 1, 0), 'rgba16': (4, 0, 1, 2)}
"""For each encoding of 16 bits: channels per pixel, and the positions of R, G and B."""


def rgb(frame: Frame) -> Array:
    """Return the (height, width, 3) float64 RGB of a frame, from 0 to 255."""
    y, x = np.mgrid[:frame.height, :frame.width]
    line, step, data = y * frame.step, frame.step, frame.data.astype(np.float64)
    encoding = frame.encoding

    def at(*places: Array) -> Array:
        return np.stack([data[place] for place in places], axis=-1)

    orders = {'bgr8': (3, 2, 1, 0), 'rgb8': (3, 0, 1, 2), 'bgra8': (4, 2, 1, 0),
              'rgba8': (4, 0, 1, 2), '8UC3': (3, 2, 1, 0), '8UC4': (4, 2, 1, 0),
              'mono8': (1, 0, 0, 0), '8UC1': (1, 0, 0, 0)}
    if encoding in orders:
        size, *channels = orders[encoding]
        return at(*(line + x * size + c for c in channels))
    high, low = (0, 1) if frame.is_bigendian else (1, 0)
    if encoding in WIDE:
        size, *channels = WIDE[encoding]
        first = [line + 2 * (x * size + c) for c in channels]
        # cv_bridge scales by 255/65535 and rounds
        return np.rint((256 * at(*(place + high for place in first))
                        + at(*(place + low for place in first))) * 255 / 65535)
    if encoding.endswith('16'):
        mosaic = 256 * data[line + 2 * x + high] + data[line + 2 * x + low]
        return demosaic(mosaic, BAYER[encoding.replace('16', '8')]) * 255 / 65535
    if encoding in ('uyvy', 'yuv422'):
        pair = line + x // 2 * 4
        return yuv(data[line + 2 * x + 1], data[pair], data[pair + 2])
    if encoding in ('yuyv', 'yuv422_yuy2'):
        pair = line + x // 2 * 4
        return yuv(data[line + 2 * x], data[pair + 1], data[pair + 3])
    if encoding in ('nv12', 'nv21'):
        pair = (frame.height + y // 2) * step + x // 2 * 2
        u, v = data[pair], data[pair + 1]
        return yuv(data[line + x], *((u, v) if encoding == 'nv12' else (v, u)))
    if encoding == 'nv24':
        # in V4L2_PIX_FMT_NV24, a chroma row has twice the bytes and twice the padding
        pair = frame.height * step + y * 2 * step + 2 * x
        return yuv(data[line + x], data[pair], data[pair + 1])
    return demosaic(data[line + x], BAYER[encoding])


def yuv(y: Array, u: Array, v: Array) -> Array:
    """Convert BT.601 of limited range to RGB. Luma below 16 is black."""
    kr, _, kb = LUMA
    luma = np.maximum(y - 16, 0) / 219
    r = luma + (v - 128) / 224 * 2 * (1 - kr)
    b = luma + (u - 128) / 224 * 2 * (1 - kb)
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.stack([r, g, b], axis=-1) * 255, 0, 255)


def demosaic(mosaic: Array, pattern: str) -> Array:
    """Convert a Bayer mosaic to RGB. A colour is the mean of the nearest pixels that have it.

    :param pattern: colours of the first two pixels of the first row and of the second row.
    """
    height, width = mosaic.shape
    colors = np.array(list(pattern)).reshape(2, 2)[
        np.arange(height)[:, None] % 2, np.arange(width) % 2]
    result = np.zeros((height, width, 3))
    for y in range(height):
        for x in range(width):
            for channel, color in enumerate('RGB'):
                result[y, x, channel] = _nearest_mean(mosaic, colors == color, y, x)
    return result


def _nearest_mean(mosaic: Array, has: Array, y: int, x: int) -> float:
    for radius in (0, 1, 2):
        near = [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
                if dy * dy + dx * dx == radius
                and 0 <= y + dy < mosaic.shape[0] and 0 <= x + dx < mosaic.shape[1]
                and has[y + dy, x + dx]]
        if near:
            return float(np.mean([mosaic[place] for place in near]))
    return math.nan


def placement(resize: str, camera: tuple[int, int], net: tuple[int, int]
              ) -> list[tuple[Fraction, int, int]]:
    """Return the exact (scale, offset, resized length), first of rows and then of columns."""
    ratios = [Fraction(n, c) for c, n in zip(camera, net)]
    chosen = {'stretch': ratios, 'letterbox': [min(ratios)] * 2, 'crop': [max(ratios)] * 2}
    placed = []
    for c, n, ratio in zip(camera, net, chosen[resize]):
        new = max(1, math.floor(c * ratio + Fraction(1, 2)))
        spare = (n - new) // 2 if new <= n else -((new - n) // 2)
        placed.append((Fraction(new, c), spare, new))
    return placed


def visible(axis: tuple[Fraction, int, int], camera: int, net: int) -> Array:
    """Return (camera,) bool. It is True if the network sees the centre of the pixel."""
    scale, offset, _ = axis
    return np.array([0 <= (i + Fraction(1, 2)) * scale + offset < net for i in range(camera)],
                    bool)


def linear_row(position: float, size: int) -> Array:
    """Return the (size,) weights of a position. A position outside counts as the end cell."""
    position = min(max(position, 0.0), size - 1.0)
    low = min(int(position), max(size - 2, 0))
    row = np.zeros(size)
    row[low] += 1 - (position - low)
    row[min(low + 1, size - 1)] += position - low
    return row


def resize_matrix(axis: tuple[Fraction, int, int], camera: int, net: int) -> Array:
    """Return the (net, camera) weights of camera pixels in network pixels. Padding has 0."""
    scale, offset, new = axis
    matrix = np.zeros((net, camera))
    for j in range(net):
        if not 0 <= j - offset < new:
            continue
        if camera > 2 * new:
            start: Any = (j - offset) / scale
            stop: Any = (j + 1 - offset) / scale
            cover = [min(i + 1, stop) - max(i, start) for i in range(camera)]
            matrix[j] = [max(float(c), 0.0) for c in cover]
            matrix[j] /= matrix[j].sum()
        else:
            matrix[j] = linear_row(float((j + Fraction(1, 2) - offset) / scale) - 0.5, camera)
    return matrix


def preprocess(image: Array, resize: str, net: tuple[int, int], color: str,
               mean: Sequence[float], std: Sequence[float], pad: int) -> Array:
    """Return the (channels, height, width) float64 tensor of an RGB image of 0 to 255."""
    camera = image.shape[:2]
    rows, cols = (resize_matrix(axis, c, n) for axis, c, n in
                  zip(placement(resize, camera, net), camera, net))
    planes = np.moveaxis(image, -1, 0)
    planes = {'rgb': planes, 'bgr': planes[::-1],
              'gray': np.tensordot(LUMA, planes, 1)[None]}[color]
    resized = rows @ planes @ cols.T
    seen = np.outer(rows.any(axis=1), cols.any(axis=1))
    resized = np.where(seen, resized, pad)
    return (resized / 255 - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))


def upsample(grid: Array, resize: str, camera: tuple[int, int], net: tuple[int, int]
             ) -> tuple[Array, Array]:
    """Return (channels, height, width) values at camera size, and a mask of the seen pixels."""
    matrices, seen = [], []
    for axis, c, n, size in zip(placement(resize, camera, net), camera, net, grid.shape[1:]):
        scale, offset, _ = axis
        matrices.append(np.array([
            linear_row(float(((i + Fraction(1, 2)) * scale + offset) * size / n) - 0.5, size)
            for i in range(c)]))
        seen.append(visible(axis, c, n))
    missing = np.isnan(grid)
    rows, cols = matrices
    values = rows @ np.where(missing, 0, grid.astype(np.float64)) @ cols.T
    # if one of the interpolated numbers is missing, the result is missing
    values[rows @ missing @ cols.T > 0] = -np.inf
    return values, np.outer(*seen)


def nearest(ids: Array, resize: str, camera: tuple[int, int], net: tuple[int, int]
            ) -> tuple[Array, Array]:
    """Return (height, width) ids at camera size, and a mask of the seen pixels."""
    places, seen = [], []
    for axis, c, n, size in zip(placement(resize, camera, net), camera, net, ids.shape):
        scale, offset, _ = axis
        seen.append(visible(axis, c, n))
        places.append([min(max(math.floor(((i + Fraction(1, 2)) * scale + offset) * size / n), 0),
                           size - 1) for i in range(c)])
    return ids[np.ix_(*places)], np.outer(*seen)


def softmax_winner(values: Array) -> tuple[Array, Array, Array]:
    """Return three (height, width) arrays: the winner, its probability, and its lead.

    The lead is the difference to the second largest logit.
    """
    winner = values.argmax(axis=0)
    ranked = np.sort(values, axis=0)
    with np.errstate(invalid='ignore'):
        total = np.exp(values - ranked[-1]).sum(axis=0)
        lead = ranked[-1] - ranked[-2] if len(values) > 1 else np.full(winner.shape, np.inf)
    return winner, 1 / total, lead
