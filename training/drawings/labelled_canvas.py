# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A canvas for training. Every pixel holds its class and a number for the thing that it shows.

A code is ``class + 10 * part``. ``part`` is a number from 0 to 23. Neighbouring things usually
have different parts, so that the training can give each thing a colour and a texture of its own.
Part 24 belongs to veils through which the sky may be visible.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from trt_segmentation.street.camera import Floats
from trt_segmentation.street.canvas import Bytes, Canvas, CLASSES, Colour, ramp, Texture

PARTS = 24
VEIL_PART = 24
IGNORED = 255
"""Code of the pixels that the loss ignores. No class fits them."""


class Veil:
    """A picture that hides only a part of what is behind it, such as the branches of a bare tree.

    :param picture: (H, W, 4) uint8. The fourth channel is the opacity.
    :param mask: (H, W) uint8. The label is written if the mask is above 127.
    """

    def __init__(self, picture: Bytes, mask: Bytes) -> None:
        self._levels = [(picture, mask)]
        while min(picture.shape[:2]) > 12 and len(self._levels) < 6:
            size = (picture.shape[1] // 2, picture.shape[0] // 2)
            # The mean colour must not contain the colour of transparent texels.
            alpha = picture[:, :, 3:].astype(np.float32) / 255
            colour = cv2.resize(picture[:, :, :3] * alpha, size, interpolation=cv2.INTER_AREA)
            share = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)[:, :, None]
            colour = np.where(share > 0.003, colour / np.maximum(share, 0.003), 0)
            picture = np.dstack([colour, share * 255]).clip(0, 255).astype(np.uint8)
            mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_AREA), np.uint8)
            self._levels.append((picture, mask))

    def level(self, area: float) -> tuple[Bytes, Bytes]:
        """Return the copy whose size is best for an area of this many pixels."""
        full = self._levels[0][1].size
        index = int(np.log2(max(full / max(area, 1.0), 1.0)) / 2 + 0.4)
        return self._levels[min(index, len(self._levels) - 1)]


class LabelledCanvas(Canvas):
    """A canvas that writes codes.

    :ivar part: part of the things that are drawn next.
    """

    part = 0

    def code(self, label: int) -> int:
        """Return the code of this class for the current part."""
        return label if label == IGNORED else label + len(CLASSES) * self.part

    def convex_fixed(self, points: npt.NDArray[np.int32], colour: Colour, label: int) -> None:
        super().convex_fixed(points, colour, self.code(label))

    def fill(self, outlines: list[Floats], colour: Colour, label: int) -> None:
        super().fill(outlines, colour, self.code(label))

    def lines(self, lines: list[Floats], colour: Colour, label: int, thick: int = 1) -> None:
        super().lines(lines, colour, self.code(label), thick)

    def disc(self, centre: Floats, radius: float, colour: Colour, label: int) -> None:
        super().disc(centre, radius, colour, self.code(label))

    def plane(self, texture: Texture, quad: Floats, gain: float, haze: Colour, label: int,
              part: tuple[float, float] = (0.0, 1.0)) -> None:
        """Stretch a texture over a quad, as the base class does."""
        code, before = self.code(label), self.part
        self.part = 0       # the base class may call convex(), which would add the part again
        super().plane(texture, quad, gain, haze, code, part)
        self.part = before

    def veil(self, veil: Veil, quad: Floats, gain: float, haze: Colour, label: int) -> None:
        """Blend a veil over a (4, 2) quad. The arguments are as in :meth:`plane`."""
        low = np.maximum(np.floor(quad.min(0)), 0).astype(int)
        high = np.minimum(np.ceil(quad.max(0)) + 1, (self.width, self.height)).astype(int)
        size = high - low
        if size.min() < 1:
            return
        extent = np.minimum(quad.max(0) - quad.min(0), 4000)
        picture, mask = veil.level(float(extent[0] * extent[1]))
        rows, columns = mask.shape
        source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32) - 0.5
        matrix = cv2.getPerspectiveTransform(source, np.ascontiguousarray(quad - low, np.float32))
        shape = (int(size[0]), int(size[1]))
        warped = cv2.warpPerspective(cv2.LUT(picture, ramp(gain, haze)), matrix, shape)
        cover = cv2.warpPerspective(mask, matrix, shape) > 127
        target = self.pixels[low[1]:high[1], low[0]:high[0]]
        share = warped[:, :, 3:].astype(np.uint16)
        target[:, :, :3] = (target[:, :, :3] * (255 - share) + warped[:, :, :3] * share) // 255
        code = label if label == IGNORED else label + len(CLASSES) * VEIL_PART
        target[:, :, 3][cover] = code

    def tint(self, lines: Sequence[Floats], colour: Colour, thick: int) -> None:
        """Draw (N, 2) lines that change colours, but no codes."""
        for line in lines:
            low = np.clip(line.min(0) - 4, 0, (self.width, self.height)).astype(int)
            high = np.clip(line.max(0) + 5, 0, (self.width, self.height)).astype(int)
            if (high - low).min() < 1:
                continue
            region = self.pixels[low[1]:high[1], low[0]:high[0]]
            plain = np.ascontiguousarray(region[:, :, :3])
            cv2.polylines(plain, [np.rint((line - low) * 16).astype(np.int32)], False,
                          tuple(colour), thick, cv2.LINE_AA, 4)
            region[:, :, :3] = plain
