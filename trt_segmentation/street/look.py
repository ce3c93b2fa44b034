# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The light, haze and colours of a drive along a street in each condition, such as snow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import math

import numpy as np

from .camera import Floats
from .canvas import Colour

CONDITIONS: tuple[str, ...] = ('day', 'night', 'rain', 'snow')


@dataclass(frozen=True)
class Look:
    """The light and the colours of one drive. Colours are blue, green, red, 0 to 255.

    :param reach: distance in metres that sets the haze. A larger value makes the haze thinner.
    :param facade: brightness of house fronts without sun.
    :param azimuth: direction of the sun in radians, from the world x axis.
    :param elevation: height of the sun above the horizon in radians.
    """

    condition: str
    ambient: float
    sun: float
    headlight: float
    facade: float
    tint: tuple[float, float, float]
    haze: tuple[float, float, float]
    reach: float
    sky_top: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    cloud: tuple[float, float, float]
    road: tuple[float, float, float]
    paint: tuple[float, float, float]
    walk: tuple[float, float, float]
    kerb: tuple[float, float, float]
    grass: tuple[float, float, float]
    shadow: float
    grain: float
    azimuth: float
    elevation: float

    @property
    def is_night(self) -> bool:
        """Whether lamps and windows are lit."""
        return self.condition == 'night'

    @property
    def is_snow(self) -> bool:
        """Whether snow lies on roofs, plants and other surfaces."""
        return self.condition == 'snow'

    @property
    def towards_sun(self) -> Floats:
        """Unit vector towards the sun, in world coordinates."""
        flat = math.cos(self.elevation)
        return np.array([
            flat * math.cos(self.azimuth), flat * math.sin(self.azimuth),
            math.sin(self.elevation)])

    def clear(self, depth: float) -> float:
        """Return how much of a colour is visible through ``depth`` metres of haze, 0.4 to 1."""
        return max(math.exp(-depth / self.reach), 0.4)

    def light(self, lambert: float, depth: float) -> float:
        """Return the brightness of a surface.

        :param lambert: cosine of the angle between the surface normal and the sun.
        :param depth: distance in metres. Headlights make near surfaces brighter.
        """
        return self.ambient + self.sun * max(lambert, 0.0) + self.headlight * math.exp(-depth / 16)

    def gain(self, lambert: float, depth: float, facade: bool = False) -> tuple[float, Colour]:
        """Return a factor and an offset for the colours of a texture.

        In this light and haze, a colour becomes colour × factor + offset.
        """
        share = self.clear(depth)
        light = self.facade + self.sun * max(lambert, 0.0) if facade else self.light(
            lambert, depth)
        return light * share, [part * (1 - share) for part in self.haze]

    def shade(self, colour: Colour, depth: float, lambert: float = 0.5) -> list[float]:
        """Apply light and haze to a colour."""
        share = self.clear(depth)
        light = self.light(lambert, depth) * share
        return [min(a * light * b + c * (1 - share), 255.0)
                for a, b, c in zip(colour, self.tint, self.haze)]

    def shades(self, colours: Floats, depth: float, lambert: Floats, glow: Floats) -> Floats:
        """Apply light and haze to (N, 3) colours.

        :param glow: (N,) smallest brightness of each colour; above 0 for a lamp that is lit.
        """
        share = self.clear(depth)
        light = (self.ambient + self.headlight * math.exp(-depth / 16.0)
                 + self.sun * np.maximum(lambert, 0.0))
        light = np.maximum(light, glow)[:, None] * share
        return np.minimum(colours * light * self.tint + np.multiply(self.haze, 1 - share), 255.0)


_Tone = tuple[float, float, float]
_Pick = Callable[..., _Tone]


def _night(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='night', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.2, 0.3), sun=0.0, headlight=0.55, facade=1.0,
        tint=(1.08, 0.98, 0.95), haze=pick(34, 26, 22, spread=3),
        reach=rng.uniform(220, 400), sky_top=pick(30, 16, 10, spread=4),
        sky_low=pick(72, 48, 42, spread=8), cloud=pick(60, 44, 44, spread=5),
        road=pick(86, 84, 84), paint=pick(215, 222, 225), walk=pick(135, 140, 148),
        kerb=pick(178, 180, 182), grass=pick(44, 92, 62), shadow=0.8, grain=0.16)


def _rain(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='rain', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.66, 0.78), sun=0.08, headlight=0.0, facade=0.74,
        tint=(1.04, 1.0, 0.96), haze=pick(172, 166, 160), reach=rng.uniform(110, 190),
        sky_top=pick(150, 140, 132, spread=12), sky_low=pick(205, 199, 193),
        cloud=pick(122, 114, 108), road=pick(96, 90, 86), paint=pick(220, 222, 222),
        walk=pick(140, 146, 152), kerb=pick(182, 184, 184), grass=pick(48, 104, 80),
        shadow=0.72, grain=0.1)


def _snow(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='snow', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.8, 0.9), sun=0.1, headlight=0.0, facade=0.84,
        tint=(1.05, 1.01, 0.98), haze=pick(226, 221, 217, spread=5),
        reach=rng.uniform(90, 160), sky_top=pick(208, 200, 192, spread=10),
        sky_low=pick(240, 236, 233, spread=4), cloud=pick(190, 184, 178),
        road=pick(146, 141, 138), paint=pick(208, 210, 212), walk=pick(190, 196, 202),
        kerb=pick(142, 142, 142), grass=pick(250, 245, 241, spread=3), shadow=0.85,
        grain=0.08)


def _day(rng: np.random.Generator, pick: _Pick, azimuth: float, elevation: float) -> Look:
    return Look(
        condition='day', azimuth=azimuth, elevation=elevation,
        ambient=rng.uniform(0.6, 0.7), sun=rng.uniform(0.35, 0.5), headlight=0.0, facade=0.72,
        tint=(0.96, 1.0, 1.03), haze=pick(226, 206, 188), reach=rng.uniform(260, 500),
        sky_top=pick(222, 150, 84, spread=14), sky_low=pick(240, 218, 190, spread=6),
        cloud=pick(248, 246, 244, spread=4), road=pick(112, 112, 112, spread=14),
        paint=pick(236, 240, 242), walk=pick(168, 178, 186, spread=12), kerb=pick(200, 204, 206),
        grass=pick(58, 138, 104, spread=12), shadow=0.5, grain=0.045)


def choose_look(condition: str, rng: np.random.Generator, azimuth: float, elevation: float
                ) -> Look:
    """Choose random light and random colours for a drive under this condition."""
    def pick(*colour: float, spread: float = 8.0) -> _Tone:
        level = rng.normal(0, spread)
        blue, green, red = (min(max(part + level + rng.normal(0, spread / 4), 4), 250)
                            for part in colour)
        return blue, green, red

    make = {'day': _day, 'night': _night, 'rain': _rain, 'snow': _snow}[condition]
    return make(rng, pick, azimuth, elevation)
