# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Streets for training: the drawn streets of the package with much more in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
import math

import cv2
import numpy as np

from trt_segmentation.street import CONDITIONS, Drive
from trt_segmentation.street.buildings import Building
from trt_segmentation.street.camera import PinholeCamera
from trt_segmentation.street.canvas import Bytes, ROAD, SIDEWALK, Texture, VEGETATION
from trt_segmentation.street.layout import Side
from trt_segmentation.street.solid import Mesh
from trt_segmentation.street.vehicle import make_bus, make_truck, make_van, Traffic
from trt_segmentation.street.view import SceneView, Thing

from .busy_ground import BusyGround
from .labelled_canvas import IGNORED, LabelledCanvas, PARTS, Veil
from .painted_cars import make_curved_car
from .painted_facades import House, PaintedFacade
from .painted_trees import Boundary, paint_bare_tree, paint_boundary, paint_dense_tree, Tree
from .street_furniture import AnyPerson, Box, Cyclist, Panel, Post, Wires


@dataclass(frozen=True)
class Bank:
    """Things that take long to paint. The streets of one job share them."""

    bare: list[Veil]
    dense: list[Veil]
    facades: list[PaintedFacade]
    boundaries: list[tuple[Veil | Texture, int]]
    cars: list[Mesh]

    @staticmethod
    def paint(seed: int) -> Bank:
        rng = np.random.Generator(np.random.PCG64([seed, 31]))
        return Bank([paint_bare_tree(rng) for _ in range(8)],
                    [paint_dense_tree(rng) for _ in range(8)],
                    [PaintedFacade(rng) for _ in range(24)],
                    [paint_boundary(rng) for _ in range(8)],
                    [make_curved_car(rng) for _ in range(40)]
                    + [make(rng, False, False) for make in (make_van, make_truck, make_bus)])


class BusyDrive(Drive):
    """A drive along a busy street. :meth:`codes` returns codes instead of class ids."""

    def __init__(self, seed: int, bank: Bank, width: int, height: int) -> None:
        rng = np.random.Generator(np.random.PCG64([seed, 41]))
        condition = CONDITIONS[int(rng.choice(4, p=(0.6, 0.08, 0.22, 0.1)))]
        super().__init__(seed, condition, width, height)
        self._random, self._bank = rng, bank
        self._look = replace(
            self._look, reach=self._look.reach * rng.uniform(0.6, 3.0),
            shadow=float(np.clip(self._look.shadow * rng.uniform(0.5, 1.3), 0, 1)),
            headlight=self._look.headlight * rng.uniform(0, 1))
        self._ground.__class__ = BusyGround
        assert isinstance(self._ground, BusyGround)
        self._ground.base = int(rng.choice((VEGETATION, SIDEWALK, ROAD), p=(0.45, 0.3, 0.25)))
        self._clutter = [
            *self._houses(), *self._trees(), *self._edges(), *self._cars(), *self._furniture()]
        keep = rng.uniform(0.0, 0.9)
        if rng.random() < 0.75:                 # painted houses instead of the plain houses
            self._layout.things = [thing for thing in self._layout.things
                                   if not isinstance(thing, Building)]
        self._layout.things = [thing for thing in self._layout.things if rng.random() < keep
                               or isinstance(thing, Building)] + self._clutter
        self._tall = rng.uniform(1.1, 2.4)
        self._focal = width / 2 / math.tan(math.radians(rng.uniform(44, 84)) / 2)
        self._pitch = rng.uniform(-0.06, 0.09)

    def codes(self) -> tuple[Bytes, Bytes]:
        """Draw a random moment. Return (H, W, 3) uint8 BGR and (H, W) uint8 codes."""
        rng = self._random
        BusyGround.rng = rng
        turn = rng.random()
        self._yaw = rng.normal(0, 0.07 if turn < 0.75 else 0.3 if turn < 0.88 else 1.0)
        index = int(rng.integers(0, 18000))
        view = self._view(index / self._fps)
        things = self._clear(view, self._visible(view))
        if abs(self._yaw) > 0.3:
            things.sort(key=lambda entry: -self._depth(view, entry))
        self._scenery(view, things)
        assert isinstance(view.canvas, LabelledCanvas)
        for s, t, thing in things:
            view.canvas.part = int(rng.integers(1, PARTS))
            thing.draw(view, s, t)
        if rng.random() < 0.15:
            self._bonnet(view)
        image = np.asarray(cv2.cvtColor(view.canvas.pixels, cv2.COLOR_BGRA2BGR), np.uint8)
        codes = np.asarray(cv2.extractChannel(view.canvas.pixels, 3), np.uint8)
        if self._condition == 'rain':
            self._weather.reflect(image, np.asarray(codes % 10, np.uint8), view.camera)
        if view.lamps:
            image = self._weather.add_glow(image, self._uncovered_lamps(view))
        if rng.random() < 0.5:
            image = self._weather.finish(image, index)
        return image, codes

    def _view(self, time: float) -> SceneView:
        view = super()._view(time)
        aside = self._random.normal(0, 0.8)
        view.camera = replace_place(view.camera, aside)
        view.canvas = LabelledCanvas(self._width, self._height)
        return view

    def _clear(self, view: SceneView, things: list[tuple[float, float, Thing]]
               ) -> list[tuple[float, float, Thing]]:
        """Remove the vehicles that stand too near in front of the camera, and thin out trees."""
        free, lane = self._random.uniform(6, 25), -self._layout.plan.lane / 2
        beside = self._random.choice((3.0, 8.0, 14.0))
        sparse = self._random.choice((0.1, 0.4, 1.0))
        kept = []
        for s, t, thing in things:
            ahead = s - view.s
            if isinstance(thing, Traffic) and (
                    (abs(t - lane) < 1.9 and ahead < free) or ahead < beside):
                continue
            if isinstance(thing, Tree) and self._random.random() > sparse:
                continue
            kept.append((s, t, thing))
        return kept

    def _depth(self, view: SceneView, entry: tuple[float, float, Thing]) -> float:
        """Return the depth of the farther end of a thing."""
        s, t, thing = entry
        points = view.road.at(np.array([s, s + thing.tail]), t)
        return float(view.camera.turn(points)[:, 2].max())

    def _bonnet(self, view: SceneView) -> None:
        """Draw the bonnet or the dashboard at the lower edge. The loss ignores it."""
        rng, canvas = self._random, view.canvas
        angle = np.linspace(np.pi, 0, 24)
        wide, high = rng.uniform(0.4, 1.1) * canvas.width, rng.uniform(0.03, 0.2) * canvas.height
        centre = np.array([rng.uniform(0.2, 0.8) * canvas.width, canvas.height + 1.0])
        arc = centre + np.stack([np.cos(angle) * wide, -np.sin(angle) * high], 1)
        tone = rng.choice((5, 20, 60, 150)) * rng.uniform(0.8, 1.2, 3)
        canvas.convex(arc, tone.tolist(), IGNORED)
        canvas.convex(arc + (0, 0.3 * high), (tone * rng.uniform(0.5, 2.0)).clip(0, 255).tolist(),
                      IGNORED)

    def _houses(self) -> list[Thing]:
        rng = self._random
        things: list[Thing] = []
        period, sides = self._road.period, self._layout.plan.sides
        for side in sides:
            s, density = 0.0, rng.choice((0.2, 0.7, 0.97))
            away = rng.uniform(0.0, 3.0) if rng.random() < 0.6 else rng.uniform(3, 25)
            while s < period - 22:
                kind = self._bank.facades[int(rng.integers(len(self._bank.facades)))]
                if rng.random() < density and self._layout.is_free(side.sign, s, s + kind.width):
                    roof = rng.uniform(1.0, 4.5) if rng.random() < 0.55 else 0.0
                    tiles = tuple(rng.uniform(30, 130) * rng.uniform(0.7, 1.3, 3))
                    things.append(House(
                        kind, s, side.sign * (side.walk + 0.3 + away + rng.uniform(0, 0.6)),
                        period, rng.uniform(6, 14), roof, tiles, False))
                s += kind.width + (0.03 if rng.random() < density else rng.uniform(1, 25))
        return things

    def _trees(self) -> list[Thing]:
        rng = self._random
        things: list[Thing] = []
        period = self._road.period
        share = rng.choice((0.0, 0.3, 0.5, 0.8, 1.0))       # of bare trees
        for side in self._layout.plan.sides:
            for _ in range(int(rng.choice((2, 10, 30, 80)))):
                bare = rng.random() < share
                pool = self._bank.bare if bare else self._bank.dense
                high = rng.uniform(1.0, 3.5) if rng.random() < 0.2 else rng.uniform(4, 18)
                things.append(Tree(
                    pool[int(rng.integers(len(pool)))], rng.uniform(0, period),
                    side.sign * (side.verge + abs(rng.normal(0, 7)) + 0.4), period,
                    high * rng.uniform(0.55, 1.1), high))
        return things

    def _edges(self) -> list[Thing]:
        rng = self._random
        things: list[Thing] = []
        period = self._road.period
        for side in self._layout.plan.sides:
            s, density, kind = 0.0, rng.choice((0.1, 0.5, 0.95)), int(rng.integers(8))
            t = rng.choice((side.walk + 0.1, side.walk + 0.1, side.walk + 3.0, side.edge + 0.4))
            high = rng.uniform(0.6, 2.2)
            while s < period - 8:
                if rng.random() < 0.08:
                    kind, high = int(rng.integers(8)), rng.uniform(0.6, 2.6)
                if rng.random() < density and self._layout.is_free(side.sign, s, s + 6):
                    things.append(Boundary(self._bank.boundaries[kind], s, side.sign * t, period,
                                           6.0, high))
                s += 6.0
        return things

    def _cars(self) -> list[Thing]:
        rng, plan, period = self._random, self._layout.plan, self._road.period
        things: list[Thing] = []

        def add(s: float, t: float, speed: float, backwards: bool, turn: float) -> None:
            body = self._bank.cars[int(rng.integers(len(self._bank.cars)))]
            things.append(Traffic(body, s, t, speed, period, backwards, turn))
        for side in plan.sides:
            fill = rng.choice((0.0, 0.3, 0.85))
            across = rng.random() < 0.2
            t = side.sign * (rng.choice((side.edge - 1.1, side.edge - 0.2, side.walk + 3.0)))
            for s in np.arange(0, period - 6, 2.7 if across else 5.4).tolist():
                if rng.random() < fill and self._layout.is_free(side.sign, s - 4, s + 4):
                    add(s + rng.normal(0, 0.2), t, 0.0, side.sign > 0,
                        rng.normal(0, 0.03) + across * rng.choice((-1, 1)) * 1.5)
            for lane in range(side.lanes):
                s, gap = rng.uniform(5, 40), rng.choice((12.0, 40.0, 90.0))
                while s < period - 10:
                    add(s, side.sign * (lane + 0.5) * plan.lane, 0.0, side.sign > 0,
                        rng.normal(0, 0.03))
                    s += 5.5 + rng.exponential(gap)
        return things

    def _furniture(self) -> list[Thing]:
        rng, period = self._random, self._road.period
        things: list[Thing] = []

        def spread(make: type, count: int, low: float, high: float, side: Side,
                   *more: float) -> None:
            for _ in range(count):
                t = side.sign * (side.edge + rng.uniform(low, high))
                things.append(make(rng, rng.uniform(0, period), t, *more, period))
        for side in self._layout.plan.sides:
            busy = rng.choice((0.3, 1.0, 2.5))
            room = side.walk - side.edge
            spread(Panel, int(12 * busy), 0.2, room + 0.5, side)
            spread(Post, int(18 * busy), 0.2, room + 1.0, side)
            spread(Box, int(4 * busy), 0.8, room + 1.0, side)
            spread(Wires, int(rng.choice((0, 0, 3))), 0.5, room, side)
            spread(Cyclist, int(rng.choice((0, 3))), -2.5, 0.5, side, 1.0)
            for _ in range(int(rng.choice((5, 20, 60)))):
                s, t = rng.uniform(0, period), side.edge + rng.uniform(-0.6, room)
                things += [AnyPerson(rng, s + rng.normal(0, 0.4), side.sign * (t + 0.5 * index),
                                     float(rng.choice((-1.2, 0, 1.2))), period)
                           for index in range(int(rng.choice((1, 1, 2, 3, 5))))]
        return things


def replace_place(camera: PinholeCamera, aside: float) -> PinholeCamera:
    """Move a camera ``aside`` metres to the left."""
    return replace(camera, x=camera.x - aside * math.sin(camera.yaw),
                   y=camera.y + aside * math.cos(camera.yaw))
