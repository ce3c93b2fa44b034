# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""People who walk, stand and carry umbrellas."""

from __future__ import annotations

import math

import numpy as np

from .camera import Floats
from .canvas import Colour, PERSON
from .view import cast_post_shadow, make_ring, SceneView, Thing

CLOTHES: tuple[Colour, ...] = (
    (40, 40, 46), (160, 60, 40), (50, 50, 190), (60, 140, 60), (200, 200, 205), (30, 150, 220),
    (150, 110, 60), (110, 60, 130), (70, 80, 110), (190, 170, 60), (90, 90, 95), (180, 150, 220))
_TROUSERS: tuple[Colour, ...] = (
    (45, 40, 38), (110, 72, 50), (60, 80, 105), (90, 90, 92), (130, 150, 170), (35, 35, 60))
_SKIN: tuple[Colour, ...] = ((150, 180, 225), (120, 150, 200), (80, 110, 160), (50, 70, 110))
_HAIR: tuple[Colour, ...] = ((25, 25, 30), (40, 60, 90), (90, 150, 200), (150, 155, 160))


class Person(Thing):
    """A person who stands, or walks along or across the road.

    :param crossing: speed of an approaching camera, in metres per second. The person crosses the
        road before a camera with this speed arrives. If the speed is 0, the person does not cross.
    """

    tail = 0.2

    def __init__(self, rng: np.random.Generator, s: float, t: float, speed: float, period: float,
                 crossing: float = 0.0) -> None:
        super().__init__(s, t, period, speed)
        self._crossing = crossing
        self._height = float(rng.uniform(1.5, 1.92)) if rng.random() < 0.87 else 1.25
        self._phase = rng.uniform(0, 2 * np.pi)
        self._stout = rng.uniform(0.9, 1.25)
        pick = rng.integers(0, 1 << 20, 5).tolist()
        self._coat = CLOTHES[pick[0] % len(CLOTHES)]
        self._legs = _TROUSERS[pick[1] % len(_TROUSERS)]
        self._skin = _SKIN[pick[2] % len(_SKIN)]
        self._hair = _HAIR[pick[3] % len(_HAIR)]
        self._cover = CLOTHES[pick[4] % len(CLOTHES)]
        self._umbrella = bool(rng.random() < 0.16)
        self._bag = bool(rng.random() < 0.3)

    def place(self, time: float, s: float) -> tuple[float, float]:
        """Return the distances (s, t) of the person; see :meth:`.Thing.place`."""
        here, t = super().place(time, s)
        if self._crossing:
            # The person has left the path of the camera before the camera passes.
            left = max((here - s) / self._crossing - 2.2, 0.0)
            t += math.copysign(min(left * 1.4, 2 * abs(t)), -t)
        return here, t

    def _limbs(self, view: SceneView) -> tuple[Floats, list[float], list[Colour]]:
        """Return the (N, 2, 2) lines of a body of height 1, and their widths and colours."""
        moving = abs(self._speed) > 0 or bool(self._crossing)
        swing = math.sin(self._phase + view.time * 7.2) * (0.13 if moving else 0.03)
        if not self._crossing:
            swing *= 0.7
        stout = self._stout
        legs = [((0.03, 0.5), (0.02 + swing * 0.6, 0.27)),
                ((0.02 + swing * 0.6, 0.27), (0.02 + swing, 0.02)),
                ((-0.03, 0.5), (-0.02 - swing * 0.4, 0.27)),
                ((-0.02 - swing * 0.4, 0.27), (-0.02 - swing * 1.1, 0.02))]
        shoes = [((0.0 + swing, 0.015), (0.07 + swing, 0.015)),
                 ((-0.04 - swing * 1.1, 0.015), (0.03 - swing * 1.1, 0.015))]
        hand = 0.62 if self._umbrella else 0.44
        arms = [((0.09 * stout, 0.8), (0.12 * stout - swing * 0.5, 0.62)),
                ((0.12 * stout - swing * 0.5, 0.62), (0.13 * stout - swing, hand)),
                ((-0.09 * stout, 0.8), (-0.12 * stout + swing * 0.5, 0.62)),
                ((-0.12 * stout + swing * 0.5, 0.62), (-0.12 * stout + swing, 0.44))]
        body = [((0.0, 0.46), (0.0, 0.82)), ((0.0, 0.8), (0.0, 0.9))]
        dark = [part * 0.72 for part in self._coat]
        lines = legs + shoes + arms[2:] + body + arms[:2]
        widths = ([0.085, 0.07] * 2 + [0.035] * 2 + [0.055] * 2 + [0.2 * stout, 0.07]
                  + [0.055] * 2)
        colours: list[Colour] = ([self._legs] * 4 + [(30, 30, 34)] * 2 + [dark] * 2
                                 + [self._coat, self._skin] + [dark] * 2)
        return np.array(lines), widths, colours

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the person, and write the class id of its pixels into the label map."""
        foot, scale, depth = view.upright(s, t)
        size = scale * self._height
        reach = view.canvas.width + size
        if depth < 1.2 or size < 15 * view.camera.zoom or not -size < foot[0] < reach:
            return
        flip = -1.0 if self._speed < 0 or self._t > 0 else 1.0
        lines, widths, colours = self._limbs(view)
        lines = lines * (size * flip, -size) + foot
        inks = {colour: view.look.shade(colour, depth) for colour in set(map(tuple, colours))}
        view.canvas.strokes(lines, np.array(widths) * size,
                            [inks[tuple(colour)] for colour in colours], PERSON)
        top = foot + (0.0, -0.93 * size)
        view.canvas.disc(top - (0, 0.015 * size), 0.068 * size,
                         view.look.shade(self._hair, depth), PERSON)
        view.canvas.disc(top + (0.012 * flip * size, 0.012 * size), 0.052 * size,
                         view.look.shade(self._skin, depth), PERSON)
        if self._bag:
            hand = foot + np.array([(-0.14 * flip, -0.46), (-0.14 * flip, -0.3)]) * size
            view.canvas.stroke(hand[0], hand[1], 0.1 * size,
                               view.look.shade(self._cover, depth), PERSON)
        if self._umbrella:
            self._shelter(view, foot, size, depth)

    def _shelter(self, view: SceneView, foot: Floats, size: float, depth: float) -> None:
        """Draw the open umbrella."""
        angle = np.linspace(0, np.pi, 12)
        dome = np.stack([0.36 * np.cos(angle), -1.0 - 0.24 * np.sin(angle)], axis=1)
        view.canvas.convex(foot + dome * size, view.look.shade(self._cover, depth), PERSON)
        rim = [part * 0.7 for part in self._cover]
        part = np.concatenate([dome[3:9], [[0.0, -1.0]]])
        view.canvas.convex(foot + part * size, view.look.shade(rim, depth), PERSON)

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        """Return the (N, 3) outlines of the shadow on the ground, in world coordinates."""
        foot = view.road.at(s, t)
        if view.look.sun < 0.2:
            return [foot + 0.3 * make_ring(7)]
        return [cast_post_shadow(view, foot, 0.2, self._height)]
