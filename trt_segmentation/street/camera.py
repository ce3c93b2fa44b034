# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A pinhole camera above the ground plane, and the curved road that the camera follows."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NEAR = 0.6
"""Distance from the camera to the near plane in metres. Nearer things are not visible."""


@dataclass(frozen=True)
class PinholeCamera:
    """A pinhole camera. World coordinates are in metres: z points up, and the ground is z = 0.

    :param yaw: angle from the world x axis in radians, positive to the left.
    :param pitch: angle from the horizontal in radians, positive downwards.
    :param focal: focal length in pixels.
    """

    x: float
    y: float
    z: float
    yaw: float
    pitch: float
    focal: float
    width: int
    height: int

    @property
    def zoom(self) -> float:
        """Image width divided by 1280 pixels."""
        return self.width / 1280.0

    @property
    def horizon(self) -> float:
        """Image row of the horizon in pixels."""
        return (self.height - 1) / 2 - self.focal * math.tan(self.pitch)

    def turn(self, points: Floats) -> Floats:
        """Transform (N, 3) world points to camera coordinates: right, down, forward, in metres."""
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        down, forward = math.cos(self.pitch), math.sin(self.pitch)
        delta = points - (self.x, self.y, self.z)
        matrix = np.array([[sine, -cosine, 0.0],
                           [-forward * cosine, -forward * sine, -down],
                           [down * cosine, down * sine, -forward]])
        return np.asarray(delta @ matrix.T)

    def flatten(self, turned: Floats) -> Floats:
        """Project (N, 3) points in camera coordinates to (N, 2) pixels. Each depth must be > 0."""
        centre = ((self.width - 1) / 2, (self.height - 1) / 2)
        return turned[:, :2] * (self.focal / turned[:, 2:]) + centre

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project (N, 3) world points. Return (N, 2) pixels and (N,) depths in metres.

        A depth below :data:`NEAR` is replaced by NEAR before the projection.
        """
        turned = self.turn(points)
        turned[:, 2] = np.maximum(turned[:, 2], NEAR)
        return self.flatten(turned), turned[:, 2]

    def outline(self, points: Floats) -> Floats:
        """Project the part of an (N, 3) world polygon that lies at a depth of NEAR or more.

        :returns: (M, 2) pixels, which may lie outside the image. M is 0 if there is no such part.
        """
        return self.flatten(clip(self.turn(points)))

    def row(self, depth: float) -> float:
        """Return the image row, in pixels, of the ground at this horizontal distance in metres."""
        angle = math.atan2(self.z, depth) - self.pitch
        return (self.height - 1) / 2 + self.focal * math.tan(angle)

    def ground(self, scale: float, period: float) -> Floats:
        """Return the (3, 3) homography from image pixels to the pixels of the ground's texture.

        The texture consists of copies of a square picture, the tile.

        :param scale: pixels of the tile per metre.
        :param period: side of the tile in pixels.
        """
        u, v = (self.width - 1) / 2, (self.height - 1) / 2
        cosine, sine = math.cos(self.pitch), math.sin(self.pitch)
        inverse = 1.0 / self.focal
        down = np.array([0.0, cosine * inverse, sine - cosine * v * inverse])
        forward = self.z * np.array([0.0, -sine * inverse, cosine + sine * v * inverse])
        left = self.z * np.array([-inverse, 0.0, u * inverse])
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        x, y = self.x % (period / scale), self.y % (period / scale)
        return np.stack([scale * (forward * cosine - left * sine + x * down),
                         scale * (forward * sine + left * cosine + y * down), down])


def clip(turned: Floats) -> Floats:
    """Clip an (N, 3) polygon at the near plane. The points are in camera coordinates."""
    inside = turned[:, 2] >= NEAR
    if inside.all():
        return turned
    if not inside.any():
        return turned[:0]
    after = np.concatenate([turned[1:], turned[:1]])
    cut = np.flatnonzero(inside != (after[:, 2] >= NEAR))
    here, after = turned[cut], after[cut]
    share = (NEAR - here[:, 2:]) / (after[:, 2:] - here[:, 2:])
    points = np.concatenate([turned[inside], here + share * (after - here)])
    order = np.argsort(np.concatenate([np.flatnonzero(inside), cut + 0.5]))
    return points[order]


class Road:
    """The centre line of an endless road. The bends repeat every ``period`` metres."""

    def __init__(self, rng: np.random.Generator, period: float) -> None:
        self.period = period
        waves = np.arange(1, 7)
        strength = rng.uniform(-1, 1, 6)
        bend = 1.0 / rng.uniform(35.0, 220.0)
        bend /= np.abs(strength).sum()
        swing = bend * strength * period / (2 * np.pi * waves)
        phase = rng.uniform(0, 2 * np.pi, 6)
        count = int(period) * 2
        self._steps = np.linspace(0.0, period, count + 1)
        turns = 2 * np.pi / period * np.multiply.outer(self._steps, waves) + phase
        heading: Floats = np.sin(turns) @ swing
        middle = (heading[1:] + heading[:-1]) / 2
        step = period / count
        self._density = count / period
        self._angle = heading
        self._x = np.concatenate([[0.0], np.cumsum(np.cos(middle))]) * step
        self._y = np.concatenate([[0.0], np.cumsum(np.sin(middle))]) * step

    def heading(self, s: float) -> float:
        """Return the direction of travel, in radians, at a distance along the road."""
        return self._pose(s)[2]

    def _pose(self, s: float) -> tuple[float, float, float]:
        """Return x, y and the direction of travel at a distance along the road."""
        lap = s // self.period
        place = (s - lap * self.period) * self._density
        index = min(int(place), len(self._steps) - 2)
        part = place - index
        x, y, angle = self._x, self._y, self._angle
        return (
            float(x[index] + part * (x[index + 1] - x[index]) + lap * x[-1]),
            float(y[index] + part * (y[index + 1] - y[index]) + lap * y[-1]),
            float(angle[index] + part * (angle[index + 1] - angle[index])))

    def point(self, s: float, t: float) -> tuple[float, float]:
        """Return world x and y of a point on the ground.

        :param s: distance of the point along the road in metres.
        :param t: distance of the point from the centre line in metres, positive to the left.
        """
        x, y, angle = self._pose(s)
        return x - t * math.sin(angle), y + t * math.cos(angle)

    def at(self, s: npt.ArrayLike, t: npt.ArrayLike) -> Floats:
        """Return (N, 3) world points on the ground. ``s`` and ``t`` are as in :meth:`point`."""
        if isinstance(s, float) and isinstance(t, float):
            return np.array([[*self.point(s, t), 0.0]])
        along = np.atleast_1d(np.asarray(s, np.float64))
        aside = np.asarray(t, np.float64)
        if aside.size > along.size:
            along = np.repeat(along, aside.size)
        lap = np.floor(along / self.period)
        rest = along - lap * self.period
        heading = np.interp(rest, self._steps, self._angle)
        x = np.interp(rest, self._steps, self._x) + lap * self._x[-1]
        y = np.interp(rest, self._steps, self._y) + lap * self._y[-1]
        points = np.zeros((len(x), 3))
        points[:, 0] = x - aside * np.sin(heading)
        points[:, 1] = y + aside * np.cos(heading)
        return points
