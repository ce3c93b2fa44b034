# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
"""Pinhole camera above the ground plane, and the curved road it follows."""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NEAR = 0.6  # metres; nothing closer than this is projected


@dataclass(frozen=True)
class Camera:
    """
    A pinhole camera; world axes are metres with z up and the ground at z = 0.

    yaw is measured from the world x axis to the left, pitch is positive downwards (radians).
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
        """Pixels of this image per pixel of the same image at 1280 wide."""
        return self.width / 1280.0

    @property
    def horizon(self) -> float:
        """Image row of the horizon, pixels."""
        return (self.height - 1) / 2 - self.focal * math.tan(self.pitch)

    def turn(self, points: Floats) -> Floats:
        """Turn (N, 3) world points into (N, 3) right, down, forward of the camera, metres."""
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        down, forward = math.cos(self.pitch), math.sin(self.pitch)
        delta = points - (self.x, self.y, self.z)
        matrix = np.array([
            [sine, -cosine, 0.0],
            [-forward * cosine, -forward * sine, -down],
            [down * cosine, down * sine, -forward],
        ])
        turned: Floats = delta @ matrix.T
        return turned

    def flatten(self, turned: Floats) -> Floats:
        """Project (N, 3) camera points, all with a forward part above 0, to (N, 2) pixels."""
        centre = ((self.width - 1) / 2, (self.height - 1) / 2)
        pixels: Floats = turned[:, :2] * (self.focal / turned[:, 2:]) + centre
        return pixels

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Return (N, 2) pixels and (N,) depths in metres; depths are kept above NEAR."""
        turned = self.turn(points)
        turned[:, 2] = np.maximum(turned[:, 2], NEAR)
        return self.flatten(turned), turned[:, 2]

    def outline(self, points: Floats) -> Floats:
        """Project an (N, 3) polygon, cutting off what lies behind the camera; may be empty."""
        return self.flatten(clip(self.turn(points)))

    def row(self, depth: float) -> float:
        """Image row of the ground this far ahead, pixels."""
        angle = math.atan2(self.z, depth) - self.pitch
        return (self.height - 1) / 2 + self.focal * math.tan(angle)

    def ground(self, scale: float, period: float) -> Floats:
        """Return the (3, 3) map from pixels to ground texels, scale per metre, from a tile."""
        u, v = (self.width - 1) / 2, (self.height - 1) / 2
        cosine, sine = math.cos(self.pitch), math.sin(self.pitch)
        inverse = 1.0 / self.focal
        down = np.array([0.0, cosine * inverse, sine - cosine * v * inverse])
        forward = self.z * np.array([0.0, -sine * inverse, cosine + sine * v * inverse])
        left = self.z * np.array([-inverse, 0.0, u * inverse])
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        x, y = self.x % (period / scale), self.y % (period / scale)
        return np.stack([
            scale * (forward * cosine - left * sine + x * down),
            scale * (forward * sine + left * cosine + y * down),
            down,
        ])


def clip(turned: Floats) -> Floats:
    """Cut an (N, 3) polygon in camera axes at the near plane; (M, 3), perhaps with no point."""
    inside = turned[:, 2] >= NEAR
    if inside.all():
        return turned
    kept: list[Floats] = []
    for index in range(len(turned)):
        here, after = turned[index], turned[(index + 1) % len(turned)]
        if here[2] >= NEAR:
            kept.append(here)
        if (here[2] >= NEAR) != (after[2] >= NEAR):
            share = (NEAR - here[2]) / (after[2] - here[2])
            kept.append(here + share * (after - here))
    return np.array(kept).reshape(-1, 3)


class Road:
    """An endless centre line whose bends repeat every `period` metres."""

    def __init__(self, rng: np.random.Generator, period: float) -> None:
        self.period = period
        waves = np.arange(1, 7)
        strength = rng.uniform(-1, 1, 6)
        bend = 1.0 / rng.uniform(60.0, 400.0)
        bend /= np.abs(strength).sum()
        self._swing = bend * strength * period / (2 * np.pi * waves)
        self._phase = rng.uniform(0, 2 * np.pi, 6)
        self._waves = waves
        count = int(period) * 2
        self._steps = np.linspace(0.0, period, count + 1)
        heading = self.heading(self._steps)
        middle = (heading[1:] + heading[:-1]) / 2
        step = period / count
        self._x = np.concatenate([[0.0], np.cumsum(np.cos(middle))]) * step
        self._y = np.concatenate([[0.0], np.cumsum(np.sin(middle))]) * step

    def heading(self, s: Floats) -> Floats:
        """Direction of travel at (N,) distances along the road, radians."""
        angle = 2 * np.pi / self.period * np.multiply.outer(s, self._waves) + self._phase
        total: Floats = np.sin(angle) @ self._swing
        return total

    def at(self, s: npt.ArrayLike, t: npt.ArrayLike) -> Floats:
        """World (N, 3) ground points s along and t to the left of the centre line, metres."""
        along, aside = np.broadcast_arrays(
            np.atleast_1d(np.asarray(s, np.float64)), np.asarray(t, np.float64))
        lap = np.floor(along / self.period)
        rest = along - lap * self.period
        heading = self.heading(along)
        x = np.interp(rest, self._steps, self._x) + lap * self._x[-1]
        y = np.interp(rest, self._steps, self._y) + lap * self._y[-1]
        return np.stack([
            x - aside * np.sin(heading), y + aside * np.cos(heading), np.zeros_like(x)], axis=1)
