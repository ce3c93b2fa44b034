# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and hedges beside the road."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .camera import Floats
from .canvas import Texture, VEGETATION
from .look import Look
from .view import cast_shadow, draw_wall, make_ring, SceneView, Thing


def paint_plant(rng: np.random.Generator, style: Look, kind: str) -> Texture:
    """Paint a tree or a bush on a transparent background of 192 x 256 pixels.

    :param kind: ``round``, ``tall`` or ``cone`` for a tree, ``bush`` for a bush.
    """
    picture = np.zeros((256, 192, 4), np.uint8)
    hue = np.array(((40, 112, 66), (34, 92, 74), (52, 128, 92), (30, 110, 118), (36, 104, 150)
                    )[int(rng.choice(5, p=(0.32, 0.24, 0.2, 0.14, 0.1)))], float)
    if kind != 'bush':
        bark = np.array((52, 70, 88)) * rng.uniform(0.7, 1.2)
        cv2.fillConvexPoly(picture, np.array([[88, 255], [91, 120], [101, 120], [104, 255]]),
                           (*bark.tolist(), 255))
    centres = _crown(rng, kind)
    if kind != 'cone':
        middle = {'round': ((96, 92), (66, 66)), 'tall': ((96, 100), (44, 86)),
                  'bush': ((96, 180), (74, 74))}[kind]
        cv2.ellipse(picture, middle[0], middle[1], 0, 0, 360, (*(hue * 0.5).tolist(), 255), -1)
    for x, y in centres:
        light = 0.62 + 0.5 * (1 - y / 256) + rng.normal(0, 0.13)
        colour = hue * max(light, 0.1)
        white = rng.random()
        if style.is_snow and white < 0.62 - 0.3 * y / 256:
            colour = np.array((236, 230, 226)) * (0.86 + 0.3 * white)
        radius = int(rng.integers(5, 13))
        cv2.circle(picture, (int(x), int(y)), radius, (*colour.tolist(), 255), -1)
    if kind == 'bush':
        picture[:, :, :] = cv2.resize(picture[100:256], (192, 256))
    return Texture(picture)


def _crown(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Return the (N, 2) centres of the clumps of leaves. The lowest clump comes first."""
    count = 260
    angle = rng.uniform(0, 2 * np.pi, count)
    far = np.sqrt(rng.uniform(0, 1, count))
    if kind == 'cone':
        y = 14 + 206 * np.sqrt(rng.uniform(0, 1, count))
        x = 96 + rng.uniform(-1, 1, count) * (4 + 66 * (y - 14) / 206)
    else:
        middle, reach = {'round': ((96, 92), (78, 78)), 'tall': ((96, 100), (52, 92)),
                         'bush': ((96, 186), (84, 74))}[kind]
        x = middle[0] + reach[0] * far * np.cos(angle)
        y = middle[1] + reach[1] * far * np.sin(angle)
    order = np.argsort(-y)
    return np.stack([x[order], np.clip(y[order], 0, 255)], axis=1)


def paint_hedge(rng: np.random.Generator, style: Look) -> Texture:
    """Paint the leaves of a hedge: 96 x 48 opaque pixels."""
    hue = np.array((42, 100, 62)) * rng.uniform(0.75, 1.25)
    picture = np.full((48, 96, 4), 255, np.uint8)
    picture[:, :, :3] = np.clip(hue * 0.6, 0, 255)
    for x, y in rng.uniform(0, 1, (260, 2)):
        colour = (hue * (0.65 + 0.5 * (1 - y) + rng.normal(0, 0.12)))
        if style.is_snow and y < 0.3 + rng.normal(0, 0.1):
            colour = np.array((238, 234, 230))
        cv2.circle(picture, (int(x * 96), int(y * 48)), int(rng.integers(2, 5)),
                   (*colour.tolist(), 255), -1)
    return Texture(picture, solid=True)


class Plant(Thing):
    """A tree or a bush, drawn as a flat picture that faces the camera."""

    def __init__(self, texture: Texture, s: float, t: float, period: float, width: float,
                 height: float) -> None:
        super().__init__(s, t, period)
        self._texture, self._width, self._height = texture, width, height

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the plant, and write the class id of its pixels into the label map."""
        foot, scale, depth = view.upright(s, t)
        wide, high = self._width * scale / 2, self._height * scale
        out = not -wide < foot[0] < view.canvas.width + wide
        if out or depth < 1.5 or high < 9 * view.camera.zoom or wide > 3 * view.canvas.width:
            return
        x, y = foot
        quad = np.array([(x - wide, y - high), (x + wide, y - high), (x + wide, y),
                         (x - wide, y)])
        gain, haze = view.look.gain(0.6, depth)
        view.canvas.plane(self._texture, quad, gain, haze, VEGETATION)

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """Return the (N, 3) outlines of the shadow on the ground, in world coordinates."""
        foot = view.road.at(s, t)
        ring = make_ring(11)
        if view.look.sun < 0.2:
            return [foot + ring * 0.3 * self._width]
        return [cast_shadow(view.look, foot, self._height * 0.6) + ring * 0.45 * self._width]


class Hedge(Thing):
    """A clipped hedge along the road."""

    def __init__(self, texture: Texture, s: float, t: float, period: float, length: float,
                 height: float) -> None:
        super().__init__(s, t, period)
        self._texture, self._height = texture, height
        self.tail = length

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the near end of the hedge, and the side that faces the road."""
        front = view.road.at([s, s + self.tail], t)
        back = view.road.at(s, t + math.copysign(0.9, t))
        end = np.stack([back[0], front[0]]) if t > 0 else np.stack([front[0], back[0]])
        draw_wall(view, self._texture, end, self._height, VEGETATION)
        ends = front if t > 0 else front[::-1]
        draw_wall(view, self._texture, ends, self._height, VEGETATION)
