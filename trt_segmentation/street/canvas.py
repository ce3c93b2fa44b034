# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The canvas of a scene, which holds the colour and the class id of every pixel."""

from __future__ import annotations

from collections.abc import Sequence
import math

import cv2
import numpy as np
import numpy.typing as npt

from .camera import Floats

Bytes = npt.NDArray[np.uint8]
Colour = Sequence[float]

CLASSES: tuple[str, ...] = (
    'road', 'lane marking', 'sidewalk', 'building', 'vegetation', 'sky', 'person', 'vehicle',
    'pole', 'traffic sign')
"""Names of the classes. The position of a name is its class id."""

(ROAD, MARKING, SIDEWALK, BUILDING, VEGETATION, SKY, PERSON, VEHICLE, POLE,
 SIGN) = range(len(CLASSES))

_SHIFT = 4
"""Number of fractional bits of a fixed-point coordinate."""
_LIMIT = 16000.0 * (1 << _SHIFT)
_LEVELS = np.arange(256, dtype=np.float32)[:, None]


def to_fixed_point(points: Floats) -> npt.NDArray[np.int32]:
    """Convert (N, 2) pixel positions to fixed-point positions for OpenCV."""
    scaled = np.minimum(np.maximum(points * (1 << _SHIFT), -_LIMIT), _LIMIT)
    return np.rint(scaled).astype(np.int32)


def ramp(gain: float, offset: Colour) -> Bytes:
    """Return a look-up table (for cv2.LUT) that changes a colour to colour * gain + offset.

    The fourth channel stays the same.
    """
    table = np.empty((256, 4), np.float32)
    table[:, :3] = _LEVELS * gain + np.asarray(offset, np.float32)
    table[:, 3:] = _LEVELS
    np.minimum(table, 255.0, out=table)
    return table.astype(np.uint8)[None]


class Texture:
    """A (H, W, 4) uint8 picture, and smaller copies of this picture.

    The fourth channel is the opacity.

    :param solid: whether every texel (pixel of the picture) is opaque.
    """

    def __init__(self, picture: Bytes, solid: bool = False) -> None:
        self._levels = [picture]
        self.mean: list[float] = [float(part) for part in cv2.mean(picture)[:3]]
        self.solid = solid
        while min(picture.shape[:2]) > 12 and len(self._levels) < 6:
            size = (picture.shape[1] // 2, picture.shape[0] // 2)
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
            self._levels.append(picture)

    def level(self, area: float) -> Bytes:
        """Return the picture or the smaller copy that fits best to an area of ``area`` pixels."""
        full = self._levels[0].shape[0] * self._levels[0].shape[1]
        index = int(math.log2(max(full / max(area, 1.0), 1.0)) / 2 + 0.4)
        return self._levels[min(index, len(self._levels) - 1)]


class Canvas:
    """A (height, width, 4) uint8 picture. The channels are blue, green, red and class id."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.pixels: Bytes = np.zeros((height, width, 4), np.uint8)

    def convex(self, points: Floats, colour: Colour, label: int) -> None:
        """Fill a convex (N, 2) polygon."""
        self.convex_fixed(to_fixed_point(points), colour, label)

    def convex_fixed(self, points: npt.NDArray[np.int32], colour: Colour, label: int) -> None:
        """Fill a convex polygon of (N, 2) vertices from :func:`to_fixed_point`."""
        cv2.fillConvexPoly(
            self.pixels, points, (colour[0], colour[1], colour[2], label), cv2.LINE_8, _SHIFT)

    def fill(self, outlines: list[Floats], colour: Colour, label: int) -> None:
        """Fill (N, 2) polygons of any shape, one after another."""
        ink = (colour[0], colour[1], colour[2], label)
        for outline in outlines:
            if len(outline) > 2:
                cv2.fillPoly(self.pixels, [to_fixed_point(outline)], ink, cv2.LINE_8, _SHIFT)

    def lines(self, lines: list[Floats], colour: Colour, label: int, thick: int = 1) -> None:
        """Draw open (N, 2) lines."""
        cv2.polylines(
            self.pixels, [to_fixed_point(line) for line in lines], False,
            (colour[0], colour[1], colour[2], label), thick, cv2.LINE_8, _SHIFT)

    def disc(self, centre: Floats, radius: float, colour: Colour, label: int) -> None:
        """Fill a circle."""
        point = to_fixed_point(centre[None])[0]
        cv2.circle(
            self.pixels, (int(point[0]), int(point[1])), int(radius * (1 << _SHIFT)),
            (colour[0], colour[1], colour[2], label), -1, cv2.LINE_8, _SHIFT)

    def stroke(self, start: Floats, end: Floats, wide: float, colour: Colour, label: int) -> None:
        """Draw a straight line between two (2,) points. The line is ``wide`` pixels wide."""
        along = end - start
        length = math.hypot(along[0], along[1]) or 1.0
        aside = np.array([-along[1], along[0]]) * (max(wide - 1.0, 0.0) / 2 / length)
        self.convex(np.array([start - aside, start + aside, end + aside, end - aside]),
                    colour, label)

    def strokes(self, lines: Floats, wide: Floats, colours: list[Colour], label: int) -> None:
        """Draw N lines between (N, 2, 2) end points. ``wide`` holds the (N,) widths in pixels."""
        along = lines[:, 1] - lines[:, 0]
        length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)
        reach = np.maximum(wide - 1.0, 0.0) / 2 / length
        aside = np.empty_like(along)
        aside[:, 0], aside[:, 1] = -along[:, 1] * reach, along[:, 0] * reach
        quads = np.empty((len(lines), 4, 2))
        quads[:, 0], quads[:, 1] = lines[:, 0] - aside, lines[:, 0] + aside
        quads[:, 2], quads[:, 3] = lines[:, 1] + aside, lines[:, 1] - aside
        for quad, colour in zip(to_fixed_point(quads), colours):
            self.convex_fixed(quad, colour, label)

    def plane(self, texture: Texture, quad: Floats, gain: float, haze: Colour, label: int,
              part: tuple[float, float] = (0.0, 1.0)) -> None:
        """Stretch a texture over a (4, 2) quad: top left, top right, bottom right, bottom left.

        The colours become colour * gain + haze. Transparent texels change neither colour nor class
        id. If the texture is opaque, a small quad gets only the mean colour of the texture.

        :param part: start and end of the shown part, as fractions of the texture's width.
        """
        low = np.maximum(np.floor(quad.min(0)), 0).astype(int)
        high = np.minimum(np.ceil(quad.max(0)) + 1, (self.width, self.height)).astype(int)
        size = high - low
        if size.min() < 1:
            return
        extent = np.minimum(quad.max(0) - quad.min(0), 4000)
        area = float(extent[0] * extent[1])
        if texture.solid and area < 1500 * (self.width / 1280) ** 2:
            mean = [min(a * gain + b, 255.0) for a, b in zip(texture.mean, haze)]
            self.convex(quad, mean, label)
            return
        picture = texture.level(area)
        rows, columns = picture.shape[:2]
        left, right = part[0] * columns, part[1] * columns
        source = np.array([[left, 0], [right, 0], [right, rows], [left, rows]], np.float32) - 0.5
        target = np.ascontiguousarray(quad - low, np.float32)
        matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(source, np.float32), target)
        table = ramp(gain, haze)
        # The warp changes the number of pixels. Apply the table to the picture with fewer pixels.
        first = rows * columns < int(size[0]) * int(size[1])
        warped = cv2.warpPerspective(
            cv2.LUT(picture, table) if first else picture, matrix, (int(size[0]), int(size[1])),
            flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        if not first:
            warped = cv2.LUT(warped, table)
        cover = np.zeros((int(size[1]), int(size[0])), np.uint8)
        cv2.fillConvexPoly(cover, to_fixed_point(quad - low), 255, cv2.LINE_8, _SHIFT)
        _, opaque = cv2.threshold(cv2.extractChannel(warped, 3), 127, 255, cv2.THRESH_BINARY)
        cover = np.asarray(cv2.bitwise_and(cover, opaque), np.uint8)
        cv2.insertChannel(np.full_like(cover, label), np.asarray(warped), 3)
        cv2.copyTo(warped, cover, self.pixels[low[1]:high[1], low[0]:high[0]])
