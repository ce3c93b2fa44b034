# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Signs of many shapes, poles, bollards, wires, people in groups and cyclists for training."""

from __future__ import annotations

import math

import numpy as np

from trt_segmentation.street.camera import Floats
from trt_segmentation.street.canvas import BUILDING, Colour, POLE, SIGN
from trt_segmentation.street.person import Person
from trt_segmentation.street.view import cast_post_shadow, make_ring, SceneView, Thing

from .labelled_canvas import IGNORED, LabelledCanvas
from .painted_cars import paint_colour
from .painted_trees import Rng


def _grey(rng: Rng) -> Colour:
    return tuple((rng.choice((15, 40, 80, 130, 180)) * rng.uniform(0.85, 1.15, 3)).tolist())


def _bright(rng: Rng) -> Colour:
    return tuple(np.clip(rng.choice((0, 20, 90, 200, 250), 3) * rng.uniform(0.7, 1.0), 0,
                         255).tolist())


class Panel(Thing):
    """A sign of any shape on one or two posts, a bus stop flag or a pillar with a sign."""

    def __init__(self, rng: Rng, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        corners = int(rng.choice((3, 4, 4, 4, 4, 8, 20, 20)))
        turn = {3: -np.pi / 2, 4: np.pi / 4, 8: np.pi / 8}.get(corners, 0.0)
        self._shape = make_ring(corners)[:, :2] @ np.array(
            [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
        size = rng.uniform(0.3, 0.55) if corners != 4 else rng.uniform(0.3, 1.1)
        self._half = size * np.array((1.0, rng.uniform(0.35, 1.8) if corners == 4 else 1.0))
        self._low = rng.uniform(1.7, 3.2) if rng.random() < 0.85 else 0.0
        self._posts = (0.0,) if rng.random() < 0.75 else (-0.6 * size, 0.6 * size)
        self._wide = rng.uniform(0.05, 0.13)
        self._inks = [_bright(rng) for _ in range(4)]
        self._post = _grey(rng)
        self._marks = [(rng.uniform(-0.6, 0.6, 2), rng.uniform(0.05, 0.4, 2))
                       for _ in range(int(rng.integers(0, 7)))]
        if rng.random() < 0.15:
            self._inks, self._marks = [_grey(rng)] * 4, []

    def draw(self, view: SceneView, s: float, t: float) -> None:
        foot, scale, depth = view.upright(s, t)
        if depth < 1.5 or self._half.min() * scale < 2.0 * view.camera.zoom:
            return
        centre = foot - (0, (self._low + self._half[1]) * scale)
        for shift in self._posts:
            base = foot + (shift * scale, 0)
            view.canvas.stroke(base, base + (centre - foot), max(self._wide * scale, 1.6),
                               view.look.shade(self._post, depth), POLE)
        ring = self._half * scale
        inks = [view.look.shade(ink, depth) for ink in self._inks]
        view.canvas.convex(centre + self._shape * ring, inks[0], SIGN)
        view.canvas.convex(centre + self._shape * ring * 0.8, inks[1], SIGN)
        bar = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
        for index, (place, size) in enumerate(self._marks):
            mark = np.clip(place, -0.5, 0.5) + bar * size * 0.5
            view.canvas.convex(centre + mark * ring * 0.8, inks[2 + index % 2], SIGN)


class Post(Thing):
    """A lamp post, a telegraph pole, a bollard or a post of a gantry."""

    def __init__(self, rng: Rng, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        bollard = rng.random() < 0.3
        self._high = rng.uniform(0.8, 1.2) if bollard else rng.uniform(2.5, 11.0)
        self._wide = rng.uniform(0.1, 0.3) if bollard else rng.uniform(0.07, 0.24)
        self._arm = 0.0 if bollard or rng.random() < 0.3 else rng.uniform(0.4, 3.0)
        self._double = rng.random() < 0.25
        self._rise = rng.uniform(-0.1, 0.6)
        self._colour = _grey(rng)
        self._bands = bollard and rng.random() < 0.4

    def draw(self, view: SceneView, s: float, t: float) -> None:
        foot, scale, depth = view.upright(s, t)
        wide = self._wide * scale
        if depth < 1.2 or wide < 1.3 * view.camera.zoom:
            return
        colour = view.look.shade(self._colour, depth)
        top = foot - (0, self._high * scale)
        view.canvas.stroke(foot, top, max(wide, 1.6), colour, POLE)
        if self._bands:
            view.canvas.stroke(foot + (top - foot) * 0.7, foot + (top - foot) * 0.85, wide,
                               view.look.shade((230, 230, 235), depth), POLE)
        for sign in ((1, -1) if self._double else (1,)) if self._arm else ():
            tip = top + np.array((math.copysign(self._arm, t) * sign, -self._rise)) * scale
            view.canvas.stroke(top, tip, max(wide * 0.7, 1.5), colour, POLE)
            view.canvas.stroke(tip - (0.3 * scale, 0), tip + (0.3 * scale, 0),
                               max(0.16 * scale, 1.5), colour, POLE)

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        if view.look.sun < 0.2:
            return []
        return [cast_post_shadow(view, view.road.at(s, t), self._wide / 2, self._high)]


class Wires(Thing):
    """Wires above the road. They change colours, but the label stays that of the background."""

    def __init__(self, rng: Rng, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        self._high, self._sag = rng.uniform(5, 9, (3, 2)), rng.uniform(0.1, 0.6)
        self._far = rng.uniform(20, 45)
        self._across = rng.random() < 0.5

    def draw(self, view: SceneView, s: float, t: float) -> None:
        part = np.linspace(0, 1, 12)
        ends = ((s, t), (s, -t)) if self._across else ((s, t), (s + self._far, t))
        ground = view.road.at(np.interp(part, (0, 1), (ends[0][0], ends[1][0])),
                              np.interp(part, (0, 1), (ends[0][1], ends[1][1])))
        lines = []
        for low, high in self._high:
            wire = ground.copy()
            wire[:, 2] = low + (high - low) * part - 4 * self._sag * part * (1 - part)
            if view.camera.turn(wire)[:, 2].min() > 2.0:
                lines.append(view.camera.project(wire)[0])
        assert isinstance(view.canvas, LabelledCanvas)
        view.canvas.tint(lines, view.look.shade((30, 30, 30), 30.0), 1)


class AnyPerson(Person):
    """A person in clothes of any colour, mostly dark."""

    def __init__(self, rng: Rng, s: float, t: float, pace: float, period: float) -> None:
        super().__init__(rng, s, t, pace, period)
        self._coat, self._legs = _grey(rng), _grey(rng)
        if rng.random() < 0.4:
            self._coat = paint_colour(rng)
        self._stout = rng.uniform(0.9, 1.5)
        self._umbrella = False


class Cyclist(AnyPerson):
    """A person on a bicycle. None of our classes fits the bicycle, so it is ignored."""

    def draw(self, view: SceneView, s: float, t: float) -> None:
        foot, scale, depth = view.upright(s, t)
        if depth < 1.5 or scale * 0.7 < 6 * view.camera.zoom:
            return
        dark = view.look.shade((25, 25, 28), depth)
        for shift in (-0.5, 0.5):
            rim = foot + (shift * scale, -0.33 * scale) + make_ring(14)[:, :2] * 0.33 * scale
            view.canvas.lines([np.concatenate([rim, rim[:1]])], dark, IGNORED,
                              max(int(0.05 * scale), 1))
        frame = foot + np.array([(-0.5, -0.33), (0.0, -0.35), (0.4, -0.9), (-0.2, -0.85),
                                 (-0.5, -0.33)]) * scale
        view.canvas.lines([frame], view.look.shade(self._cover, depth), IGNORED,
                          max(int(0.05 * scale), 1))
        super().draw(view, s, t)


class Box(Thing):
    """A bin, a cabinet, a letter box or a shelter. The loss ignores a narrow box."""

    def __init__(self, rng: Rng, s: float, t: float, period: float) -> None:
        super().__init__(s, t, period)
        self._size = rng.uniform((0.4, 0.8), (2.2, 2.4))
        self._colour = paint_colour(rng)
        self._label = BUILDING if self._size[0] > 1.2 else IGNORED

    def draw(self, view: SceneView, s: float, t: float) -> None:
        foot, scale, depth = view.upright(s, t)
        if depth < 2:
            return
        wide, high = self._size * scale
        shape = np.array([(-wide / 2, -high), (wide / 2, -high), (wide / 2, 0), (-wide / 2, 0)])
        view.canvas.convex(foot + shape, view.look.shade(self._colour, depth), self._label)
        view.canvas.convex(foot + shape * (0.8, 0.6) - (0, 0.2 * high),
                           view.look.shade([part * 0.6 for part in self._colour], depth),
                           self._label)
