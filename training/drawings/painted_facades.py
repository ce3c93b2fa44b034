# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Facades of many styles for training: shops, brick, plaster, glass, arches and bands."""

from __future__ import annotations

import math

import cv2
import numpy as np

from trt_segmentation.street.buildings import Building, Facade
from trt_segmentation.street.canvas import BUILDING, Bytes, Colour, Texture
from trt_segmentation.street.view import SceneView

from .painted_trees import noise_field, Rng

_DENSITY = 20
"""Resolution in texels per metre."""
_WALLS: tuple[Colour, ...] = (
    (70, 90, 140), (60, 75, 110), (120, 160, 190), (190, 205, 215), (225, 230, 232),
    (150, 155, 160), (100, 105, 110), (60, 62, 66), (110, 140, 170), (140, 120, 100),
    (170, 195, 205), (80, 100, 95))


def _box(picture: Bytes, x0: float, y0: float, x1: float, y1: float, colour: np.ndarray) -> None:
    rows = slice(max(int(y0), 0), max(int(y1), 0))
    columns = slice(max(int(x0), 0), max(int(x1), 0))
    picture[rows, columns, :3] = np.clip(colour, 0, 255)


class PaintedFacade(Facade):
    """A facade of a random style. Sizes are in metres."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        floors = int(rng.choice((1, 2, 2, 3, 3, 4, 5, 7)))
        self._storey = rng.uniform(2.7, 3.8)
        self.width, self.height = rng.uniform(5, 20), floors * self._storey + rng.uniform(0.3, 1.2)
        self.wall: Colour = tuple(np.clip(
            np.array(_WALLS[int(rng.integers(len(_WALLS)))]) * rng.uniform(0.6, 1.15)
            + rng.normal(0, 8, 3), 5, 250).tolist())
        if rng.random() < 0.15:                 # whitewash
            self.wall = tuple(rng.uniform(225, 250, 3).tolist())
        shape = (int(self.height * _DENSITY), int(self.width * _DENSITY))
        self._picture = np.full((*shape, 4), 255, np.uint8)
        self._plaster()
        style = rng.random()
        step = rng.uniform(1.3, 4.5)
        count = max(int(self.width / step), 1)
        self._frame = np.full(3, rng.choice((20, 60, 150, 225, 235))) * rng.uniform(0.9, 1.1, 3)
        self._wide, self._high = rng.uniform(0.3, 0.95), rng.uniform(0.35, 0.9)
        self._arched, self._panes = rng.random() < 0.15, int(rng.integers(1, 4))
        if style < 0.08:
            floors, count = (floors, 0) if rng.random() < 0.5 else (0, 0)
        top = self.height - floors * self._storey
        for floor in range(floors):
            y = (top + floor * self._storey) * _DENSITY
            for column in range(count):
                if rng.random() < 0.95:
                    self._add_window((column + 0.5) * shape[1] / count, y, shape[1] / count)
            if rng.random() < 0.35:
                _box(self._picture, 0, y - 2, shape[1], y + rng.uniform(1, 6),
                     np.multiply(self.wall, rng.uniform(0.5, 1.5)))
        if rng.random() < 0.5:
            self._shop()
        for _ in range(int(rng.integers(0, 4))):
            x = rng.uniform(0, shape[1])
            _box(self._picture, x, 0, x + rng.uniform(1, 8), shape[0],
                 np.multiply(self.wall, rng.uniform(0.4, 1.4)))
        _box(self._picture, 0, 0, shape[1], rng.uniform(0, 12),
             np.multiply(self.wall, rng.uniform(0.4, 1.6)))
        self.texture = Texture(self._picture, solid=True)

    def _plaster(self) -> None:
        rng, picture = self._rng, self._picture
        rows, columns = picture.shape[:2]
        stain = noise_field(rng, (rows, columns), (3, 9, 30, 90), 0.7)[:, :, None]
        picture[:, :, :3] = np.clip(
            np.array(self.wall) * (1 + rng.uniform(0.02, 0.22) * stain), 0, 255)
        kind = rng.random()
        if kind < 0.4:
            gap, depth = int(rng.integers(3, 9)), rng.uniform(0.7, 0.95)
            picture[::gap, :, :3] = picture[::gap, :, :3] * depth
        elif kind < 0.5:
            gap = int(rng.integers(4, 40))
            picture[:, ::gap, :3] = picture[:, ::gap, :3] * rng.uniform(0.6, 0.95)

    def _glass(self, rows: int, columns: int) -> np.ndarray:
        """Return (rows, columns, 3) of a window pane: dark, a curtain or a reflection."""
        rng, kind = self._rng, self._rng.random()
        if kind < 0.55:
            tone = rng.uniform(8, 80) * rng.uniform(0.85, 1.15, 3)
        elif kind < 0.75:
            tone = rng.uniform(120, 240) * rng.uniform(0.9, 1.1, 3)
        else:
            tone = np.array((200, 170, 140)) * rng.uniform(0.4, 1.2)
        pane = np.ones((rows, columns, 1)) * tone
        pane *= np.linspace(rng.uniform(0.6, 1.5), rng.uniform(0.6, 1.2), rows)[:, None, None]
        if rng.random() < 0.4:
            cut = int(rng.uniform(0, rows))
            pane[cut:] *= rng.uniform(0.4, 1.3)
        return pane

    def _add_window(self, x: float, y: float, step: float) -> None:
        storey = self._storey * _DENSITY
        half, high = step * self._wide / 2, storey * self._high
        y += storey * (1 - self._high) * 0.45
        x0, x1, y0, y1 = (round(v) for v in (x - half, x + half, y, y + high))
        x0, y0, y1 = max(x0, 0), max(y0, 0), min(y1, self._picture.shape[0])
        x1 = min(x1, self._picture.shape[1])
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        _box(self._picture, x0 - 2, y0 - 2, x1 + 2, y1 + 2, self._frame)
        pane = self._glass(y1 - y0, x1 - x0)
        if self._arched:
            gy, gx = np.mgrid[:y1 - y0, :x1 - x0]
            bow = (x1 - x0) / 2
            arch = (gy < bow) & ((gx - bow) ** 2 + (gy - bow) ** 2 > bow ** 2)
            pane[arch] = self.wall
        self._picture[y0:y1, x0:x1, :3] = np.clip(pane, 0, 255)
        for index in range(1, self._panes):
            cut = x0 + (x1 - x0) * index / self._panes
            _box(self._picture, cut - 1, y0, cut + 1, y1, self._frame)
        if self._panes > 1:
            _box(self._picture, x0, (y0 + y1) / 2 - 1, x1, (y0 + y1) / 2 + 1, self._frame)

    def _shop(self) -> None:
        """Paint a ground floor with shop windows, goods, a sign above and perhaps an awning."""
        rng, picture = self._rng, self._picture
        rows, columns = picture.shape[:2]
        top = rows - self._storey * _DENSITY
        front = rng.uniform(10, 240) * rng.uniform(0.5, 1.5, 3)
        _box(picture, 0, top, columns, rows, front)
        x = 0.0
        while x < columns:
            wide = rng.uniform(14, 90)
            y0, y1 = int(top + rng.uniform(10, 22)), int(rows - rng.uniform(0, 16))
            x0, x1 = int(x + 2), int(min(x + wide, columns))
            if x1 - x0 > 3 and y1 - y0 > 3:
                picture[y0:y1, x0:x1, :3] = np.clip(self._glass(y1 - y0, x1 - x0), 0, 255)
                for _ in range(int(rng.integers(0, 7))):
                    gx, gy = rng.uniform(x0, x1), rng.uniform(y0, y1)
                    _box(picture, gx, gy, min(gx + rng.uniform(2, 20), x1),
                         min(gy + rng.uniform(2, 20), y1), rng.uniform(0, 255, 3))
            x += wide
        board = rng.uniform(0, 255, 3)
        _box(picture, 0, top, columns, top + rng.uniform(8, 18), board)
        text = ''.join(chr(65 + int(c)) for c in rng.integers(0, 26, int(rng.integers(4, 12))))
        plain = np.ascontiguousarray(picture[:, :, :3])
        ink = tuple((rng.uniform(120, 255) if board.mean() < 128 else rng.uniform(0, 90))
                    * rng.uniform(0.6, 1.0, 3))
        cv2.putText(plain, text, (int(rng.uniform(0, columns / 2)), int(top + 13)),
                    int(rng.integers(0, 6)), rng.uniform(0.35, 0.7), ink, 1, cv2.LINE_AA)
        picture[:, :, :3] = plain
        if rng.random() < 0.3:
            awning = rng.uniform(20, 240, 3)
            for index in range(0, columns, 6):
                shade = 1.0 if index % 12 else rng.uniform(0.5, 1.6)
                _box(picture, index, top + 12, index + 6, top + 26, awning * shade)


class House(Building):
    """A building with chimneys, or with a tower."""

    def draw(self, view: SceneView, s: float, t: float) -> None:
        super().draw(view, s, t)
        tall = self._facade.height + self._roof
        rng = np.random.Generator(np.random.PCG64(int(abs(self._s) * 100)))
        tower = rng.random() < 0.1
        for _ in range(int(rng.integers(0, 4))):
            along, half = rng.uniform(0, self._facade.width), rng.uniform(0.25, 0.6)
            top = tall + rng.uniform(0.6, 1.8)
            if tower:
                half, top = rng.uniform(1.5, 3.5), tall + rng.uniform(3, 15)
            place = view.road.at(s + along, t + self._depth / 2)[0]
            side = np.array([math.sin(view.camera.yaw), -math.cos(view.camera.yaw), 0.0]) * half
            corners = np.stack([place - side + (0, 0, self._facade.height), place - side
                                + (0, 0, top), place + side + (0, 0, top),
                                place + side + (0, 0, self._facade.height)])
            outline = view.camera.outline(corners)
            depth = float(np.hypot(*(place[:2] - (view.camera.x, view.camera.y))))
            colour = np.multiply(self._facade.wall, rng.uniform(0.5, 1.1)).tolist()
            if len(outline) > 2:
                view.canvas.convex(outline, view.look.shade(colour, depth), BUILDING)
