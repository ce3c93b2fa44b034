# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Solids that consist of flat polygons. Vehicles are drawn as solids."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

from .camera import Floats, NEAR
from .canvas import Colour, to_fixed_point, VEHICLE
from .view import SceneView

TYRE: Colour = (30, 30, 30)
_Level = tuple[float, float, float, float]
"""Lower or upper rectangle of a box: rear x, front x, half of the width, z."""


class Solid:
    """The polygons of one vehicle. Coordinates are in metres: x forward, y left, z up."""

    def __init__(self, length: float, width: float, height: float) -> None:
        self.length, self.width, self.height = length, width, height
        self._polygons: list[tuple[Floats, Colour, float, bool, int, bool]] = []
        # Whether the next polygons belong to the front part of the vehicle, such as its cab.
        self.ahead = False

    def add(self, points: Floats, colour: Colour, glow: float = 0.0, fine: bool = False,
            lamp: int = 0) -> None:
        """Add a convex (N, 3) polygon.

        :param points: counter-clockwise, seen from outside.
        :param glow: smallest brightness of the polygon; above 0 for a lamp that is lit.
        :param fine: whether the polygon is not drawn if the vehicle is small in the image. A lamp
            is always drawn.
        :param lamp: 1 if the polygon is a lamp, which may have a halo; otherwise 0.
        """
        self._polygons.append((points, colour, glow, fine, lamp, self.ahead))

    def box(self, low: _Level, high: _Level, colour: Colour, top: Colour) -> list[Floats]:
        """Add a box between two rectangles. Return the front, rear, left and right faces."""
        def ring(level: _Level) -> Floats:
            x0, x1, half, z = level
            return np.array([(x1, -half, z), (x1, half, z), (x0, half, z), (x0, -half, z)])
        a, b = ring(low), ring(high)
        faces = [np.stack([a[i], a[j], b[j], b[i]]) for i, j in ((0, 1), (2, 3), (1, 2), (3, 0))]
        for face in faces:
            self.add(face, colour)
        self.add(b, top)
        return faces

    def panel(self, face: Floats, x0: float, x1: float, y0: float, y1: float, colour: Colour,
              glow: float = 0.0, fine: bool = True, lamp: int = 0) -> None:
        """Add a rectangle on a face. Coordinates x and y on the face go from 0 to 1."""
        def at(x: float, y: float) -> Floats:
            low = face[0] + x * (face[1] - face[0])
            high = face[3] + x * (face[2] - face[3])
            return np.asarray(low + y * (high - low))
        self.add(np.stack([at(x0, y0), at(x1, y0), at(x1, y1), at(x0, y1)]), colour, glow,
                 fine, lamp)

    def wheels(self, places: tuple[float, ...], half: float, radius: float) -> None:
        """Add wheels at these x positions on both sides."""
        turn = np.linspace(0, 2 * np.pi, 13)[:-1]
        for x in places:
            for side in (-1.0, 1.0):
                for size, colour in ((radius, TYRE), (radius * 0.56, (150, 150, 150))):
                    ring = np.stack([
                        x + size * np.cos(turn), np.full(12, side * half),
                        radius + size * np.sin(turn) * -side], axis=1)
                    self.add(ring, colour, fine=size < radius)

    def to_mesh(self) -> Mesh:
        """Return the solid as arrays that can be drawn."""
        points, colours, glow, fine, lamp, part = zip(*self._polygons)
        corners = np.array([p[:3] for p in points])
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        unit = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        ends = np.cumsum([len(p) for p in points])
        return Mesh(np.concatenate(points), [0, *ends.tolist()], unit, corners[:, 0],
                    np.array(colours, float), np.array(glow), fine, lamp, np.array(part),
                    self.length, self.width, self.height)


@dataclass(frozen=True)
class Mesh:
    """A solid of P polygons as arrays.

    :param vertices: (V, 3) corners of all polygons.
    :param bounds: P + 1 indices. Polygon i has the vertices bounds[i] to bounds[i + 1] - 1.
    :param anchors: (P, 3) one corner of each polygon.
    :param part: (P,) whether a polygon belongs to the front part.
    """

    vertices: Floats
    bounds: list[int]
    normals: Floats
    anchors: Floats
    colours: Floats
    glow: Floats
    fine: tuple[bool, ...]
    lamp: tuple[int, ...]
    part: npt.NDArray[np.bool_]
    length: float
    width: float
    height: float

    def draw(self, view: SceneView, foot: Floats, heading: float) -> None:
        """Draw the solid at a (3,) world point. ``heading`` is in radians."""
        camera = view.camera
        cosine, sine = math.cos(heading), math.sin(heading)
        matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
        eye = (np.array([camera.x, camera.y, camera.z]) - foot) @ matrix
        seen = np.einsum('ij,ij->i', self.normals, eye - self.anchors) > 0
        turned = camera.turn(self.vertices @ matrix.T + foot)
        depth = float(turned[:, 2].mean())
        if depth < 0.5 or self.height * camera.focal / depth < 9 * camera.zoom:
            return
        small = self.height * camera.focal / depth < 34 * camera.zoom
        cut = bool(turned[:, 2].min() < NEAR)
        pixels = None if cut else camera.flatten(turned)
        lambert = self.normals @ matrix.T @ view.look.towards_sun
        colours = view.look.shades(self.colours, depth, lambert, self.glow).tolist()
        vertices = None if pixels is None else to_fixed_point(pixels)
        order = np.flatnonzero(seen)
        order = order[np.argsort(self.part[order] == (eye[0] > 0), kind='stable')]
        for index in order.tolist():
            if small and self.fine[index] and not self.lamp[index]:
                continue
            start, end = self.bounds[index], self.bounds[index + 1]
            outline = (camera.outline(self.vertices[start:end] @ matrix.T + foot)
                       if pixels is None else pixels[start:end])
            if len(outline) > 2:
                ready = to_fixed_point(outline) if vertices is None else vertices[start:end]
                view.canvas.convex_fixed(ready, colours[index], VEHICLE)
                if self.lamp[index] and self.glow[index]:
                    size = 0.11 * camera.focal / depth
                    view.lamps.append((outline.mean(0), size, colours[index]))
