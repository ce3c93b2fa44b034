# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One moment as the things in the street see it when they draw themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
import math
from typing import Protocol

import numpy as np

from .camera import Floats, NEAR, PinholeCamera, Road
from .canvas import Canvas, Colour
from .weather import Look


@dataclass
class SceneView:
    """Camera, canvas and light of one frame; drawing a lamp adds it to lamps."""

    camera: PinholeCamera
    canvas: Canvas
    look: Look
    road: Road
    s: float
    time: float
    lamps: list[tuple[Floats, float, Colour]] = field(default_factory=list)

    def upright(self, s: float, t: float) -> tuple[Floats, float, float]:
        """Foot (2,) in pixels, pixels per metre and depth of a thing standing on the ground."""
        camera = self.camera
        x, y = self.road.point(s, t)
        x, y = x - camera.x, y - camera.y
        cosine, sine = math.cos(camera.yaw), math.sin(camera.yaw)
        down, level = math.sin(camera.pitch), math.cos(camera.pitch)
        ahead, right = x * cosine + y * sine, x * sine - y * cosine
        depth = max(ahead * level + camera.z * down, NEAR)
        scale = camera.focal / depth
        foot = np.array([
            (camera.width - 1) / 2 + scale * right,
            (camera.height - 1) / 2 + scale * (camera.z * level - ahead * down)])
        return foot, scale, depth


class Thing(Protocol):
    """Something that stands in the street or moves along it."""

    tail: float  # metres by which its far end lies beyond its place

    def place(self, time: float, s: float) -> tuple[float, float]:
        """Place (s, t) in metres at this time, for a camera at s."""

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw itself with its truth."""

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """World (N, 3) outlines of its shadow on the ground."""


BEHIND = 14.0  # metres behind the camera at which things are forgotten


def wrap(s: float, camera: float, period: float) -> float:
    """Return s moved by whole periods so that it lies from just behind the camera onwards."""
    return camera - BEHIND + (s - camera + BEHIND) % period


def cast(look: Look, foot: Floats, height: float) -> Floats:
    """Ground (N, 3) outline shaded by a thing `height` tall over the outline foot."""
    sun = look.towards_sun
    length = min(height / max(float(sun[2]), 0.25), 12.0)
    return np.asarray(foot - (sun[0] * length, sun[1] * length, 0.0))
