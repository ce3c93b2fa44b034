# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What stands beside the road: houses, plants, lamps, signs and signals."""

from __future__ import annotations

import math

import numpy as np

from .camera import Floats, NEAR
from .canvas import Colour, Texture
from .classes import BUILDING, POLE, SIGN, VEGETATION
from .texture import Facade
from .view import cast, SceneView, wrap

_STEEL: tuple[Colour, ...] = (
    (120, 122, 124), (70, 74, 72), (44, 52, 48), (150, 152, 152), (60, 64, 86))
_RED, _WHITE, _BLUE, _BLACK = (40, 34, 200), (238, 240, 240), (176, 84, 28), (30, 30, 30)
_YELLOW = (40, 200, 242)
_THIN = 2.5  # pixels at 1280 wide below which a pole is not drawn


class Standing:
    """Something that stays at one place beside the road."""

    tail = 0.0

    def __init__(self, s: float, t: float, period: float) -> None:
        self._s, self._t, self._period = s, t, period

    def place(self, time: float, s: float) -> tuple[float, float]:
        """Place (s, t) in metres, for a camera at s."""
        return wrap(self._s, s, self._period), self._t

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """World (N, 3) outlines of its shadow on the ground."""
        return []


def _slab(view: SceneView, texture: Texture | None, ends: Floats, low: float, high: float,
          colour: Colour, label: int, facade: bool = False) -> None:
    """Draw an upright wall over the ground line ends (2, 3), seen left to right."""
    camera = view.camera
    turned = camera.turn(ends)
    forward = turned[:, 2]
    near = NEAR + 0.3
    if forward.max() < near + 0.05:
        return
    start, end = 0.0, 1.0
    if forward[0] < near:
        start = float((near - forward[0]) / (forward[1] - forward[0]))
    elif forward[1] < near:
        end = float((near - forward[0]) / (forward[1] - forward[0]))
    a, b = ends[0] + start * (ends[1] - ends[0]), ends[0] + end * (ends[1] - ends[0])
    pixels, depths = camera.project(np.stack([
        a + (0, 0, high), b + (0, 0, high), b + (0, 0, low), a + (0, 0, low)]))
    if pixels[:, 0].max() < 0 or pixels[:, 0].min() > view.canvas.width:
        return
    depth = float(depths.mean())
    along = ends[1] - ends[0]
    normal = np.array([along[1], -along[0], 0.0]) / max(float(np.hypot(*along[:2])), 1e-6)
    lambert = float(-normal @ view.look.towards_sun)
    if texture is None:
        view.canvas.convex(pixels, view.look.shade(colour, depth, lambert), label)
        return
    gain, haze = view.look.gain(lambert, depth, facade)
    view.canvas.plane(texture, pixels, gain, haze, label, (start, end))


class Building(Standing):
    """A house along the road, flat or with a pitched roof."""

    def __init__(self, facade: Facade, s: float, t: float, period: float, depth: float,
                 roof: float, tiles: Colour, hidden: bool) -> None:
        super().__init__(s, t, period)
        self._hidden = hidden  # whether a house next door covers its near end
        self._facade = facade
        self._depth = math.copysign(depth, t)
        self._roof = roof
        self._tiles = tiles
        self.tail = facade.width

    def _corners(self, view: SceneView, s: float, t: float) -> Floats:
        """Ground (4, 3): near front, far front, far back, near back."""
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
        tiles: Colour = (232, 225, 219) if view.look.snow else self._tiles
        for i, j in ((2, 3), (1, 2), (3, 0), (0, 1)):
            a, b = (corners[i], corners[j]) if left else (corners[j], corners[i])
            side = (b - a)[0] * (eye - a[:2])[1] - (b - a)[1] * (eye - a[:2])[0]
            if i == 0 and roof:
                self._pitch(view, corners, tiles)
            if side >= 0 or (self._hidden and i == 3):
                continue
            _slab(view, self._facade.texture, np.stack([a, b]), 0.0, height, (0, 0, 0),
                  BUILDING, True)
            if roof and (i, j) in ((1, 2), (3, 0)):
                top = (a + b) / 2 + (0, 0, height + roof)
                gable = view.camera.outline(
                    np.stack([a + (0, 0, height), top, b + (0, 0, height)]))
                depth = float(np.hypot(*(eye - top[:2])))
                wall = np.multiply(self._facade.wall, 0.8 * view.look.facade)
                dim = 0.3 if view.look.night else 1.0
                share = view.look.clear(depth)
                colour = wall * dim * share + np.multiply(view.look.haze, 1 - share)
                if len(gable):
                    view.canvas.convex(gable, colour.tolist(), BUILDING)

    def _pitch(self, view: SceneView, corners: Floats, tiles: Colour) -> None:
        """Draw the slope of the roof that faces the road."""
        up, ridge = (0, 0, self._facade.height), (0, 0, self._facade.height + self._roof)
        slope = np.stack([corners[0] + up, corners[1] + up,
                          (corners[1] + corners[2]) / 2 + ridge,
                          (corners[0] + corners[3]) / 2 + ridge])
        outline = view.camera.outline(slope)
        if len(outline):
            depth = float(np.hypot(corners[0][0] - view.camera.x, corners[0][1] - view.camera.y))
            view.canvas.convex(outline, view.look.shade(tiles, max(depth, 12.0), 0.6), BUILDING)

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """World (N, 3) outlines of its shadow on the ground."""
        if view.look.sun < 0.2:
            return []
        front = self._corners(view, s, t)[:2]
        far = cast(view.look, front, self._facade.height * 0.8)
        return [np.concatenate([front, far[::-1]])]


class Plant(Standing):
    """A tree or a bush: a flat picture that faces the camera."""

    def __init__(self, texture: Texture, s: float, t: float, period: float, width: float,
                 height: float) -> None:
        super().__init__(s, t, period)
        self._texture, self._width, self._height = texture, width, height

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw itself with its truth."""
        foot, scale, depth = view.upright(s, t)
        wide, high = self._width * scale / 2, self._height * scale
        out = not -wide < foot[0] < view.canvas.width + wide
        if out or depth < 1.5 or high < 9 * view.camera.zoom or wide > 3 * view.canvas.width:
            return
        x, y = foot
        quad = np.array([(x - wide, y - high), (x + wide, y - high), (x + wide, y),
                         (x - wide, y)])
        gain, haze = view.look.gain(0.6, depth)
        view.canvas.plane(self._texture, quad, gain, haze, VEGETATION)

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """World (N, 3) outlines of its shadow on the ground."""
        foot = view.road.at(s, t)
        turn = np.linspace(0, 2 * np.pi, 12)[:-1]
        ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
        if view.look.sun < 0.2:
            return [foot + ring * 0.3 * self._width]
        crown = cast(view.look, foot, self._height * 0.6) + ring * 0.45 * self._width
        return [np.asarray(crown)]


class Hedge(Standing):
    """A clipped hedge along the road."""

    def __init__(self, texture: Texture, s: float, t: float, period: float, length: float,
                 height: float) -> None:
        super().__init__(s, t, period)
        self._texture, self._height = texture, height
        self.tail = length

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw its end and the side towards the road."""
        front = view.road.at([s, s + self.tail], t)
        back = view.road.at(s, t + math.copysign(0.9, t))
        end = np.stack([back[0], front[0]]) if t > 0 else np.stack([front[0], back[0]])
        _slab(view, self._texture, end, 0.0, self._height, (0, 0, 0), VEGETATION)
        ends = front if t > 0 else front[::-1]
        _slab(view, self._texture, ends, 0.0, self._height, (0, 0, 0), VEGETATION)


class Lamp(Standing):
    """A street lamp with an arm over the road."""

    def __init__(self, rng: np.random.Generator, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        self._width = rng.uniform(0.17, 0.24)
        self._height = rng.uniform(5.5, 8.5)
        self._arm = rng.uniform(1.0, 2.4)
        self._colour = _STEEL[int(rng.integers(len(_STEEL)))]

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw itself with its truth."""
        foot, scale, depth = view.upright(s, t)
        wide = self._width * scale
        if depth < 1.2 or wide < _THIN * view.camera.zoom:
            return
        base = view.road.at(s, t)[0]
        tip = view.road.at(s, t - math.copysign(self._arm, t))[0] + (0, 0, self._height + 0.25)
        ends, _ = view.camera.project(np.stack([base + (0, 0, self._height), tip]))
        colour = view.look.shade(self._colour, depth)
        view.canvas.stroke(foot, ends[0], wide, colour, POLE)
        view.canvas.stroke(foot, foot + (ends[0] - foot) * 0.13, wide * 1.4, colour, POLE)
        view.canvas.stroke(ends[0], ends[1], wide * 0.8, colour, POLE)
        lit: Colour = (150, 222, 255) if view.look.night else view.look.shade(
            (206, 208, 208), depth)
        head = ends[1] + np.array([[-0.35 * scale, 0], [0.35 * scale, 0]])
        view.canvas.stroke(head[0], head[1], 0.24 * scale, lit, POLE)
        if view.look.night:
            view.lamps.append((ends[1], 0.3 * scale, lit))

    def pool(self, view: SceneView, s: float, t: float) -> Floats:
        """World (N, 3) outline of the light below the lamp."""
        foot = view.road.at(s, t - math.copysign(self._arm + 1.0, t))
        turn = np.linspace(0, 2 * np.pi, 20)[:-1]
        ring = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
        outline: Floats = foot + ring * 0.75 * self._height
        return outline

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """World (N, 3) outlines of its shadow on the ground."""
        if view.look.sun < 0.2:
            return []
        foot = view.road.at(s, t)
        aside = np.array([[-view.look.towards_sun[1], view.look.towards_sun[0], 0.0]])
        aside *= self._width / 2
        far = cast(view.look, foot, self._height)
        return [np.concatenate([foot - aside, foot + aside, far + aside, far - aside])]


def _ring(sides: int, turn: float = 0.0) -> Floats:
    """A regular (sides, 2) polygon of radius 1."""
    angle = np.linspace(0, 2 * np.pi, sides + 1)[:-1] + turn
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


_CIRCLE, _OCTAGON = _ring(20), _ring(8, np.pi / 8)
_TRIANGLE = np.array([(0, -1.0), (0.95, 0.68), (-0.95, 0.68)])
_SQUARE = np.array([(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)])
_BAR = np.array([(-0.62, -0.17), (0.62, -0.17), (0.62, 0.17), (-0.62, 0.17)])
_MARK = np.array([(-0.14, -0.42), (0.14, -0.42), (0.14, 0.42), (-0.14, 0.42)])
_ARROW = np.array([(0, -0.6), (0.45, 0.0), (-0.45, 0.0)])
_WALKER = np.array([(0, -0.5), (0.42, 0.5), (-0.42, 0.5)])

# Each face is a pile of (outline, scale, colour), the first one below.
_Face = tuple[tuple[Floats, float, Colour], ...]
FACES: tuple[_Face, ...] = (
    ((_CIRCLE, 1.0, _RED), (_CIRCLE, 0.76, _WHITE), (_MARK, 0.8, _BLACK),
     (_MARK + (0.4, 0), 0.7, _BLACK)),
    ((_CIRCLE, 1.0, _RED), (_BAR, 1.05, _WHITE)),
    ((_CIRCLE, 1.0, _BLUE), (_ARROW, 1.0, _WHITE), (_MARK + (0, 0.3), 0.7, _WHITE)),
    ((_CIRCLE, 1.0, _RED), (_CIRCLE, 0.76, _BLUE)),
    ((_TRIANGLE, 1.05, _RED), (_TRIANGLE + (0, 0.02), 0.68, _WHITE), (_MARK, 0.6, _BLACK)),
    ((-_TRIANGLE, 1.05, _RED), (-_TRIANGLE, 0.64, _WHITE)),
    ((_OCTAGON, 1.05, _WHITE), (_OCTAGON, 0.97, _RED), (_BAR, 1.0, _WHITE)),
    ((_SQUARE, 1.0, _BLUE), (_WALKER, 1.2, _WHITE), (_MARK, 0.6, _BLACK)),
    ((_SQUARE, 1.0, _BLUE), (_MARK, 1.3, _WHITE), (_BAR + (0.1, -0.4), 0.6, _WHITE)),
    ((_SQUARE @ np.array([(0.7, 0.7), (-0.7, 0.7)]), 1.15, _WHITE),
     (_SQUARE @ np.array([(0.7, 0.7), (-0.7, 0.7)]), 0.85, _YELLOW)),
)


class SignPost(Standing):
    """A pole with one sign, or two."""

    def __init__(self, rng: np.random.Generator, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        self._width = rng.uniform(0.13, 0.17)
        self._size = rng.uniform(0.4, 0.52)
        self._height = rng.uniform(2.3, 3.2)
        picks = rng.integers(len(FACES), size=2).tolist()
        self._faces = [FACES[pick] for pick in picks[:1 + int(rng.random() < 0.3)]]
        self._away = bool(rng.random() < 0.12)
        self._colour = _STEEL[int(rng.integers(3)) if rng.random() < 0.3 else 0]

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw itself with its truth."""
        foot, scale, depth = view.upright(s, t)
        wide = self._width * scale
        size = self._size * scale
        if depth < 1.2 or wide < _THIN * view.camera.zoom or 2 * size < 8 * view.camera.zoom:
            return
        top = foot - (0, (self._height + self._size * 0.6) * scale)
        view.canvas.stroke(foot, top, wide, view.look.shade(self._colour, depth), POLE)
        for index, face in enumerate(self._faces):
            centre = foot - (0, (self._height - index * 2.05 * self._size) * scale)
            # A sign throws the headlights back, so it stays bright by night.
            lambert = 0.5
            for outline, grow, ink in face:
                if self._away:
                    ink = (140, 142, 142)
                colour = view.look.shade(ink, depth, lambert)
                if view.look.night and not self._away:
                    colour = [min(part * 1.9, 255) for part in colour]
                view.canvas.convex(centre + outline * (grow * size), colour, SIGN)


class Signal(Standing):
    """A traffic light; the housing counts as part of its pole."""

    def __init__(self, rng: np.random.Generator, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        self._width = rng.uniform(0.15, 0.19)
        self._state = int(rng.integers(3))
        self._colour = _STEEL[int(rng.integers(3))]

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw itself with its truth."""
        foot, scale, depth = view.upright(s, t)
        wide = self._width * scale
        if depth < 1.2 or wide < _THIN * view.camera.zoom:
            return
        view.canvas.stroke(foot, foot - (0, 3.2 * scale), wide,
                           view.look.shade(self._colour, depth), POLE)
        box = np.array([(-0.2, -3.5), (0.2, -3.5), (0.2, -2.4), (-0.2, -2.4)]) * scale + foot
        view.canvas.convex(box, view.look.shade((34, 36, 34), depth), POLE)
        inks: tuple[Colour, ...] = ((60, 50, 250), (40, 190, 255), (120, 235, 60))
        for index, ink in enumerate(inks):
            lit = index == self._state
            colour = list(ink) if lit else view.look.shade([part * 0.3 for part in ink], depth)
            centre = foot - (0, (3.32 - index * 0.36) * scale)
            view.canvas.disc(centre, 0.14 * scale, colour, POLE)
            if lit and view.look.condition != 'day':
                view.lamps.append((centre, 0.12 * scale, colour))
