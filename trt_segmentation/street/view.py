# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The view of one frame, and the interface of the things that are drawn in a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
import math

import numpy as np

from .camera import Floats, NEAR, PinholeCamera, Road
from .canvas import Canvas, Colour, Texture
from .look import Look


@dataclass
class SceneView:
    """Camera, canvas and light of one frame.

    :param s: distance of the camera along the road in metres.
    :param time: seconds since the camera started to drive along the road.
    :param lamps: (pixel, radius, colour) of each lit lamp. A thing that draws a lamp adds the
        lamp to this list.
    """

    camera: PinholeCamera
    canvas: Canvas
    look: Look
    road: Road
    s: float
    time: float
    lamps: list[tuple[Floats, float, Colour]] = field(default_factory=list)

    def upright(self, s: float, t: float) -> tuple[Floats, float, float]:
        """Project a thing that stands on the ground at (s, t), as in :meth:`.Road.point`.

        :returns: (2,) pixel position of the foot, number of pixels per metre, and depth in metres.
        """
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


BEHIND = 14.0
"""Things that are more than this many metres behind the camera reappear in front of the camera,
because the road repeats."""
FAR = 230.0
"""Distance in metres from the camera to the end of the road. The horizon is drawn there."""


def wrap_distance(s: float, camera: float, period: float) -> float:
    """Add a multiple of ``period`` to ``s``, because the road repeats after ``period`` metres.

    The result is in the period that begins at ``camera - BEHIND``.
    """
    return camera - BEHIND + (s - camera + BEHIND) % period


def cast_shadow(look: Look, foot: Floats, height: float) -> Floats:
    """Return the (N, 3) outline of a shadow on the ground.

    The thing that casts the shadow is ``height`` metres above the ground points ``foot``.
    """
    sun = look.towards_sun
    length = min(height / max(float(sun[2]), 0.25), 12.0)
    return np.asarray(foot - (sun[0] * length, sun[1] * length, 0.0))


def cast_post_shadow(view: SceneView, foot: Floats, half: float, height: float) -> Floats:
    """Return the (4, 3) shadow of a post on the ground. The post is 2 * ``half`` metres wide."""
    aside = np.array([[-view.look.towards_sun[1], view.look.towards_sun[0], 0.0]]) * half
    far = cast_shadow(view.look, foot, height)
    return np.concatenate([foot - aside, foot + aside, far + aside, far - aside])


def make_ring(count: int, turn: float = 0.0) -> Floats:
    """Return the (count, 3) corners of a horizontal regular polygon. Its radius is 1.

    :param turn: angle of the first corner in radians.
    """
    angle = np.linspace(0, 2 * np.pi, count + 1)[:-1] + turn
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)


class Thing:
    """Something that stands in the street or moves along it.

    The distances ``s`` and ``t`` are in metres, as in :meth:`.Road.point`.

    :param speed: metres per second along the road.
    """

    tail = 0.0
    """Distance along the road from the place of the thing to its far end, in metres."""

    def __init__(self, s: float, t: float, period: float, speed: float = 0.0) -> None:
        self._s, self._t, self._period, self._speed = s, t, period, speed

    def place(self, time: float, s: float) -> tuple[float, float]:
        """Return the distances (s, t) of the thing.

        :param time: seconds since the start of the drive.
        :param s: distance of the camera along the road.
        """
        return wrap_distance(self._s + self._speed * time, s, self._period), self._t

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the thing and its class ids."""

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """Return the (N, 3) outlines of the shadow on the ground, in world coordinates."""
        return []


def draw_wall(view: SceneView, texture: Texture, ends: Floats, height: float, label: int,
              facade: bool = False) -> None:
    """Draw an upright wall.

    :param ends: (2, 3) ground points of the two ends. Seen from the camera, the first end is on
        the left.
    :param facade: whether the wall is lit like the facade of a house.
    """
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
    pixels, depths = camera.project(np.stack([a + (0, 0, height), b + (0, 0, height), b, a]))
    if pixels[:, 0].max() < 0 or pixels[:, 0].min() > view.canvas.width:
        return
    depth = float(depths.mean())
    along = ends[1] - ends[0]
    normal = np.array([along[1], -along[0], 0.0]) / max(float(np.hypot(*along[:2])), 1e-6)
    lambert = float(-normal @ view.look.towards_sun)
    gain, haze = view.look.gain(lambert, depth, facade)
    view.canvas.plane(texture, pixels, gain, haze, label, (start, end))
