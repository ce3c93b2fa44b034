# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Street lamps, traffic signs and traffic lights."""

from __future__ import annotations

import math

import numpy as np

from .camera import Floats
from .canvas import Colour, POLE, SIGN
from .view import cast_post_shadow, make_ring, SceneView, Thing

_STEEL: tuple[Colour, ...] = (
    (120, 122, 124), (70, 74, 72), (44, 52, 48), (150, 152, 152), (60, 64, 86))
_RED, _WHITE, _BLUE, _BLACK = (40, 34, 200), (238, 240, 240), (176, 84, 28), (30, 30, 30)
_YELLOW = (40, 200, 242)
_THIN = 2.5
"""A pole that is narrower than this number of pixels is not drawn. The number is for an image with
1280 columns."""


class Lamp(Thing):
    """A street lamp with an arm over the road."""

    def __init__(self, rng: np.random.Generator, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        self._width = rng.uniform(0.17, 0.24)
        self._height = rng.uniform(5.5, 8.5)
        self._arm = rng.uniform(1.0, 2.4)
        self._colour = _STEEL[int(rng.integers(len(_STEEL)))]

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the thing and its class ids."""
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
        lit: Colour = (150, 222, 255) if view.look.is_night else view.look.shade(
            (206, 208, 208), depth)
        head = ends[1] + np.array([[-0.35 * scale, 0], [0.35 * scale, 0]])
        view.canvas.stroke(head[0], head[1], 0.24 * scale, lit, POLE)
        if view.look.is_night:
            view.lamps.append((ends[1], 0.3 * scale, lit))

    def pool(self, view: SceneView, s: float, t: float) -> Floats:
        """Return the outline of the lit area on the ground: (N, 3) points of the world."""
        foot = view.road.at(s, t - math.copysign(self._arm + 1.0, t))
        return foot + make_ring(19) * 0.75 * self._height

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """Return the (N, 3) outlines of the shadow on the ground, in world coordinates."""
        if view.look.sun < 0.2:
            return []
        return [cast_post_shadow(view, view.road.at(s, t), self._width / 2, self._height)]


_CIRCLE, _OCTAGON = make_ring(20)[:, :2], make_ring(8, np.pi / 8)[:, :2]
_TRIANGLE = np.array([(0, -1.0), (0.95, 0.68), (-0.95, 0.68)])
_SQUARE = np.array([(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)])
_BAR = np.array([(-0.62, -0.17), (0.62, -0.17), (0.62, 0.17), (-0.62, 0.17)])
_MARK = np.array([(-0.14, -0.42), (0.14, -0.42), (0.14, 0.42), (-0.14, 0.42)])
_ARROW = np.array([(0, -0.6), (0.45, 0.0), (-0.45, 0.0)])
_WALKER = np.array([(0, -0.5), (0.42, 0.5), (-0.42, 0.5)])

_Face = tuple[tuple[Floats, float, Colour], ...]
"""(outline, scale, colour) of each layer of a sign. The layer at the very back comes first."""
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


class SignPost(Thing):
    """A pole with one or two signs."""

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
        """Draw the thing and its class ids."""
        foot, scale, depth = view.upright(s, t)
        wide = self._width * scale
        size = self._size * scale
        if depth < 1.2 or wide < _THIN * view.camera.zoom or 2 * size < 8 * view.camera.zoom:
            return
        top = foot - (0, (self._height + self._size * 0.6) * scale)
        view.canvas.stroke(foot, top, wide, view.look.shade(self._colour, depth), POLE)
        for index, face in enumerate(self._faces):
            centre = foot - (0, (self._height - index * 2.05 * self._size) * scale)
            for outline, grow, ink in face:
                if self._away:
                    ink = (140, 142, 142)
                colour = view.look.shade(ink, depth)
                if view.look.is_night and not self._away:   # the sign reflects the headlights
                    colour = [min(part * 1.9, 255) for part in colour]
                view.canvas.convex(centre + outline * (grow * size), colour, SIGN)


class Signal(Thing):
    """A traffic light. The housing has the class of the pole."""

    def __init__(self, rng: np.random.Generator, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        self._width = rng.uniform(0.15, 0.19)
        self._state = int(rng.integers(3))
        self._colour = _STEEL[int(rng.integers(3))]

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the thing and its class ids."""
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
