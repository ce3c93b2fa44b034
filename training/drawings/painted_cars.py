# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Cars with curved bodies, of every colour, for training."""

from __future__ import annotations

import colorsys
from itertools import pairwise

import numpy as np

from trt_segmentation.street.camera import Floats
from trt_segmentation.street.canvas import Colour
from trt_segmentation.street.solid import Mesh, Solid, TYRE

from .painted_trees import Rng

Profile = list[tuple[float, float]]
"""(x, z) points of a silhouette in metres, from the rear to the front."""

_KINDS = {'hatch': (3.9, 1.47), 'saloon': (4.6, 1.43), 'estate': (4.6, 1.46), 'tall': (4.5, 1.78),
          'carrier': (4.5, 1.7), 'van': (5.2, 2.1)}
"""Length and height of each kind of car, in metres."""


def paint_colour(rng: Rng) -> Colour:
    """Choose a colour as on real cars: mostly grey, often dark, sometimes bright."""
    kind = rng.random()
    if kind < 0.55:
        level = rng.choice((18, 30, 60, 110, 160, 190, 225, 240)) * rng.uniform(0.8, 1.05)
        return tuple((level * rng.uniform(0.95, 1.05, 3)).tolist())
    hue = rng.choice((0.0, 0.6, 0.62, 0.35, 0.1, rng.random()))
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, rng.uniform(0.3, 0.95), rng.uniform(0.1, 1))
    return blue * 250, green * 250, red * 250


def _strip(solid: Solid, profile: Profile, half: Floats, colours: list[Colour]) -> None:
    """Add the upper side of a body: a quad across the body between neighbouring points."""
    for (a, b), colour, h0, h1 in zip(pairwise(profile), colours, half, half[1:]):
        solid.add(np.array([(b[0], -h1, b[1]), (b[0], h1, b[1]), (a[0], h0, a[1]),
                            (a[0], -h0, a[1])]), colour)


def _sides(solid: Solid, profile: Profile, half: Floats, sill: float, base: float,
           colour: Colour) -> None:
    """Add both sides below the profile as one quad for each step of the profile."""
    for (a, b), h0, h1 in zip(pairwise(profile), half, half[1:]):
        if b[0] - a[0] < 1e-3:
            continue
        quad = np.array([(a[0], base, sill), (b[0], base, sill), (b[0], h1, b[1]),
                         (a[0], h0, a[1])])
        solid.add(quad * (1, -1, 1), colour)
        solid.add(quad[::-1], colour)


def _windows(solid: Solid, roof: Profile, half: Floats, waist: float, base: float,
             glass: Colour) -> None:
    x0, x1 = roof[0][0], roof[-1][0]
    top0, top1 = roof[1], roof[2]
    cuts = np.array([0.04, 0.34, 0.37, 0.66, 0.69, 0.95])
    for low, high in cuts.reshape(-1, 2):
        bottom = np.array([x0 + (x1 - x0) * low, x0 + (x1 - x0) * high])
        upper = np.clip(bottom, top0[0] + 0.05, top1[0] - 0.05)
        z = top0[1] - 0.08
        y = half[1] + 0.02
        quad = np.array([(bottom[0], base + 0.01, waist + 0.03), (bottom[1], base + 0.01,
                         waist + 0.03), (upper[1], y, z), (upper[0], y, z)])
        solid.add(quad * (1, -1, 1), glass)
        solid.add(quad[::-1], glass)


def _bands(solid: Solid, end: float, wide: float,
           bands: tuple[tuple[float, float, Colour], ...]) -> None:
    """Add horizontal bands (lower edge, upper edge, colour) to both sides."""
    for low, high, colour in bands:
        band = np.array([(-end + 0.1, wide + 0.01, low), (end - 0.2, wide + 0.01, low),
                         (end - 0.2, wide + 0.01, high), (-end + 0.1, wide + 0.01, high)])
        solid.add(band * (1, -1, 1), colour)
        solid.add(band[::-1], colour)


def make_curved_car(rng: Rng) -> Mesh:
    """Make a hatchback, saloon, estate, off-roader, people carrier or van."""
    kind = str(rng.choice(list(_KINDS), p=(0.34, 0.22, 0.12, 0.12, 0.1, 0.1)))
    length, height = _KINDS[kind]
    length, height = length * rng.uniform(0.92, 1.08), height * rng.uniform(0.95, 1.05)
    wide, end = rng.uniform(0.82, 0.95), length / 2
    waist = height * rng.uniform(0.56, 0.64)
    paint = paint_colour(rng)
    dark = tuple(part * 0.8 for part in paint)
    glass = tuple((rng.choice((16, 30, 50, 90, 150)) * rng.uniform(0.85, 1.15, 3)).tolist())
    solid = Solid(length, wide * 2, height)
    sill = rng.uniform(0.16, 0.28)
    hood = {'van': 0.55, 'carrier': 0.8}.get(kind, 1.05) * rng.uniform(0.9, 1.1)
    boot = {'saloon': 0.85}.get(kind, 0.05)
    lower: Profile = [
        (-end + 0.04, sill + 0.1), (-end, waist * 0.6), (-end + 0.1, waist - 0.05),
        (-end + 0.1 + boot, waist), (end - hood - 0.2, waist), (end - 0.35, waist - 0.14),
        (end - 0.06, waist - 0.28), (end, sill + 0.25), (end - 0.05, sill)]
    half = wide * np.array([0.9, 0.97, 0.97, 1, 1, 0.95, 0.9, 0.92, 0.9])
    solid.box((-end + 0.1, end - 0.1, wide - 0.1, 0.08), (-end + 0.1, end - 0.1, wide - 0.1, 0.3),
              TYRE, TYRE)
    _sides(solid, lower, half, sill, wide, paint)
    _bands(solid, end, wide, ((sill, sill + 0.12, (30, 30, 32)),
                              (waist - 0.16, waist - 0.1, dark)))
    _strip(solid, lower, half, [dark, paint, paint, paint, paint, paint, paint, dark])
    _details(rng, solid, end, wide, waist, sill, paint)
    solid.wheels((-end + 0.75, end - 0.82), wide + 0.02, rng.uniform(0.29, 0.36))
    rear = boot + {'hatch': 0.35, 'saloon': 0.75, 'estate': 0.25, 'van': 0.05}.get(kind, 0.2)
    roof: Profile = [
        (-end + 0.1 + boot, waist), (-end + 0.1 + rear, height - 0.06),
        (end - hood - rng.uniform(0.75, 1.0), height), (end - hood - 0.1, waist)]
    tops = wide * np.array([0.95, 0.78, 0.78, 0.93])
    _sides(solid, roof, tops, waist - 0.02, wide * 0.97, paint)
    panes = (dark, dark, dark) if kind == 'van' and rng.random() < 0.5 else (glass, paint, glass)
    _strip(solid, roof, tops, [panes[0], paint, glass])
    if kind != 'van' or rng.random() < 0.4:
        _windows(solid, roof, tops, waist, wide * 0.97, glass)
    return solid.to_mesh()


def _details(rng: Rng, solid: Solid, end: float, wide: float, waist: float, sill: float,
             paint: Colour) -> None:
    front = np.array([(end + 0.01, -wide * 0.88, sill), (end + 0.01, wide * 0.88, sill),
                      (end - 0.05, wide * 0.88, waist - 0.28), (end - 0.05, -wide * 0.88,
                                                                 waist - 0.28)])
    rear = np.array([(-end - 0.01, wide * 0.93, sill), (-end - 0.01, -wide * 0.93, sill),
                     (-end + 0.06, -wide * 0.93, waist - 0.08),
                     (-end + 0.06, wide * 0.93, waist - 0.08)])
    lit = 1.3 if rng.random() < 0.2 else 0.0
    for x0, x1 in ((0.02, 0.26), (0.74, 0.98)):
        solid.panel(front, x0, x1, 0.68, 1.0, (235, 240, 240), lit, fine=False)
        solid.panel(rear, x0, x1 - 0.04 if x0 > 0.5 else x1 - 0.08, 0.5, 0.9,
                    (40, 36, rng.uniform(110, 250)), lit, fine=False)
    solid.panel(front, 0.28, 0.72, 0.6, 0.85, (36, 36, 38), fine=False)
    solid.panel(front, 0.05, 0.95, 0.05, 0.36, (40, 40, 42) if rng.random() < 0.6 else paint)
    solid.panel(front, 0.34, 0.66, 0.3, 0.5, (225, 228, 228), fine=False)
    solid.panel(rear, 0.0, 1.0, 0.0, 0.3, (44, 44, 46) if rng.random() < 0.6 else paint)
    plate = (60, 210, 235) if rng.random() < 0.5 else (225, 228, 228)
    solid.panel(rear, 0.33, 0.67, 0.36, 0.52, plate, fine=False)
