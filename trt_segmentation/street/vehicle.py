# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cars, vans, trucks and buses."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .camera import Floats
from .canvas import Colour
from .solid import Mesh, Solid, TYRE
from .view import cast_shadow, SceneView, Thing

PAINTS: tuple[Colour, ...] = (
    (40, 40, 42), (225, 228, 230), (168, 170, 172), (110, 112, 114), (40, 36, 170),
    (150, 74, 32), (60, 96, 52), (40, 170, 220), (120, 140, 158), (84, 42, 36), (56, 60, 120),
    (200, 160, 70), (36, 110, 210))

_GLASS, _SNOW = (74, 62, 52), (244, 240, 236)


def _add_ends(solid: Solid, faces: list[Floats], night: bool, low: float, high: float) -> None:
    _add_front(solid, faces[0], night, low, high)
    _add_rear(solid, faces[1], night, low, high)


def _add_front(solid: Solid, face: Floats, night: bool, low: float, high: float) -> None:
    for x0, x1 in ((0.05, 0.25), (0.75, 0.95)):
        solid.panel(face, x0, x1, low, high, (236, 246, 255) if night else (222, 226, 226),
                    1.3 if night else 0.0, lamp=1)
    solid.panel(face, 0.3, 0.7, 0.35, 0.6, (40, 40, 40))
    solid.panel(face, 0.36, 0.64, 0.1, 0.26, (214, 216, 216))
    solid.panel(face, 0.02, 0.98, 0.0, 0.1, (48, 48, 48))


def _add_rear(solid: Solid, face: Floats, night: bool, low: float, high: float) -> None:
    for x0, x1 in ((0.05, 0.2), (0.8, 0.95)):
        solid.panel(face, x0, x1, low, high, (40, 40, 235) if night else (40, 36, 176),
                    1.2 if night else 0.0, lamp=1)
    solid.panel(face, 0.36, 0.64, 0.28, 0.5, (205, 212, 214))
    solid.panel(face, 0.02, 0.98, 0.0, 0.14, (48, 48, 48))


def make_car(rng: np.random.Generator, night: bool, snow: bool) -> Mesh:
    """Make a car of a random shape."""
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    length, half = rng.uniform(3.7, 4.8), rng.uniform(0.84, 0.95)
    height, waist = rng.uniform(1.4, 1.78), rng.uniform(0.82, 0.98)
    back = rng.uniform(0.0, 0.9)
    end = length / 2
    roof = _SNOW if snow else paint
    solid = Solid(length, half * 2, height)
    solid.box((-end + 0.1, end - 0.1, half - 0.1, 0.1), (-end + 0.1, end - 0.1, half - 0.1, 0.3),
              TYRE, TYRE)
    faces = solid.box((-end, end, half, 0.24), (-end + 0.05, end - 0.12, half - 0.04, waist),
                      paint, roof)
    _add_ends(solid, faces, night, 0.55, 0.85)
    for face in faces[2:]:
        solid.panel(face, 0.0, 1.0, 0.0, 0.12, (44, 44, 44))
        solid.panel(face, 0.495, 0.503, 0.12, 1.0, (20, 20, 20))
    solid.wheels((-end + 0.75, end - 0.8), half + 0.005, 0.32)
    cabin = solid.box((-end + 0.08 + back, end - 1.05, half - 0.06, waist),
                      (-end + 0.3 + back * 1.3, end - 1.85, half - 0.2, height), paint, roof)
    for face in cabin[:2]:
        solid.panel(face, 0.07, 0.93, 0.08, 0.9, _GLASS, fine=False)
        solid.panel(face, 0.12, 0.55, 0.5, 0.86, (112, 98, 86))
    for face in cabin[2:]:
        solid.panel(face, 0.06, 0.5, 0.06, 0.88, _GLASS, fine=False)
        solid.panel(face, 0.53, 0.94, 0.06, 0.88, _GLASS, fine=False)
    return solid.to_mesh()


def make_van(rng: np.random.Generator, night: bool, snow: bool) -> Mesh:
    """Make a delivery van."""
    paint = PAINTS[int(rng.integers(len(PAINTS)))] if rng.random() < 0.5 else (226, 228, 230)
    length, half, height = rng.uniform(4.9, 6.0), rng.uniform(0.95, 1.02), rng.uniform(2.0, 2.6)
    end = length / 2
    solid = Solid(length, half * 2, height)
    solid.box((-end + 0.1, end - 0.1, half - 0.1, 0.1), (-end + 0.1, end - 0.1, half - 0.1, 0.4),
              TYRE, TYRE)
    faces = solid.box((-end, end, half, 0.3), (-end, end - 0.2, half, 1.1), paint, paint)
    _add_ends(solid, faces, night, 0.5, 0.78)
    solid.wheels((-end + 0.95, end - 0.95), half + 0.005, 0.36)
    cabin = solid.box((-end, end - 0.55, half, 1.1), (-end + 0.05, end - 1.3, half - 0.1, height),
                      paint, _SNOW if snow else paint)
    solid.panel(cabin[0], 0.06, 0.94, 0.06, 0.72, _GLASS, fine=False)
    solid.panel(cabin[1], 0.08, 0.47, 0.2, 0.7, _GLASS)
    solid.panel(cabin[1], 0.53, 0.92, 0.2, 0.7, _GLASS)
    solid.panel(cabin[2], 0.06, 0.22, 0.06, 0.66, _GLASS, fine=False)
    solid.panel(cabin[3], 0.78, 0.94, 0.06, 0.66, _GLASS, fine=False)
    return solid.to_mesh()


def make_truck(rng: np.random.Generator, night: bool, snow: bool) -> Mesh:
    """Make a truck with a box body."""
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    cargo = PAINTS[int(rng.integers(len(PAINTS)))] if rng.random() < 0.5 else (220, 222, 222)
    length, half, height = rng.uniform(7.0, 9.5), 1.22, rng.uniform(3.0, 3.6)
    end = length / 2
    solid = Solid(length, half * 2, height)
    frame = (-end + 0.2, end - 0.1, half - 0.15)
    solid.box((*frame, 0.4), (*frame, 0.95), TYRE, TYRE)
    solid.wheels((-end + 1.2, -end + 2.3, end - 1.1), half, 0.48)
    solid.ahead = True
    cab = ((end - 1.9, end, half, 0.55), (end - 1.9, end - 0.15, half - 0.05, height * 0.84))
    body = ((-end, end - 2.0, half + 0.02, 0.95), (-end, end - 2.0, half + 0.02, height))
    faces = solid.box(*cab, paint, _SNOW if snow else paint)
    solid.panel(faces[0], 0.05, 0.95, 0.5, 0.88, _GLASS, fine=False)
    solid.panel(faces[2], 0.15, 0.7, 0.5, 0.86, _GLASS, fine=False)
    solid.panel(faces[3], 0.3, 0.85, 0.5, 0.86, _GLASS, fine=False)
    front = np.stack([faces[0][0], faces[0][1], faces[0][1] + 0.42 * (faces[0][2] - faces[0][1]),
                      faces[0][0] + 0.42 * (faces[0][3] - faces[0][0])])
    _add_front(solid, front, night, 0.4, 0.7)
    solid.ahead = False
    box = solid.box(*body, cargo, _SNOW if snow else cargo)
    rear = np.array([
        (-end, half, 0.5), (-end, -half, 0.5), (-end, -half, 0.95), (-end, half, 0.95)])
    solid.add(rear, (40, 40, 44))
    _add_rear(solid, rear, night, 0.4, 0.7)
    solid.panel(box[1], 0.49, 0.51, 0.0, 1.0, (70, 70, 70))
    for face in box[2:]:
        solid.panel(face, 0.2, 0.8, 0.4, 0.66, paint)
    return solid.to_mesh()


def make_bus(rng: np.random.Generator, night: bool, snow: bool) -> Mesh:
    """Make a city bus."""
    paint = PAINTS[int(rng.integers(3, len(PAINTS)))]
    length, half, height = rng.uniform(9.5, 11.5), 1.25, rng.uniform(2.9, 3.2)
    end = length / 2
    solid = Solid(length, half * 2, height)
    solid.box((-end + 0.1, end - 0.1, half - 0.1, 0.1), (-end + 0.1, end - 0.1, half - 0.1, 0.4),
              TYRE, TYRE)
    faces = solid.box((-end, end, half, 0.32), (-end, end, half - 0.05, height), paint,
                      _SNOW if snow else (210, 210, 210))
    solid.wheels((-end + 2.6, end - 2.5), half + 0.005, 0.48)
    lit = 0.9 if night else 0.0
    glass = (120, 170, 190) if night else _GLASS
    for face in faces[2:]:
        for index in range(7):
            solid.panel(face, 0.03 + index * 0.135, 0.15 + index * 0.135, 0.42, 0.8, glass, lit,
                        fine=False)
    solid.panel(faces[0], 0.05, 0.95, 0.36, 0.8, _GLASS, fine=False)
    solid.panel(faces[0], 0.2, 0.8, 0.84, 0.95, (40, 190, 240), 0.9)
    solid.panel(faces[1], 0.12, 0.88, 0.5, 0.8, glass, lit, fine=False)
    low = [np.stack([f[0], f[1], f[1] + (f[2] - f[1]) * 0.34, f[0] + (f[3] - f[0]) * 0.34])
           for f in faces[:2]]
    _add_ends(solid, low, night, 0.55, 0.8)
    return solid.to_mesh()


def make_vehicle(rng: np.random.Generator, night: bool, snow: bool) -> Mesh:
    """Make a vehicle of a random kind. Most vehicles are cars."""
    kind = rng.random()
    make = (make_car if kind < 0.72 else make_van if kind < 0.86 else
            make_truck if kind < 0.93 else make_bus)
    return make(rng, night, snow)


class Traffic(Thing):
    """A vehicle that stands, or keeps its lane at a constant speed.

    :param backwards: whether the vehicle points against the direction of the road.
    :param turn: angle between the vehicle and the direction of the road, in radians.
    """

    def __init__(self, body: Mesh, s: float, t: float, speed: float, period: float,
                 backwards: bool = False, turn: float = 0.0) -> None:
        super().__init__(s, t, period, speed)
        self.body = body
        self.tail = body.length / 2
        self._turn = turn + (math.pi if backwards else 0.0)

    def _pose(self, view: SceneView, s: float, t: float) -> tuple[Floats, float]:
        return view.road.at(s, t)[0], view.road.heading(s) + self._turn

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the vehicle, and write the class ids of its pixels into the label map."""
        self.body.draw(view, *self._pose(view, s, t))

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """Return the (N, 3) outlines of the shadow on the ground, in world coordinates."""
        foot, heading = self._pose(view, s, t)
        x, y = self.body.length / 2, self.body.width / 2
        corners = np.array([(x, y), (x, -y), (-x, -y), (-x, y)])
        cosine, sine = math.cos(heading), math.sin(heading)
        flat = corners @ np.array([[cosine, sine], [-sine, cosine]])
        ring = np.column_stack([flat, np.zeros(4)]) + foot
        far = cast_shadow(view.look, ring, self.body.height) if view.look.sun > 0.2 else ring
        both = np.concatenate([ring, far])[:, :2]
        anchor = both[0].copy()
        hull = cv2.convexHull((both - anchor).astype(np.float32))[:, 0] + anchor
        return [np.column_stack([hull, np.zeros(len(hull))])]
