# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures made once per drive: asphalt grain, foliage, facades and the sky."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import Bytes, Colour, Texture
from .classes import SKY
from .weather import Look

_CELL = 3.0  # metres of facade per window column and per floor
_DENSITY = 20  # texels per metre of facade

WALLS: tuple[Colour, ...] = (
    (96, 118, 168), (150, 190, 214), (200, 214, 222), (120, 150, 196), (170, 176, 178),
    (88, 98, 140), (176, 200, 190), (196, 186, 172), (132, 176, 222), (210, 220, 230),
    (108, 128, 140), (150, 160, 206))


def grain(rng: np.random.Generator) -> Bytes:
    """Noise of several scales about 128, (512, 512), that can be tiled."""
    fine = rng.integers(58, 199, (512, 512), np.uint8)
    total = fine
    for cells, share in ((128, 0.5), (32, 0.42), (8, 0.35)):
        coarse = rng.integers(28, 229, (cells, cells), np.uint8)
        wrapped = np.pad(coarse, 2, mode='wrap')
        step = 512 // cells
        large = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        large = large[2 * step:-2 * step, 2 * step:-2 * step]
        total = np.asarray(cv2.addWeighted(total, 1 - share, large, share, 0), np.uint8)
    return total


def foliage(rng: np.random.Generator, style: Look, kind: str) -> Texture:
    """A tree ('round', 'tall', 'cone') or a bush ('bush'), 192 x 256 with opacity."""
    picture = np.zeros((256, 192, 4), np.uint8)
    hue = np.array(((40, 112, 66), (34, 92, 74), (52, 128, 92), (30, 110, 118), (36, 104, 150)
                    )[int(rng.choice(5, p=(0.32, 0.24, 0.2, 0.14, 0.1)))], float)
    if kind != 'bush':
        bark = np.array((52, 70, 88)) * rng.uniform(0.7, 1.2)
        cv2.fillConvexPoly(picture, np.array([[88, 255], [91, 120], [101, 120], [104, 255]]),
                           (*bark.tolist(), 255))
    centres = _crown(rng, kind)
    if kind != 'cone':
        middle = {'round': ((96, 92), (66, 66)), 'tall': ((96, 100), (44, 86)),
                  'bush': ((96, 180), (74, 74))}[kind]
        cv2.ellipse(picture, middle[0], middle[1], 0, 0, 360, (*(hue * 0.5).tolist(), 255), -1)
    for x, y in centres:
        light = 0.62 + 0.5 * (1 - y / 256) + rng.normal(0, 0.13)
        colour = hue * max(light, 0.1)
        white = rng.random()
        if style.snow and white < 0.62 - 0.3 * y / 256:
            colour = np.array((236, 230, 226)) * (0.86 + 0.3 * white)
        radius = int(rng.integers(5, 13))
        cv2.circle(picture, (int(x), int(y)), radius,
                   (*colour.tolist(), 255), -1)
    if kind == 'bush':
        picture[:, :, :] = cv2.resize(picture[100:256], (192, 256))
    return Texture(picture)


def _crown(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Centres (N, 2) of the leaf clumps of a plant, those behind first."""
    count = 260
    angle = rng.uniform(0, 2 * np.pi, count)
    far = np.sqrt(rng.uniform(0, 1, count))
    if kind == 'cone':
        y = 14 + 206 * np.sqrt(rng.uniform(0, 1, count))
        x = 96 + rng.uniform(-1, 1, count) * (4 + 66 * (y - 14) / 206)
    else:
        middle, reach = {'round': ((96, 92), (78, 78)), 'tall': ((96, 100), (52, 92)),
                         'bush': ((96, 186), (84, 74))}[kind]
        x = middle[0] + reach[0] * far * np.cos(angle)
        y = middle[1] + reach[1] * far * np.sin(angle)
    order = np.argsort(-y)
    return np.stack([x[order], np.clip(y[order], 0, 255)], axis=1)


def hedge(rng: np.random.Generator, style: Look) -> Texture:
    """Leaves all over, 96 x 48, opaque."""
    hue = np.array((42, 100, 62)) * rng.uniform(0.75, 1.25)
    picture = np.full((48, 96, 4), 255, np.uint8)
    picture[:, :, :3] = np.clip(hue * 0.6, 0, 255)
    for x, y in rng.uniform(0, 1, (260, 2)):
        colour = (hue * (0.65 + 0.5 * (1 - y) + rng.normal(0, 0.12)))
        if style.snow and y < 0.3 + rng.normal(0, 0.1):
            colour = np.array((238, 234, 230))
        cv2.circle(picture, (int(x * 96), int(y * 48)), int(rng.integers(2, 5)),
                   (*colour.tolist(), 255), -1)
    return Texture(picture, solid=True)


class Facade:
    """The front of a building type: its picture and its size in metres."""

    def __init__(self, rng: np.random.Generator, style: Look, floors: int, columns: int) -> None:
        self.width = columns * _CELL
        self.height = floors * _CELL + 0.6
        self.wall: Colour = WALLS[int(rng.integers(len(WALLS)))]
        # Two streams: what is lit or snowed on must not change the shape of the house.
        self._glow = np.random.Generator(np.random.PCG64(int(rng.integers(1 << 30))))
        self._style = style
        self._dim = 0.3 if style.night else 1.0
        shape = (int(self.height * _DENSITY), int(self.width * _DENSITY))
        picture = np.full((*shape, 4), 255, np.uint8)
        picture[:, :, :3] = np.multiply(self.wall, self._dim)
        self._bricks(rng, picture)
        wide, high = rng.uniform(0.34, 0.7), rng.uniform(0.42, 0.68)
        frame = np.array((225, 228, 230) if rng.random() < 0.7 else (60, 60, 66)) * self._dim
        shop = rng.random() < 0.35
        step = int(_CELL * _DENSITY)
        for floor in range(floors):
            top = int(0.6 * _DENSITY) + floor * step
            ground = floor == floors - 1
            door = int(rng.integers(columns)) if ground else -1
            for column in range(columns):
                box = (column * step, top, step)
                if column == door:
                    self._door(rng, picture, box)
                elif ground and shop:
                    self._window(picture, box, 0.88, 0.72, frame)
                else:
                    self._window(picture, box, wide, high, frame)
            if rng.random() < 0.3:
                _box(picture, 0, top - 3, shape[1], top + 1, np.multiply(frame, 0.8))
        cap = (244, 240, 236) if style.snow else np.multiply(self.wall, 0.6 * self._dim)
        _box(picture, 0, 0, shape[1], int(0.25 * _DENSITY), np.asarray(cap, float))
        self.texture = Texture(picture, solid=True)

    def _bricks(self, rng: np.random.Generator, picture: Bytes) -> None:
        """Give the wall rows of bricks, or stains."""
        if rng.random() < 0.5:
            rows = np.arange(0, picture.shape[0], 6)
            picture[rows, :, :3] = (picture[rows, :, :3] * 0.84).astype(np.uint8)
        cells = rng.integers(118, 138, (picture.shape[0] // 8 + 1, picture.shape[1] // 16 + 1),
                             np.uint8)
        stain = cv2.resize(cells, (picture.shape[1], picture.shape[0]),
                           interpolation=cv2.INTER_NEAREST)
        unit = np.full_like(stain, 128)
        cv2.multiply(picture, cv2.merge([stain, stain, stain, unit]), picture, scale=1 / 128)

    def _window(self, picture: Bytes, box: tuple[int, int, int], wide: float, high: float,
                frame: np.ndarray) -> None:
        """Draw one window with its frame and cross-bar."""
        left, top, step = box
        x0, x1 = left + step * (1 - wide) / 2, left + step * (1 + wide) / 2
        y0 = top + step * 0.16
        y1 = y0 + step * high
        _box(picture, x0 - 3, y0 - 3, x1 + 3, y1 + 3, frame)
        lit = self._glow.random() < 0.36
        tone = self._glow.uniform(0.7, 1.3)
        if self._style.night:
            glass = np.array((110, 190, 235)) * tone if lit else np.array((34, 28, 24)) * tone
        else:
            glass = np.array((112, 92, 76)) * tone
        _box(picture, x0, y0, x1, y1, np.minimum(glass, 255))
        if not self._style.night:
            _box(picture, x0, y0, x1, y0 + (y1 - y0) * 0.35, np.minimum(glass * 1.35, 255))
        middle = (x0 + x1) / 2
        _box(picture, middle - 1.5, y0, middle + 1.5, y1, frame)
        sill = np.array((246, 242, 240)) if self._style.snow else frame * 0.75
        _box(picture, x0 - 5, y1 + 3, x1 + 5, y1 + 7, sill)

    def _door(self, rng: np.random.Generator, picture: Bytes, box: tuple[int, int, int]) -> None:
        """Draw a house door that reaches the ground."""
        left, top, step = box
        colour = rng.uniform(30, 150, 3) * self._dim
        x0, x1 = left + step * 0.3, left + step * 0.7
        _box(picture, x0 - 4, top + step * 0.22, x1 + 4, top + step, colour * 0.6)
        _box(picture, x0, top + step * 0.28, x1, top + step, colour)


def _box(picture: Bytes, x0: float, y0: float, x1: float, y1: float, colour: np.ndarray) -> None:
    """Fill a box of an opaque picture, cut at its edges."""
    rows = slice(max(int(y0), 0), max(int(y1), 0))
    columns = slice(max(int(x0), 0), max(int(x1), 0))
    picture[rows, columns, :3] = np.clip(colour, 0, 255)


class Sky:
    """A panorama of clouds over a gradient."""

    WIDTH, HEIGHT = 1024, 128
    SPAN = 0.72  # radians from the horizon to its top row

    def __init__(self, rng: np.random.Generator, style: Look) -> None:
        cover = rng.uniform(0.25, 0.75)
        total = np.zeros((self.HEIGHT, self.WIDTH), np.float32)
        for cells, share in ((6, 0.5), (14, 0.28), (34, 0.14), (90, 0.08)):
            noise = rng.random((cells, cells * 5)).astype(np.float32)
            noise[:, -1] = noise[:, 0]
            size = (self.WIDTH, self.HEIGHT)
            total += share * cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
        cloud = np.clip((total - 0.62 + 0.35 * cover) * 5, 0, 0.92)[:, :, None]
        height = np.linspace(1, 0, self.HEIGHT, dtype=np.float32)[:, None, None]
        mix = height ** 0.7
        low = np.asarray(style.sky_low, np.float32)
        base = low * (1 - mix) + np.asarray(style.sky_top, np.float32) * mix
        picture = base * (1 - cloud) + np.asarray(style.cloud, np.float32) * cloud
        stars = rng.integers(0, (self.HEIGHT - 30, self.WIDTH), (150, 2))
        if style.night:
            picture[stars[:, 0], stars[:, 1]] += 60
        full = np.full((self.HEIGHT, 2 * self.WIDTH, 4), SKY, np.uint8)
        full[:, :self.WIDTH, :3] = np.clip(picture, 0, 255)
        full[:, self.WIDTH:] = full[:, :self.WIDTH]
        self._picture = full

    def view(self, yaw: float, focal: float, width: int, rows: int) -> Bytes:
        """Return the (rows, width, 4) sky with its truth around a heading, radians."""
        reach = np.arctan(width / 2 / focal)
        per = self.WIDTH / (2 * np.pi)
        left = int((-yaw - reach) * per) % self.WIDTH
        right = left + max(int(2 * reach * per), 2)
        top = int(self.HEIGHT * max(1 - np.arctan(rows / focal) / self.SPAN, 0.0))
        part = self._picture[min(top, self.HEIGHT - 2):, left:right]
        return np.asarray(cv2.resize(part, (width, rows), interpolation=cv2.INTER_LINEAR),
                          np.uint8)
