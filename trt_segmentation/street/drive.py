# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A drive along a street, frame by frame, with the class of every pixel."""

from __future__ import annotations

from dataclasses import dataclass
import math

import cv2
import numpy as np
import numpy.typing as npt

from .camera import PinholeCamera, Road
from .canvas import Canvas
from .ground import Ground, make_grain
from .lamps_and_signs import Lamp
from .layout import Layout
from .look import choose_look, CONDITIONS
from .sky import Horizon, Sky
from .view import SceneView, Thing
from .weather import light_ground, Weather

_REACH = 185.0
"""Things, such as cars and plants, are drawn up to this many metres ahead of the camera."""
_SHADOWS = 60.0
"""Shadows of things are drawn up to this many metres ahead of the camera."""


@dataclass(frozen=True)
class Scene:
    """One drawn image.

    :param image: (height, width, 3) uint8 BGR.
    :param truth: (height, width) uint8, the class id of every pixel.
    :param condition: the weather or the light: one of :data:`CONDITIONS`.
    """

    image: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]
    condition: str


class Drive:
    """A drive of a camera along a street. The same arguments always give the same frames.

    The frames may be drawn in any order. If two drives differ only in the condition, their frames
    have different images but the same truth. Several threads may call :meth:`frame` at the same
    time.

    :param condition: see :class:`Scene`.
    :param fps: frames per second of the camera.
    :raises ValueError: if the condition is unknown, the seed is negative, a side of the image is
        below 64 pixels, or ``fps`` is not a positive number.
    """

    def __init__(self, seed: int, condition: str = 'day', width: int = 1280, height: int = 720,
                 fps: float = 30.0) -> None:
        _check_arguments(seed, condition, width, height, fps)
        self._condition = condition
        self._width, self._height, self._fps = width, height, fps
        rng = np.random.Generator(np.random.PCG64([seed, 1]))
        self._road = Road(rng, float(rng.integers(380, 640)))
        self._tall = rng.uniform(1.3, 1.8)
        self._focal = width / 2 / math.tan(math.radians(rng.uniform(58, 76)) / 2)
        self._pitch = rng.uniform(-0.01, 0.07)
        self._yaw = rng.normal(0, 0.035)
        self._speed = rng.uniform(6.0, 12.0)
        self._sway = rng.uniform(0, 2 * np.pi, 3)
        azimuth, elevation = rng.uniform(-np.pi, np.pi), rng.uniform(0.45, 1.1)
        tone = np.random.Generator(np.random.PCG64([seed, 2, CONDITIONS.index(condition)]))
        self._look = choose_look(condition, tone, azimuth, elevation)
        self._layout = Layout(seed, self._road, self._look, self._speed)
        self._sky = Sky(tone, self._look)
        self._weather = Weather(self._look, tone, width, height)
        backdrop = np.random.Generator(np.random.PCG64([seed, 3]))
        plan = self._layout.plan
        self._horizon = Horizon(backdrop, self._look, plan.style == 'urban')
        self._ground = Ground(plan, self._look, make_grain(tone), backdrop, self._road.period)

    @property
    def intrinsics(self) -> tuple[float, float, float, float]:
        """Focal lengths fx and fy, and principal point cx and cy, in pixels."""
        return (self._focal, self._focal, (self._width - 1) / 2, (self._height - 1) / 2)

    @property
    def mount(self) -> tuple[float, float]:
        """Height of the camera above the ground in metres, and its mean pitch in radians."""
        return self._tall, self._pitch

    def camera(self, index: int) -> PinholeCamera:
        """Return the camera of a frame. Its pose sways a little, as on a car that drives."""
        return self._view(index / self._fps).camera

    def frame(self, index: int) -> Scene:
        """Draw the frame with the number ``index``, from 0.

        :raises ValueError: if the index is negative.
        """
        if index < 0:
            raise ValueError(f'index is {index}; expected 0 or more')
        view = self._view(index / self._fps)
        things = self._visible(view)
        self._scenery(view, things)
        for s, t, thing in things:
            thing.draw(view, s, t)
        image = np.asarray(cv2.cvtColor(view.canvas.pixels, cv2.COLOR_BGRA2BGR), np.uint8)
        truth = np.asarray(cv2.extractChannel(view.canvas.pixels, 3), np.uint8)
        if self._condition == 'rain':
            self._weather.reflect(image, truth, view.camera)
        if view.lamps:
            image = self._weather.add_glow(image, self._uncovered_lamps(view))
        return Scene(self._weather.finish(image, index), truth, self._condition)

    def _view(self, time: float) -> SceneView:
        s = self._speed * time
        lane = self._layout.plan.lane
        swing = np.sin(np.array([0.5, 1.7, 5.3]) * time + self._sway)
        point = self._road.at(s, -lane / 2 + 0.12 * swing[0])[0]
        heading = self._road.heading(s)
        camera = PinholeCamera(
            float(point[0]), float(point[1]), self._tall, heading + self._yaw + 0.006 * swing[1],
            self._pitch + 0.003 * swing[2], self._focal, self._width, self._height)
        return SceneView(camera, Canvas(self._width, self._height), self._look, self._road, s,
                         time)

    def _scenery(self, view: SceneView, things: list[tuple[float, float, Thing]]) -> None:
        camera, pixels = view.camera, view.canvas.pixels
        rows = min(max(int(camera.horizon) + 2, 0), self._height)
        if rows:
            pixels[:rows] = self._sky.view(camera.yaw, camera.focal, self._width, rows)
        self._ground.draw(view)
        shadows, pools = [], []
        for s, t, thing in things:
            if s - view.s < _SHADOWS:
                shadows += [camera.outline(part) for part in thing.shadow(view, s, t)]
            if isinstance(thing, Lamp) and self._look.is_night:
                pools.append((camera.outline(thing.pool(view, s, t)), 62.0))
        light_ground(view.canvas, camera, self._look, shadows, pools, self._ground.roughness(view))
        self._ground.haze(view)
        self._horizon.draw(view)

    def _visible(self, view: SceneView) -> list[tuple[float, float, Thing]]:
        """Return (s, t, thing) for each thing that may be visible, the farthest thing first.

        The place of the thing is ``s`` metres along the road and ``t`` metres left of the centre
        line.
        """
        found = []
        for thing in self._layout.things:
            s, t = thing.place(view.time, view.s)
            if s - view.s < _REACH and self._may_be_visible(view, s, t, thing.tail):
                found.append((s + thing.tail, s, t, thing))
        found.sort(key=lambda entry: -entry[0])
        return [(s, t, thing) for _, s, t, thing in found]

    def _may_be_visible(self, view: SceneView, s: float, t: float, tail: float) -> bool:
        camera = view.camera
        x, y = self._road.point(s, t)
        x, y = x - camera.x, y - camera.y
        cosine, sine = math.cos(camera.yaw), math.sin(camera.yaw)
        ahead, aside = x * cosine + y * sine, abs(x * sine - y * cosine)
        room = tail * 1.5 + 9.0
        return ahead > -room and aside < ahead * self._width / 2 / self._focal + room * 1.5

    def _uncovered_lamps(self, view: SceneView
                         ) -> list[tuple[npt.NDArray[np.float64], float, list[float]]]:
        seen = []
        for pixel, radius, colour in view.lamps:
            x, y = round(float(pixel[0])), round(float(pixel[1]))
            if 0 <= x < self._width and 0 <= y < self._height:
                drawn = view.canvas.pixels[y, x, :3].astype(float)
                if np.abs(drawn - np.asarray(colour)).max() < 4:
                    seen.append((pixel, radius, list(colour)))
        return seen


def scene(seed: int, condition: str = 'day', width: int = 1280, height: int = 720) -> Scene:
    """Draw one frame of a drive. The seed determines the drive and the number of the frame.

    :raises ValueError: if :class:`Drive` refuses an argument.
    """
    drive = Drive(seed, condition, width, height)
    rng = np.random.Generator(np.random.PCG64([seed, 4]))
    return drive.frame(int(rng.integers(0, 18000)))


def _check_arguments(seed: int, condition: str, width: int, height: int, fps: float) -> None:
    if seed < 0:
        raise ValueError(f'`seed` is {seed}; expected 0 or more')
    if condition not in CONDITIONS:
        raise ValueError(f'`condition` is {condition!r}; expected one of {", ".join(CONDITIONS)}')
    for name, size in (('width', width), ('height', height)):
        if size < 64:
            raise ValueError(f'`{name}` is {size}; expected 64 pixels or more')
    if not (fps > 0 and math.isfinite(fps)):
        raise ValueError(f'`fps` is {fps}; expected a number above 0')
