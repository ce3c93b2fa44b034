# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""How a condition colours things, and what it puts between the scene and the camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Protocol

import cv2
import numpy as np

from .camera import Floats, PinholeCamera
from .canvas import Bytes, Canvas, Colour

CONDITIONS: tuple[str, ...] = ('day', 'night', 'rain', 'snow')


@dataclass(frozen=True)
class Look:
    """Light and palette of one drive; colours are blue, green, red in 0..255."""

    condition: str
    ambient: float
    sun: float
    headlight: float
    facade: float
    tint: tuple[float, float, float]
    haze: tuple[float, float, float]
    reach: float
    sky_top: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    cloud: tuple[float, float, float]
    road: tuple[float, float, float]
    paint: tuple[float, float, float]
    walk: tuple[float, float, float]
    kerb: tuple[float, float, float]
    grass: tuple[float, float, float]
    shadow: float
    grain: float
    azimuth: float
    elevation: float

    @property
    def night(self) -> bool:
        """Whether lamps are lit and windows glow."""
        return self.condition == 'night'

    @property
    def snow(self) -> bool:
        """Whether level surfaces are white."""
        return self.condition == 'snow'

    @property
    def towards_sun(self) -> Floats:
        """Unit vector to the sun, world axes."""
        flat = math.cos(self.elevation)
        return np.array([
            flat * math.cos(self.azimuth), flat * math.sin(self.azimuth),
            math.sin(self.elevation)])

    def clear(self, depth: float) -> float:
        """Share of a thing's own colour that is left at this depth in metres."""
        return max(math.exp(-depth / self.reach), 0.4)

    def light(self, lambert: float, depth: float) -> float:
        """Brightness of a surface whose normal has this cosine to the sun."""
        return (self.ambient + self.sun * max(lambert, 0.0)
                + self.headlight * math.exp(-depth / 16.0))

    def gain(self, lambert: float, depth: float, facade: bool = False) -> tuple[float, Colour]:
        """Return the factor and the offset that light and haze put on a texture."""
        share = self.clear(depth)
        light = self.facade + self.sun * max(lambert, 0.0) if facade else self.light(
            lambert, depth)
        return light * share, [part * (1 - share) for part in self.haze]

    def shade(self, colour: Colour, depth: float, lambert: float = 0.5) -> list[float]:
        """One colour under this light and haze."""
        share = self.clear(depth)
        light = self.light(lambert, depth) * share
        return [min(a * light * b + c * (1 - share), 255.0)
                for a, b, c in zip(colour, self.tint, self.haze)]

    def shades(self, colours: Floats, depth: float, lambert: Floats, glow: Floats) -> Floats:
        """(N, 3) colours under this light; those with a glow of 1 keep their own brightness."""
        share = self.clear(depth)
        light = (self.ambient + self.headlight * math.exp(-depth / 16.0)
                 + self.sun * np.maximum(lambert, 0.0))
        light = np.maximum(light, glow)[:, None] * share
        lit: Floats = np.minimum(
            colours * light * self.tint + np.multiply(self.haze, 1 - share), 255.0)
        return lit


_Tone = tuple[float, float, float]


class _Pick(Protocol):
    def __call__(self, *colour: float, spread: float = 8.0) -> _Tone: ...


def _around(rng: np.random.Generator, colour: Colour, spread: float = 8.0
            ) -> tuple[float, float, float]:
    """Return a colour a little off the given one."""
    level = rng.normal(0, spread)
    blue, green, red = (min(max(c + level + rng.normal(0, spread / 4), 4), 250) for c in colour)
    return blue, green, red


def _night(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='night', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.2, 0.3), sun=0.0, headlight=0.55, facade=1.0,
        tint=(1.08, 0.98, 0.95), haze=pick(34, 26, 22, spread=3),
        reach=rng.uniform(220, 400), sky_top=pick(30, 16, 10, spread=4),
        sky_low=pick(72, 48, 42, spread=8), cloud=pick(60, 44, 44, spread=5),
        road=pick(86, 84, 84), paint=pick(215, 222, 225), walk=pick(135, 140, 148),
        kerb=pick(178, 180, 182), grass=pick(44, 92, 62), shadow=0.8, grain=0.16)


def _rain(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='rain', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.66, 0.78), sun=0.08, headlight=0.0, facade=0.74,
        tint=(1.04, 1.0, 0.96), haze=pick(172, 166, 160), reach=rng.uniform(110, 190),
        sky_top=pick(150, 140, 132, spread=12), sky_low=pick(205, 199, 193),
        cloud=pick(122, 114, 108), road=pick(96, 90, 86), paint=pick(220, 222, 222),
        walk=pick(140, 146, 152), kerb=pick(182, 184, 184), grass=pick(48, 104, 80),
        shadow=0.72, grain=0.1)


def _snow(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='snow', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.8, 0.9), sun=0.1, headlight=0.0, facade=0.84,
        tint=(1.05, 1.01, 0.98), haze=pick(226, 221, 217, spread=5),
        reach=rng.uniform(90, 160), sky_top=pick(208, 200, 192, spread=10),
        sky_low=pick(240, 236, 233, spread=4), cloud=pick(190, 184, 178),
        road=pick(146, 141, 138), paint=pick(208, 210, 212), walk=pick(190, 196, 202),
        kerb=pick(142, 142, 142), grass=pick(250, 245, 241, spread=3), shadow=0.85,
        grain=0.08)


def _day(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='day', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.6, 0.7), sun=rng.uniform(0.35, 0.5), headlight=0.0, facade=0.72,
        tint=(0.96, 1.0, 1.03), haze=pick(226, 206, 188), reach=rng.uniform(260, 500),
        sky_top=pick(222, 150, 84, spread=14), sky_low=pick(240, 218, 190, spread=6),
        cloud=pick(248, 246, 244, spread=4), road=pick(112, 112, 112, spread=14),
        paint=pick(236, 240, 242), walk=pick(168, 178, 186, spread=12), kerb=pick(200, 204, 206),
        grass=pick(58, 138, 104, spread=12), shadow=0.5, grain=0.045)


def look(condition: str, rng: np.random.Generator, azimuth: float, elevation: float) -> Look:
    """Draw the light and palette of a drive under this condition."""
    def pick(*colour: float, spread: float = 8.0) -> _Tone:
        return _around(rng, colour, spread)

    make = {'day': _day, 'night': _night, 'rain': _rain, 'snow': _snow}[condition]
    return make(rng, pick, azimuth, elevation)


class Air:
    """Rain, snow, noise and the camera's own colour: all that comes after the scene."""

    def __init__(self, style: Look, rng: np.random.Generator, width: int, height: int) -> None:
        self._look = style
        tile = _noise(rng)
        self._noise = np.tile(tile, (-(-height // 256) + 1, -(-width // 256) + 1, 1))
        self._fall: Bytes | None = None
        if style.condition == 'rain':
            self._fall = _streaks(rng, width, height)
        elif style.condition == 'snow':
            self._fall = _flakes(rng, width, height)
        gamma, lift = rng.uniform(0.88, 1.12), rng.uniform(-4, 8)
        balance = rng.uniform(0.96, 1.04, 3)
        ramp = np.arange(256)[:, None] / 255.0
        table = np.clip(255 * ramp ** gamma * balance + lift, 0, 255)
        self._table = np.rint(table).astype(np.uint8).reshape(1, 256, 3)

    def wet(self, image: Bytes, truth: Bytes, camera: PinholeCamera) -> None:
        """Mirror what stands above the road in the wet road, in place."""
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

    def glow(self, image: Bytes, lamps: Sequence[tuple[Floats, float, Colour]],
             wet: bool) -> Bytes:
        """Add the halo of each (pixel, radius, colour) lamp, and its streak on a wet road."""
        height, width = image.shape[:2]
        small = np.zeros((height // 8, width // 8, 3), np.uint8)
        for pixel, radius, colour in lamps:
            x, y = int(pixel[0] / 8), int(pixel[1] / 8)
            if abs(x) > width or abs(y) > height:
                continue
            size = max(int(radius / 8), 0)
            ink = (colour[0], colour[1], colour[2])
            cv2.circle(small, (x, y), size, ink, -1)
            if wet:
                cv2.line(small, (x, y), (x, y + 3 + 5 * size), [part * 0.4 for part in ink], 1)
        wide = max(width // 8 // 26, 1) * 2 + 1
        halo = cv2.GaussianBlur(small, (wide, wide), 0)
        far = cv2.blur(cv2.blur(halo, (wide * 2, wide * 2)), (wide * 2, wide * 2))
        both = cv2.resize(cv2.addWeighted(halo, 1.4, far, 2.6, 0), (width, height))
        return np.asarray(cv2.add(image, both), np.uint8)

    def finish(self, image: Bytes, index: int) -> Bytes:
        """Return the picture as the camera would send it."""
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


def _noise(rng: np.random.Generator) -> Bytes:
    """Noise of a sensor, (256, 256, 3), about 128."""
    return np.clip(rng.normal(128, 42, (256, 256, 3)), 0, 255).astype(np.uint8)


def _streaks(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Rain to add to a picture, a quarter larger than it."""
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


def _flakes(rng: np.random.Generator, width: int, height: int) -> Bytes:
    """Falling snow to add to a picture, a quarter larger than it."""
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


def lightmap(
    canvas: Canvas, camera: PinholeCamera, style: Look, shadows: list[Floats],
    pools: list[tuple[Floats, float]], rough: Bytes,
) -> None:
    """Light the ground below the horizon in place: shadows, lamps' pools, own headlights."""
    top = max(int(camera.horizon), 0)
    if top >= canvas.height:
        return
    ground = canvas.pixels[top:]
    size = (max(canvas.width // 4, 1), max((canvas.height - top) // 4, 1))
    level = style.ambient + style.sun * math.sin(style.elevation)
    small = np.full((size[1], size[0]), min(level * 128, 255), np.uint8)
    if style.night:
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
    if style.night:
        small = np.asarray(cv2.GaussianBlur(small, (0, 0), size[0] / 60), np.uint8)
    full = cv2.resize(small, (canvas.width, canvas.height - top))
    if len(rough):
        cv2.multiply(full[-len(rough):], rough, full[-len(rough):], scale=1 / 128)
    unit = np.full_like(full, 128)
    cv2.multiply(ground, cv2.merge([full, full, full, unit]), ground, scale=1 / 128)


def _paint(small: Bytes, outline: Floats, top: int, level: float) -> None:
    """Fill an outline of the full picture in the quarter-size light map."""
    if len(outline) > 2:
        points = (outline - (0, top)) / 4
        points = np.rint(np.clip(points, -8000, 8000) * 16).astype(np.int32)
        cv2.fillPoly(small, [points], (level,), cv2.LINE_8, 4)


def _beam(camera: PinholeCamera, size: tuple[int, int], top: int, level: float) -> Bytes:
    """Light of the own headlights over a (width, height) ground, uint8."""
    rows = (np.arange(size[1]) + 0.5) * 4 + top - camera.horizon
    depth = camera.z * camera.focal / np.maximum(rows, 1.0)
    columns = np.linspace(-1, 1, size[0]) * camera.width / 2 / camera.focal
    along = 0.75 * np.exp(-((depth - 11) / 17) ** 2)
    across = np.exp(-(columns / 0.36) ** 2)
    beam = level + along[:, None] * (0.15 + across[None, :])
    return np.asarray(np.clip(beam * 128, 0, 255), np.uint8)
