# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The ground: carriageway, markings, kerbs, pavements and grass."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from .camera import Floats
from .canvas import Bytes, MARKING, ramp, ROAD, SIDEWALK, VEGETATION
from .layout import Side, StreetPlan
from .look import Look
from .view import FAR, SceneView

_PAINT_REACH = 62.0
"""Markings are drawn up to this many metres ahead of the camera."""
_TEXELS = 40.0
"""Resolution of the noise that makes the ground look rough, in pixels of the noise per metre."""


class Ground:
    """The ground of one street.

    :param tile: (512, 512) uint8 noise from :func:`make_grain`.
    :param period: metres after which the street repeats.
    """

    def __init__(self, plan: StreetPlan, look: Look, tile: Bytes, rng: np.random.Generator,
                 period: float) -> None:
        self._plan, self._look, self._tile, self._length = plan, look, tile, period
        self._edges = [bool(rng.random() < 0.75) for _ in range(2)]
        self._centre = int(rng.integers(3)) if not plan.one_way else 0
        self._wear = rng.uniform(0.0, 0.3)
        self._stop = bool(rng.random() < 0.6)

    def draw(self, view: SceneView) -> None:
        """Draw the ground below the horizon."""
        self._verges(view)
        steps = view.s + np.concatenate([
            np.arange(-8, 40, 1.5), np.arange(40, 100, 4.0), np.arange(100, FAR, 12.0)])
        for side in self._plan.sides:
            self._side(view, side, steps)
        left, right = self._plan.sides[1].edge, -self._plan.sides[0].edge
        view.canvas.fill([self._strip(view, steps, right, left)], view.look.road, ROAD)
        self._streets(view)
        self._tracks(view, steps)
        self._paint(view)

    def _verges(self, view: SceneView) -> None:
        """Fill the whole ground with grass. The road is drawn over the grass later."""
        top, canvas = int(max(view.camera.horizon, 0)), view.canvas
        cv2.rectangle(canvas.pixels, (0, top), (canvas.width, canvas.height),
                      (*view.look.grass, VEGETATION), -1)

    def _strip(self, view: SceneView, steps: Floats, low: float, high: float) -> Floats:
        """Return the outline of a band from ``low`` to ``high`` metres left of the centre line."""
        a, b = view.road.at(steps, low), view.road.at(steps, high)
        return view.camera.outline(np.concatenate([a, b[::-1]]))

    def _side(self, view: SceneView, side: Side, steps: Floats) -> None:
        sign, plan = side.sign, self._plan
        far = side.front if plan.style == 'urban' else side.walk
        walk = view.look.walk
        view.canvas.fill([self._strip(view, steps, sign * side.verge, sign * far)], walk, SIDEWALK)
        view.canvas.fill([self._strip(view, steps, sign * side.edge, sign * (side.edge + 0.22))],
                         view.look.kerb, SIDEWALK)
        near = steps[(steps < view.s + 24) & (steps > view.s)]
        whole = np.ceil(view.s) + np.arange(2, 26) * 1.0
        lines = [view.camera.project(view.road.at(near, sign * t))[0]
                 for t in np.arange(side.verge + 0.6, far, 1.2)]
        ends = np.tile(sign * np.array([side.verge + 0.24, far]), len(whole))
        cross = view.camera.project(view.road.at(np.repeat(whole, 2), ends))[0]
        lines += list(cross.reshape(-1, 2, 2))
        joint = [part * 0.86 for part in walk]
        view.canvas.lines(lines, joint, SIDEWALK, max(1, round(view.camera.zoom)))
        line = [view.camera.project(view.road.at(near, sign * side.edge))[0]]
        view.canvas.lines(line, [part * 0.55 for part in view.look.kerb], SIDEWALK,
                          max(1, round(2 * view.camera.zoom)))

    def _streets(self, view: SceneView) -> None:
        lap = np.floor((view.s - 20) / view.road.period)
        for place, width, sign in self._plan.junctions:
            side = self._plan.sides[int(sign > 0)]
            s = place + lap * view.road.period
            s += view.road.period * (s < view.s - 20)
            if s > view.s + 170:
                continue
            half = width / 2
            for reach, colour, label in ((half + 2.0, view.look.walk, SIDEWALK),
                                         (half + 0.2, view.look.kerb, SIDEWALK),
                                         (half, view.look.road, ROAD)):
                inner = side.edge - (0.05 if label == ROAD else -0.22)
                ends = np.array([inner, inner, side.edge + 45, side.edge + 45]) * sign
                corners = view.road.at(
                    np.array([s - reach, s + reach, s + reach, s - reach]), ends)
                centre = view.road.at(s, sign * side.edge)[0]
                # A side street is straight, even if the road bends here.
                away = view.road.at(s, sign * (side.edge + 1))[0] - centre
                corners[2:] = corners[[1, 0]] + 45 * away
                view.canvas.fill([view.camera.outline(corners)], colour, label)

    def _tracks(self, view: SceneView, steps: Floats) -> None:
        """Draw the tracks of tyres darker than the road. In snow, the difference is larger."""
        shade = 0.86 if self._look.is_snow else 0.95
        colour = [part * shade for part in view.look.road]
        near = steps[steps < view.s + 90]
        for side in self._plan.sides:
            for index in range(side.lanes):
                middle = side.sign * (index + 0.5) * self._plan.lane
                for shift in (-0.75, 0.75):
                    view.canvas.fill([self._strip(
                        view, near, middle + shift - 0.22, middle + shift + 0.22)],
                        colour, ROAD)

    def _paint(self, view: SceneView) -> None:
        """Draw the lane markings, the zebra stripes and the stop lines."""
        plan, half = self._plan, self._plan.mark / 2
        fade = self._wear
        paint = [a * (1 - fade) + b * fade for a, b in zip(view.look.paint, view.look.road)]
        outlines: list[Floats] = []
        near = view.s + np.concatenate([np.arange(-2, 24, 1.0), np.arange(24, _PAINT_REACH, 3)])
        for side, edge in zip(plan.sides, self._edges):
            if edge or side.parking:
                t = side.sign * side.lanes * plan.lane
                outlines += self._band(view, near, t, half)
            for index in range(1, side.lanes):
                outlines += self._dashes(view, side.sign * index * plan.lane, half)
        if self._centre == 1:
            outlines += self._band(view, near, 0.0, half)
        elif self._centre == 2:
            outlines += self._band(view, near, half * 2, half)
            outlines += self._band(view, near, -half * 2, half)
        else:
            outlines += self._dashes(view, 0.0, half)
        view.canvas.fill(outlines, paint, MARKING)
        self._crossings(view, paint)

    def _is_crossing(self, s: float) -> bool:
        return any(abs(s % self._length - place) < 3.2 for place in self._plan.crossings)

    def _band(self, view: SceneView, near: Floats, t: float, half: float) -> list[Floats]:
        """Return the outlines of a solid line. Pedestrian crossings interrupt the line."""
        outlines: list[Floats] = []
        run: list[float] = []
        for s in [*near.tolist(), None]:
            if s is not None and not self._is_crossing(s):
                run.append(s)
            elif run:
                if len(run) > 1:
                    outlines.append(self._strip(view, np.array(run), t - half, t + half))
                run = []
        return outlines

    def _dashes(self, view: SceneView, t: float, half: float) -> list[Floats]:
        dash, step = self._plan.dash
        step = self._length / round(self._length / step)
        first = np.floor((view.s - 4) / step) * step
        outlines = []
        for s in np.arange(first, view.s + _PAINT_REACH, step).tolist():
            if not self._is_crossing(s) and not self._is_crossing(s + dash):
                ends = np.linspace(s, s + dash, 3)
                outlines.append(self._strip(view, ends, t - half, t + half))
        return outlines

    def _crossings(self, view: SceneView, paint: list[float]) -> None:
        """Draw zebra stripes and stop lines."""
        right, left = (side.edge - 0.3 for side in self._plan.sides)
        outlines = []
        for place in self._plan.crossings:
            s = view.s - 10 + (place - view.s + 10) % self._length
            if s > view.s + 55:
                continue
            outlines += [self._strip(view, np.array([s - 1.5, s + 1.5]), t, t + 0.5)
                         for t in np.arange(-right + 0.2, left - 0.3, 1.0).tolist()]
            if self._stop:
                outlines.append(self._strip(view, np.array([s - 2.9, s - 2.5]), -right, -0.15))
        view.canvas.fill(outlines, paint, MARKING)

    def roughness(self, view: SceneView) -> Bytes:
        """Return the brightness of the noise on the ground up to 45 m from the camera.

        :returns: (N, width) uint8, 128 on average. The N rows are the lowest rows of the image.
        """
        camera, canvas = view.camera, view.canvas
        top = max(int(camera.row(45.0)), 0)
        if top >= canvas.height:
            return np.zeros((0, canvas.width), np.uint8)
        matrix = camera.ground(_TEXELS, 512.0)
        # Half the resolution is enough for the noise, and needs only a quarter of the time.
        matrix = matrix @ np.array([[2, 0, 0.5], [0, 2, top + 0.5], [0, 0, 1.0]])
        size = (canvas.width, canvas.height - top)
        half = cv2.warpPerspective(
            self._tile, matrix, ((size[0] + 1) // 2, (size[1] + 1) // 2),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_WRAP)
        rough = np.asarray(cv2.resize(half, size), np.uint8)
        bands = np.array([camera.row(depth) - top for depth in (45, 28, 18, 12, 8, 5, 1.5)])
        edges = np.clip(np.rint(bands), 0, size[1]).astype(int).tolist()
        base = 0.42 if self._look.is_snow else 0.34
        for index, (start, end) in enumerate(pairwise(edges)):
            if end > start:
                gain = base * (0.3 + 0.14 * index)
                cv2.convertScaleAbs(rough[start:end], rough[start:end], gain, 128 - 128 * gain)
        return rough

    def haze(self, view: SceneView) -> None:
        """Add haze to the ground. The haze increases with the distance from the camera."""
        camera = view.camera
        start = max(int(camera.horizon), 0)
        depths = [FAR, 160, 110, 80, 60, 45, 34, 26, 20, 15, 11]
        rows = [start] + [int(np.clip(camera.row(d), start, camera.height)) for d in depths]
        for depth, low, high in zip(depths, rows, rows[1:]):
            if high > low:
                share = view.look.clear(depth)
                offset = [part * (1 - share) for part in view.look.haze]
                cv2.LUT(view.canvas.pixels[low:high], ramp(share, offset),
                        view.canvas.pixels[low:high])


def make_grain(rng: np.random.Generator) -> Bytes:
    """Make a (512, 512) uint8 tile of noise. It has spots of several sizes and a mean of 128."""
    fine = rng.integers(58, 199, (512, 512), np.uint8)
    total = fine
    for cells, share in ((128, 0.5), (32, 0.42), (8, 0.35)):
        coarse = rng.integers(28, 229, (cells, cells), np.uint8)
        wrapped = np.pad(coarse, 2, mode='wrap')
        step = 512 // cells
        large = cv2.resize(wrapped, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        large = large[2 * step:-2 * step, 2 * step:-2 * step]
        total = np.asarray(cv2.addWeighted(total, 1 - share, large, share, 0), np.uint8)
    return total
