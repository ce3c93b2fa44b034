# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The weather, the light on the ground, and the noise of the camera."""

from __future__ import annotations

from collections.abc import Sequence
import math

import cv2
import numpy as np

from .camera import Floats, PinholeCamera
from .canvas import Bytes, Canvas, Colour
from .look import Look


class Weather:
    """Finishes a frame with reflections, halos, rain, snow, noise and colour balance."""

    def __init__(self, style: Look, rng: np.random.Generator, width: int, height: int) -> None:
        self._look = style
        tile = np.clip(rng.normal(128, 42, (256, 256, 3)), 0, 255).astype(np.uint8)
        self._noise = np.tile(tile, (-(-height // 256) + 1, -(-width // 256) + 1, 1))
        self._fall: Bytes | None = None
        if style.condition == 'rain':
            self._fall = _draw_rain(rng, width, height)
        elif style.condition == 'snow':
            self._fall = _draw_snow(rng, width, height)
        gamma, lift = rng.uniform(0.88, 1.12), rng.uniform(-4, 8)
        balance = rng.uniform(0.96, 1.04, 3)
        ramp = np.arange(256)[:, None] / 255.0
        table = np.clip(255 * ramp ** gamma * balance + lift, 0, 255)
        self._table = np.rint(table).astype(np.uint8).reshape(1, 256, 3)

    def reflect(self, image: Bytes, truth: Bytes, camera: PinholeCamera) -> None:
        """Draw reflections of the scene on the wet road. The method changes ``image`` itself.

        :param truth: (height, width) uint8 class ids.
        """
        top = round(camera.horizon)
        height, width = truth.shape
        if not 8 < top < height - 8:
            return
        deep = height - top
        above = cv2.resize(image[max(top - deep, 0):top], (width // 4, deep // 4),
                           interpolation=cv2.INTER_AREA)
        mirror = cv2.blur(np.ascontiguousarray(above[::-1]), (5, max(deep // 10, 1)))
        mirror = cv2.resize(mirror, (width, deep))
        region = image[top:top + deep]
        mixed = cv2.addWeighted(region, 0.7, mirror, 0.3, 0)
        _, flat = cv2.threshold(truth[top:top + deep], 1, 255, cv2.THRESH_BINARY_INV)
        cv2.copyTo(mixed, flat, region)

    def add_glow(self, image: Bytes, lamps: Sequence[tuple[Floats, float, Colour]]) -> Bytes:
        """Return the image with a halo around each lamp. In rain, also add a streak of light.

        :param lamps: (pixel, radius, colour) of each lamp.
        """
        height, width = image.shape[:2]
        small = np.zeros((height // 8, width // 8, 3), np.uint8)
        for pixel, radius, colour in lamps:
            x, y = int(pixel[0] / 8), int(pixel[1] / 8)
            if abs(x) > width or abs(y) > height:
                continue
            size = max(int(radius / 8), 0)
            cv2.circle(small, (x, y), size, tuple(colour), -1)
            if self._look.condition == 'rain':
                cv2.line(small, (x, y), (x, y + 3 + 5 * size), [part * 0.4 for part in colour], 1)
        wide = max(width // 8 // 26, 1) * 2 + 1
        halo = cv2.GaussianBlur(small, (wide, wide), 0)
        far = cv2.blur(cv2.blur(halo, (wide * 2, wide * 2)), (wide * 2, wide * 2))
        both = cv2.resize(cv2.addWeighted(halo, 1.4, far, 2.6, 0), (width, height))
        return np.asarray(cv2.add(image, both), np.uint8)

    def finish(self, image: Bytes, index: int) -> Bytes:
        """Add blur, falling rain or snow, colour balance and noise, as in a real camera image."""
        height, width = image.shape[:2]
        rng = np.random.Generator(np.random.PCG64([index, 77]))
        soft = (0.9 if self._look.condition in ('rain', 'snow') else 0.6) * width / 1280
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), max(soft, 0.35)), np.uint8)
        if self._fall is not None:
            y = int(rng.integers(0, self._fall.shape[0] - height + 1))
            x = int(rng.integers(0, self._fall.shape[1] - width + 1))
            image = np.asarray(cv2.add(image, self._fall[y:y + height, x:x + width]), np.uint8)
        image = np.asarray(cv2.LUT(image, self._table), np.uint8)
        y, x = int(rng.integers(0, 256)), int(rng.integers(0, 256))
        noise = self._noise[y:y + height, x:x + width]
        gain = self._look.grain
        return np.asarray(cv2.addWeighted(image, 1.0, noise, gain, -128.0 * gain), np.uint8)


def _draw_rain(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Draw falling rain on black. The result is 25 % wider and higher than the frame."""
    shape = (height + height // 4, width + width // 4, 3)
    streaks = np.zeros(shape, np.uint8)
    lean = rng.uniform(-0.18, 0.18)
    zoom = width / 1280
    for x, y, size in rng.uniform(0, 1, (420, 3)):
        length = (14 + 46 * size * size) * zoom
        start = (int(x * shape[1]), int(y * shape[0]))
        end = (int(start[0] + lean * length), int(start[1] + length))
        level = int(26 + 34 * size)
        cv2.line(streaks, start, end, (level, level, level), 1 + int(size > 0.8), cv2.LINE_AA)
    return np.asarray(cv2.blur(streaks, (1, 3)), np.uint8)


def _draw_snow(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Draw falling snow on black. The result is 25 % wider and higher than the frame."""
    shape = (height + height // 4, width + width // 4, 3)
    flakes = np.zeros(shape, np.uint8)
    zoom = width / 1280
    for x, y, size in rng.uniform(0, 1, (700, 3)):
        centre = (int(x * shape[1]), int(y * shape[0]))
        radius = int(max((0.8 + 3.4 * size ** 4) * zoom * 4, 2))
        level = int(150 - 70 * size ** 4)
        cv2.circle(flakes, (centre[0] * 4, centre[1] * 4), radius, (level, level, level), -1,
                   cv2.LINE_AA, 2)
    return np.asarray(cv2.blur(flakes, (2, 2)), np.uint8)


def light_ground(
    canvas: Canvas, camera: PinholeCamera, style: Look, shadows: list[Floats],
    pools: list[tuple[Floats, float]], rough: Bytes,
) -> None:
    """Add shadows, and the light of lamps and headlights, to the ground in ``canvas``.

    :param shadows: the outline of each shadow, (N, 2) in pixels.
    :param pools: for each lamp, the outline and the strength of its light on the ground.
    :param rough: (N, width) uint8 noise for the ground in the lowest N rows, from
        :meth:`.ground.Ground.roughness`.
    """
    top = max(int(camera.horizon), 0)
    if top >= canvas.height:
        return
    ground = canvas.pixels[top:]
    size = (max(canvas.width // 4, 1), max((canvas.height - top) // 4, 1))
    level = style.ambient + style.sun * math.sin(style.elevation)
    small = np.full((size[1], size[0]), min(level * 128, 255), np.uint8)
    if style.is_night:
        small = _beam(camera, size, top, level)
        for outline, strength in pools:
            patch = np.zeros_like(small)
            _paint(patch, outline, top, strength)
            small = np.asarray(cv2.add(small, patch), np.uint8)
    shade = np.full_like(small, 255)
    for outline in shadows:
        _paint(shade, outline, top, 255 * style.shadow)
    shade = np.asarray(cv2.blur(shade, (3, 3)), np.uint8)
    small = np.asarray(cv2.multiply(small, shade, scale=1 / 255), np.uint8)
    if style.is_night:
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), size[0] / 60), np.uint8)
    full = cv2.resize(small, (canvas.width, canvas.height - top))
    if len(rough):
        cv2.multiply(full[-len(rough):], rough, full[-len(rough):], scale=1 / 128)
    unit = np.full_like(full, 128)
    cv2.multiply(ground, cv2.merge([full, full, full, unit]), ground, scale=1 / 128)


def _paint(small: Bytes, outline: Floats, top: int, level: float) -> None:
    """Fill the area inside an outline with the brightness ``level``.

    :param small: picture of the light or of the shadows on the ground. Its width and height are a
        quarter of the width and height of the ground in the image.
    :param outline: (N, 2) positions in pixels of the image.
    :param top: the row of the image at which ``small`` begins.
    """
    if len(outline) > 2:
        points = (outline - (0, top)) / 4
        points = np.rint(np.clip(points, -8000, 8000) * 16).astype(np.int32)
        cv2.fillPoly(small, [points], (level,), cv2.LINE_8, 4)


def _beam(camera: PinholeCamera, size: tuple[int, int], top: int, level: float) -> Bytes:
    """Return the light of the headlights on the ground as uint8 of ``size`` (width, height)."""
    rows = (np.arange(size[1]) + 0.5) * 4 + top - camera.horizon
    depth = camera.z * camera.focal / np.maximum(rows, 1.0)
    columns = np.linspace(-1, 1, size[0]) * camera.width / 2 / camera.focal
    along = 0.75 * np.exp(-((depth - 11) / 17) ** 2)
    across = np.exp(-(columns / 0.36) ** 2)
    beam = level + along[:, None] * (0.15 + across[None, :])
    return np.asarray(np.clip(beam * 128, 0, 255), np.uint8)
