# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Canvas whose fourth channel is the truth, so that picture and truth are one drawing."""

from __future__ import annotations

from collections.abc import Sequence
import math

import cv2
import numpy as np
import numpy.typing as npt

from .camera import Floats

Bytes = npt.NDArray[np.uint8]
Colour = Sequence[float]

_SHIFT = 4  # fractional bits of a vertex
_LIMIT = 16000.0


def fixed(points: Floats) -> npt.NDArray[np.int32]:
    """(N, 2) pixels as fixed-point vertices for OpenCV."""
    return np.rint(np.clip(points, -_LIMIT, _LIMIT) * (1 << _SHIFT)).astype(np.int32)


class Texture:
    """A (H, W, 4) uint8 picture with its opacity last, and smaller copies of it."""

    def __init__(self, picture: Bytes) -> None:
        self._levels = [picture]
        while min(picture.shape[:2]) > 12 and len(self._levels) < 6:
            size = (picture.shape[1] // 2, picture.shape[0] // 2)
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
            self._levels.append(picture)

    def level(self, area: float) -> Bytes:
        """Return the copy that suits a target of this many pixels."""
        full = self._levels[0].shape[0] * self._levels[0].shape[1]
        index = int(math.log2(max(full / max(area, 1.0), 1.0)) / 2 + 0.4)
        return self._levels[min(index, len(self._levels) - 1)]


class Canvas:
    """A (height, width, 4) uint8 picture: blue, green, red and class id."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.pixels: Bytes = np.zeros((height, width, 4), np.uint8)

    def convex(self, points: Floats, colour: Colour, label: int) -> None:
        """Fill a convex (N, 2) polygon."""
        cv2.fillConvexPoly(
            self.pixels, fixed(points), (colour[0], colour[1], colour[2], label),
            cv2.LINE_8, _SHIFT)

    def fill(self, outlines: list[Floats], colour: Colour, label: int) -> None:
        """Fill (N, 2) polygons of any shape, each by itself."""
        ink = (colour[0], colour[1], colour[2], label)
        for outline in outlines:
            if len(outline) > 2:
                cv2.fillPoly(self.pixels, [fixed(outline)], ink, cv2.LINE_8, _SHIFT)

    def lines(self, lines: list[Floats], colour: Colour, label: int, thick: int = 1) -> None:
        """Draw open (N, 2) lines."""
        cv2.polylines(
            self.pixels, [fixed(line) for line in lines], False,
            (colour[0], colour[1], colour[2], label), thick, cv2.LINE_8, _SHIFT)

    def disc(self, centre: Floats, radius: float, colour: Colour, label: int) -> None:
        """Fill a circle."""
        point = fixed(centre[None])[0]
        cv2.circle(
            self.pixels, (int(point[0]), int(point[1])), int(radius * (1 << _SHIFT)),
            (colour[0], colour[1], colour[2], label), -1, cv2.LINE_8, _SHIFT)

    def stroke(self, start: Floats, end: Floats, wide: float, colour: Colour, label: int) -> None:
        """Fill the band `wide` pixels across between two (2,) points."""
        along = end - start
        length = math.hypot(along[0], along[1]) or 1.0
        aside = np.array([-along[1], along[0]]) * (max(wide - 1.0, 0.0) / 2 / length)
        self.convex(np.stack([start - aside, start + aside, end + aside, end - aside]),
                    colour, label)

    def plane(
        self, texture: Texture, quad: Floats, gain: float, haze: Colour, label: int,
    ) -> None:
        """
        Stretch a texture over a (4, 2) quad: top left, top right, bottom right, bottom left.

        The texture's colours become colour * gain + haze; see-through texels leave all as is.
        """
        low = np.maximum(np.floor(quad.min(0)), 0).astype(int)
        high = np.minimum(np.ceil(quad.max(0)) + 1, (self.width, self.height)).astype(int)
        size = high - low
        if size.min() < 1:
            return
        extent = np.minimum(quad.max(0) - quad.min(0), 4000)
        picture = texture.level(float(extent[0] * extent[1]))
        rows, columns = picture.shape[:2]
        source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32) - 0.5
        target = np.ascontiguousarray(quad - low, np.float32)
        matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(source, np.float32), target)
        lit = cv2.add(cv2.multiply(picture, (gain, gain, gain, 1.0)),
                      (haze[0], haze[1], haze[2], 0.0))
        warped = cv2.warpPerspective(
            lit, matrix, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE)
        cover = np.zeros((int(size[1]), int(size[0])), np.uint8)
        cv2.fillConvexPoly(cover, fixed(quad - low), 255, cv2.LINE_8, _SHIFT)
        opaque = cv2.compare(cv2.extractChannel(warped, 3), 127, cv2.CMP_GT)
        cover = np.asarray(cv2.bitwise_and(cover, opaque), np.uint8)
        cv2.insertChannel(np.full_like(cover, label), warped, 3)
        cv2.copyTo(warped, cover, self.pixels[low[1]:high[1], low[0]:high[0]])
