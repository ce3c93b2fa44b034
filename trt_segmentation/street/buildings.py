# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Houses beside the road, and the textures of their facades."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .camera import Floats
from .canvas import BUILDING, Bytes, Colour, Texture
from .look import Look
from .view import cast_shadow, draw_wall, SceneView, Thing

_CELL = 3.0
"""Height of a floor and width of a column of windows, in metres."""
_DENSITY = 20
"""Resolution of a facade's texture, in texels (pixels of the texture) per metre."""

WALLS: tuple[Colour, ...] = (
    (96, 118, 168), (150, 190, 214), (200, 214, 222), (120, 150, 196), (170, 176, 178),
    (88, 98, 140), (176, 200, 190), (196, 186, 172), (132, 176, 222), (210, 220, 230),
    (108, 128, 140), (150, 160, 206))


class Facade:
    """The facade of one type of building: texture and size. The size is in metres."""

    def __init__(self, rng: np.random.Generator, style: Look, floors: int, columns: int) -> None:
        self.width = columns * _CELL
        self.height = floors * _CELL + 0.6
        self.wall: Colour = WALLS[int(rng.integers(len(WALLS)))]
        # The light in the windows comes from a separate random generator. So this light does not
        # change the other random numbers of the house.
        self._glow = np.random.Generator(np.random.PCG64(int(rng.integers(1 << 30))))
        self._style = style
        self._dim = 0.3 if style.is_night else 1.0
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
                _fill_box(picture, 0, top - 3, shape[1], top + 1, np.multiply(frame, 0.8))
        cap = (244, 240, 236) if style.is_snow else np.multiply(self.wall, 0.6 * self._dim)
        _fill_box(picture, 0, 0, shape[1], int(0.25 * _DENSITY), np.asarray(cap, float))
        self.texture = Texture(picture, solid=True)

    def _bricks(self, rng: np.random.Generator, picture: Bytes) -> None:
        """Add rows of bricks to half of the walls, and stains to all walls."""
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
        left, top, step = box
        x0, x1 = left + step * (1 - wide) / 2, left + step * (1 + wide) / 2
        y0 = top + step * 0.16
        y1 = y0 + step * high
        _fill_box(picture, x0 - 3, y0 - 3, x1 + 3, y1 + 3, frame)
        lit = self._glow.random() < 0.36
        tone = self._glow.uniform(0.7, 1.3)
        if self._style.is_night:
            glass = np.array((110, 190, 235)) * tone if lit else np.array((34, 28, 24)) * tone
        else:
            glass = np.array((112, 92, 76)) * tone
        _fill_box(picture, x0, y0, x1, y1, np.minimum(glass, 255))
        if not self._style.is_night:
            _fill_box(picture, x0, y0, x1, y0 + (y1 - y0) * 0.35, np.minimum(glass * 1.35, 255))
        middle = (x0 + x1) / 2
        _fill_box(picture, middle - 1.5, y0, middle + 1.5, y1, frame)
        sill = np.array((246, 242, 240)) if self._style.is_snow else frame * 0.75
        _fill_box(picture, x0 - 5, y1 + 3, x1 + 5, y1 + 7, sill)

    def _door(self, rng: np.random.Generator, picture: Bytes, box: tuple[int, int, int]) -> None:
        left, top, step = box
        colour = rng.uniform(30, 150, 3) * self._dim
        x0, x1 = left + step * 0.3, left + step * 0.7
        _fill_box(picture, x0 - 4, top + step * 0.22, x1 + 4, top + step, colour * 0.6)
        _fill_box(picture, x0, top + step * 0.28, x1, top + step, colour)


def _fill_box(picture: Bytes, x0: float, y0: float, x1: float, y1: float, colour: np.ndarray
              ) -> None:
    """Fill a box in an opaque texture. The part of the box outside the texture is ignored."""
    rows = slice(max(int(y0), 0), max(int(y1), 0))
    columns = slice(max(int(x0), 0), max(int(x1), 0))
    picture[rows, columns, :3] = np.clip(colour, 0, 255)


class Building(Thing):
    """A house beside the road.

    :param depth: distance from the front to the back in metres.
    :param roof: height of a pitched roof in metres; 0 for a flat roof.
    :param tiles: colour of the roof.
    :param hidden: whether the neighbouring house hides the side wall that faces the camera.
    """

    def __init__(self, facade: Facade, s: float, t: float, period: float, depth: float,
                 roof: float, tiles: Colour, hidden: bool) -> None:
        super().__init__(s, t, period)
        self._hidden, self._facade, self._roof, self._tiles = hidden, facade, roof, tiles
        self._depth = math.copysign(depth, t)
        self.tail = facade.width

    def _corners(self, view: SceneView, s: float, t: float) -> Floats:
        """Return four ground points: near front, far front, far back, near back."""
        front = view.road.at([s, s + self._facade.width], t)
        along = (front[1] - front[0]) / max(float(np.linalg.norm(front[1] - front[0])), 1e-6)
        back = np.array([-along[1], along[0], 0.0]) * self._depth
        return np.stack([front[0], front[1], front[1] + back, front[0] + back])

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the walls that face the camera, and the roof."""
        corners = self._corners(view, s, t)
        left = t > 0
        eye = np.array([view.camera.x, view.camera.y])
        height, roof = self._facade.height, self._roof
        tiles: Colour = (232, 225, 219) if view.look.is_snow else self._tiles
        for i, j in ((2, 3), (1, 2), (3, 0), (0, 1)):
            a, b = (corners[i], corners[j]) if left else (corners[j], corners[i])
            side = (b - a)[0] * (eye - a[:2])[1] - (b - a)[1] * (eye - a[:2])[0]
            if i == 0 and roof:
                self._draw_roof(view, corners, tiles)
            if side >= 0 or (self._hidden and i == 3):
                continue
            draw_wall(view, self._facade.texture, np.stack([a, b]), height, BUILDING, True)
            if roof and (i, j) in ((1, 2), (3, 0)):
                top = (a + b) / 2 + (0, 0, height + roof)
                gable = view.camera.outline(
                    np.stack([a + (0, 0, height), top, b + (0, 0, height)]))
                depth = float(np.hypot(*(eye - top[:2])))
                wall = np.multiply(self._facade.wall, 0.8 * view.look.facade)
                dim = 0.3 if view.look.is_night else 1.0
                share = view.look.clear(depth)
                colour = wall * dim * share + np.multiply(view.look.haze, 1 - share)
                if len(gable):
                    view.canvas.convex(gable, colour.tolist(), BUILDING)

    def _draw_roof(self, view: SceneView, corners: Floats, tiles: Colour) -> None:
        up, ridge = (0, 0, self._facade.height), (0, 0, self._facade.height + self._roof)
        slope = np.stack([corners[0] + up, corners[1] + up,
                          (corners[1] + corners[2]) / 2 + ridge,
                          (corners[0] + corners[3]) / 2 + ridge])
        outline = view.camera.outline(slope)
        if len(outline):
            depth = float(np.hypot(corners[0][0] - view.camera.x, corners[0][1] - view.camera.y))
            view.canvas.convex(outline, view.look.shade(tiles, max(depth, 12.0), 0.6), BUILDING)

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """Return the (N, 3) outlines of the shadow on the ground, in world coordinates."""
        if view.look.sun < 0.2:
            return []
        front = self._corners(view, s, t)[:2]
        far = cast_shadow(view.look, front, self._facade.height * 0.8)
        return [np.concatenate([front, far[::-1]])]
