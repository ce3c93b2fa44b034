# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The layout of a street: its cross-section, and the things that stand and move along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .buildings import Building, Facade
from .camera import Road
from .canvas import Colour, Texture
from .lamps_and_signs import Lamp, Signal, SignPost
from .look import Look
from .person import Person
from .plants import Hedge, paint_hedge, paint_plant, Plant
from .solid import Mesh
from .vehicle import make_vehicle, Traffic
from .view import Thing

_ROOFS: tuple[Colour, ...] = ((60, 74, 150), (70, 72, 80), (50, 60, 96), (100, 96, 92))


@dataclass(frozen=True)
class Side:
    """One side of the street.

    ``edge``, ``verge``, ``walk`` and ``front`` are distances from the centre line in metres. The
    carriageway ends at the first distance, the verge at the second, the pavement at the third, and
    the front gardens at the last.

    :param sign: -1 for the right side, 1 for the left side.
    :param parking: whether cars park between the lanes and the edge.
    """

    sign: float
    lanes: int
    edge: float
    verge: float
    walk: float
    front: float
    parking: bool


@dataclass(frozen=True)
class StreetPlan:
    """The cross-section of a street, and the side streets and pedestrian crossings along it.

    :param lane: width of a lane in metres.
    :param mark: width of a lane marking in metres.
    :param junctions: (distance along the road, width, side) of each side street. The distance and
        the width are in metres. The side is -1 for right or 1 for left.
    :param crossings: distance of each pedestrian crossing along the road, in metres.
    :param dash: for dashed lane markings, the length of a dash and the distance between the starts
        of two dashes, in metres.
    """

    lane: float
    mark: float
    sides: tuple[Side, Side]
    style: str
    one_way: bool
    junctions: tuple[tuple[float, float, float], ...]
    crossings: tuple[float, ...]
    dash: tuple[float, float]


def draw_plan(rng: np.random.Generator, period: float) -> StreetPlan:
    """Choose a street plan at random. The street repeats after ``period`` metres."""
    style = str(rng.choice(['urban', 'suburb', 'park'], p=(0.5, 0.32, 0.18)))
    lane = rng.uniform(2.9, 3.6)
    one_way = bool(rng.random() < 0.2)
    wide = rng.random() < 0.25
    sides = []
    for sign in (-1.0, 1.0):
        lanes = 1 + int(wide and not one_way)
        parking = bool(rng.random() < (0.15 if style == 'park' else 0.55))
        edge = lanes * lane + (2.3 if parking else 0.45)
        verge = rng.uniform(1.2, 2.6) if rng.random() < (0.25 if style == 'urban' else 0.6) else 0
        walk = rng.uniform(1.7, 4.2 if style == 'urban' else 2.6)
        front = {'urban': rng.uniform(0.0, 1.5), 'suburb': rng.uniform(3.0, 8.0),
                 'park': rng.uniform(8.0, 16.0)}[style]
        sides.append(Side(sign, lanes, edge, edge + verge, edge + verge + walk,
                          edge + verge + walk + front, parking))
    junctions = []
    place = rng.uniform(20, 60)
    while place < period - 40:
        junctions += [(place, rng.uniform(6.0, 9.0), sign)
                      for sign in (-1.0, 1.0) if rng.random() < 0.62]
        place += rng.uniform(60, 120)
    starts = sorted({junction[0] for junction in junctions})
    crossings = [s - 9.0 for s in starts if rng.random() < 0.65]
    crossings += [s + 35.0 for s in starts if rng.random() < 0.3]
    dash = (rng.uniform(2.0, 4.0), rng.uniform(6.0, 10.0))
    return StreetPlan(lane, rng.uniform(0.16, 0.25), (sides[0], sides[1]), style, one_way,
                      tuple(junctions), tuple(sorted(crossings)), dash)


class Layout:
    """All things along one period of a road. After each period, the road repeats.

    :param speed: speed of the camera in metres per second.
    """

    def __init__(self, seed: int, road: Road, style: Look, speed: float) -> None:
        rng = np.random.Generator(np.random.PCG64([seed, 11]))
        self.plan = draw_plan(rng, road.period)
        self.things: list[Thing] = []
        self._look = style
        self._period = road.period
        self._seed = seed
        self._houses()
        self._green()
        self._posts()
        self._traffic(speed)
        self._people()

    def _rng(self, purpose: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self._seed, purpose]))

    def is_free(self, sign: float, start: float, end: float) -> bool:
        """Return whether one side has no side street from ``start`` to ``end`` along the road."""
        return all(side != sign or s + width / 2 + 2.5 < start or s - width / 2 - 2.5 > end
                   for s, width, side in self.plan.junctions)

    def _houses(self) -> None:
        rng = self._rng(21)
        urban = self.plan.style == 'urban'
        types = [Facade(self._rng(100 + index), self._look,
                        int(rng.integers(2, 7) if urban else rng.integers(1, 4)),
                        int(rng.integers(3, 6))) for index in range(6)]
        gap = {'urban': 0.25, 'suburb': 0.9, 'park': 0.99}[self.plan.style]
        for side in self.plan.sides:
            s, beside = rng.uniform(0, 8), 0.0
            while s < self._period - 16:
                kind = types[int(rng.integers(len(types)))]
                roof = rng.uniform(1.8, 4.0) if not urban or rng.random() < 0.35 else 0.0
                tiles = _ROOFS[int(rng.integers(len(_ROOFS)))]
                back = rng.uniform(0, 2.0) if not urban else 0.0
                keep = self.plan.style != 'park' or rng.random() < 0.3
                if self.is_free(side.sign, s, s + kind.width) and keep:
                    self.things.append(Building(
                        kind, s, side.sign * (side.front + 0.3 + back), self._period,
                        rng.uniform(8, 12), roof, tiles, kind.height + roof <= beside))
                    beside = kind.height
                else:
                    beside = 0.0
                apart = rng.uniform(2, 14) if rng.random() < gap else 0.05
                # In a row, houses touch, so a house may hide the side wall of the next house.
                # After a gap, the side wall is visible.
                beside *= urban and apart < 1
                s += kind.width + apart

    def _green(self) -> None:
        rng = self._rng(22)
        kinds = ('round', 'round', 'tall', 'cone', 'bush')
        trees = [paint_plant(self._rng(200 + index), self._look, kind)
                 for index, kind in enumerate(kinds)]
        leaves = paint_hedge(self._rng(210), self._look)
        for side in self.plan.sides:
            line = side.verge - 0.7 if side.verge - side.edge > 1 else side.walk - 0.5
            self._row(rng, trees, side, line, rng.uniform(9, 24))
            if side.front - side.walk > 2.5:
                for _ in range(int(self._period / (5 if self.plan.style == 'park' else 12))):
                    t = rng.uniform(side.walk + 1.2, side.front + (
                        14 if self.plan.style == 'park' else -0.8))
                    self._plant(rng, trees, side, rng.uniform(0, self._period), t)
                if rng.random() < 0.6:
                    self._hedges(rng, leaves, side)

    def _row(self, rng: np.random.Generator, trees: list[Texture], side: Side, t: float,
             step: float) -> None:
        """Place trees at even distances. Some sides have no such row of trees."""
        keep = rng.random() < 0.6
        for s in np.arange(rng.uniform(0, step), self._period, step).tolist():
            if keep and rng.random() < 0.85:
                self._plant(rng, trees[:3], side, s, t)

    def _plant(self, rng: np.random.Generator, trees: list[Texture], side: Side, s: float,
               t: float) -> None:
        index = int(rng.integers(len(trees)))
        height = rng.uniform(0.9, 1.8) if index == 4 else rng.uniform(4.5, 9.5)
        width = height * (rng.uniform(1.2, 1.8) if index == 4 else rng.uniform(0.62, 0.82))
        if self.is_free(side.sign, s - 1, s + 1):
            self.things.append(Plant(
                trees[index], s, side.sign * t, self._period, width, height))

    def _hedges(self, rng: np.random.Generator, leaves: Texture, side: Side) -> None:
        height, length = rng.uniform(0.8, 1.7), 5.0
        for s in np.arange(0.0, self._period - 8, length).tolist():
            if self.is_free(side.sign, s, s + length) and rng.random() < 0.7:
                self.things.append(Hedge(
                    leaves, s, side.sign * (side.walk + 0.4), self._period, length, height))

    def _posts(self) -> None:
        rng = self._rng(23)
        step, shift = rng.uniform(22, 36), 0.0
        for side in self.plan.sides:
            inset = side.edge + 0.5
            lamps = rng.random() < 0.8 or side.sign < 0
            for s in np.arange(shift + 5, self._period, step).tolist():
                if lamps and self.is_free(side.sign, s, s):
                    self.things.append(Lamp(rng, s, side.sign * inset, self._period))
            shift = step / 2
            s = rng.uniform(4, 20)
            while s < self._period:
                if self.is_free(side.sign, s, s):
                    self.things.append(SignPost(rng, s, side.sign * (inset + 0.1), self._period))
                s += rng.uniform(9, 34)
        for s in self.plan.crossings:
            if rng.random() < 0.55:
                for side in self.plan.sides:
                    self.things.append(Signal(
                        rng, s + 2.2, side.sign * (side.edge + 0.45), self._period))

    def _traffic(self, speed: float) -> None:
        rng = self._rng(24)
        night, snow = self._look.is_night, self._look.is_snow
        bodies = [make_vehicle(rng, night, snow) for _ in range(9)]
        cars = [body for body in bodies if body.length < 6.2] or bodies

        def take(only_cars: bool = False) -> Mesh:
            pool = cars if only_cars else bodies
            return pool[int(rng.integers(len(pool)))]
        lane, laps = self.plan.lane, self._period
        for side in self.plan.sides:
            fill = rng.uniform(0.3, 0.9)
            s = rng.uniform(0, 8)
            while side.parking and s < laps - 8:
                body = take(True)
                if rng.random() < fill and self.is_free(side.sign, s - 5, s + 5) and not any(
                        s - 7 < crossing < s + 7 for crossing in self.plan.crossings):
                    self.things.append(Traffic(
                        body, s, side.sign * (side.edge - 1.12), 0.0, laps,
                        backwards=side.sign > 0, turn=rng.normal(0, 0.015)))
                s += rng.uniform(6.2, 8.5)
            for index in range(side.lanes):
                t = side.sign * (index + 0.5) * lane
                mine = side.sign < 0 and index == 0
                forward = side.sign < 0 or self.plan.one_way
                pace = speed * (1.0 if mine else rng.uniform(0.8, 1.15))
                s = rng.uniform(10, 40)
                while s < laps - 30:
                    body = take()
                    s += body.length / 2
                    self.things.append(Traffic(
                        body, s, t, pace if forward else -pace, laps, backwards=not forward))
                    s += body.length / 2 + 9 + rng.exponential(35)

    def _people(self) -> None:
        rng = self._rng(25)
        busy = {'urban': 9.0, 'suburb': 18.0, 'park': 14.0}[self.plan.style]
        for side in self.plan.sides:
            s = rng.uniform(0, 10)
            while s < self._period:
                pace = rng.choice((-1.3, -1.0, 0.0, 1.1, 1.4)) * rng.uniform(0.8, 1.15)
                t = rng.uniform(side.verge + 0.6, side.walk - 0.25)
                for index in range(int(rng.choice((1, 2), p=(0.7, 0.3)))):
                    self.things.append(Person(
                        rng, s + 0.3 * index, side.sign * (t + 0.55 * index), float(pace),
                        self._period))
                s += rng.exponential(busy)
        for s in self.plan.crossings:
            for _ in range(int(rng.integers(0, 4))):
                side = self.plan.sides[int(rng.integers(2))]
                self.things.append(Person(
                    rng, s + rng.uniform(-1.0, 1.0), side.sign * (side.edge + rng.uniform(0.4, 2)),
                    0.0, self._period, crossing=rng.uniform(7.0, 11.0)))
