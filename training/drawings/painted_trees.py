# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Bare and dense trees, hedges, walls, fences and railings for training."""

from __future__ import annotations

import math

import cv2
import numpy as np

from trt_segmentation.street.camera import Floats
from trt_segmentation.street.canvas import BUILDING, Bytes, Texture, VEGETATION
from trt_segmentation.street.view import cast_shadow, make_ring, SceneView, Thing

from .labelled_canvas import IGNORED, LabelledCanvas, Veil

_SIZE = (224, 288)
"""Width and height of a painted tree in texels."""
Rng = np.random.Generator


def noise_field(rng: Rng, shape: tuple[int, int], cells: tuple[int, ...], fall: float = 0.6
                ) -> Floats:
    """Return (H, W) float32 noise of several scales, about -1 to 1."""
    total = np.zeros(shape, np.float32)
    share = 1.0
    for count in cells:
        coarse = rng.uniform(-1, 1, (count, count)).astype(np.float32)
        total += share * cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
        share *= fall
    return np.asarray(total)


def _grow(rng: Rng, lines: list[tuple[float, ...]], x: float, y: float, angle: float,
          length: float, wide: float, depth: int) -> None:
    """Add a branch and the branches that grow from it to ``lines``: x0, y0, x1, y1, width."""
    bend = angle + rng.normal(0, 0.12)
    x1, y1 = x + length * math.sin(bend), y - length * math.cos(bend)
    lines.append((x, y, x1, y1, wide))
    if depth == 0:
        return
    for _ in range(int(rng.integers(2, 4)) + (depth == 2)):
        start = rng.uniform(0.45, 1.0)
        turn = rng.normal(0, 0.5) - 0.3 * bend         # branches grow upwards
        _grow(rng, lines, x + start * (x1 - x), y + start * (y1 - y), bend + turn,
              length * rng.uniform(0.6, 0.85), wide * rng.uniform(0.5, 0.72), depth - 1)


def _add_leaves(rng: Rng, picture: Bytes) -> None:
    leaves = noise_field(rng, picture.shape[:2], (90, 140)) > rng.uniform(0.2, 0.7)
    leaves &= cv2.dilate(picture[:, :, 3], np.ones((9, 9), np.uint8)) > 0
    picture[leaves] = (*rng.uniform(20, 140, 3), 230)


def paint_bare_tree(rng: Rng) -> Veil:
    """Paint a tree without leaves. The label covers the whole crown, as annotators draw it."""
    width, height = _SIZE
    lines: list[tuple[float, ...]] = []
    stem, wide = rng.uniform(0.14, 0.3) * height, rng.uniform(3, 8)
    for _ in range(1 if rng.random() < 0.75 else 3):
        _grow(rng, lines, width / 2, height - 1, rng.normal(0, 0.08), stem, wide, 6)
    spans = np.array(lines)
    # Fit the crown into the picture.
    xs, ys = spans[:, [0, 2]], spans[:, [1, 3]]
    fit = 0.97 * height / max(height - ys.min(), 1)
    aside = min(0.48 * width / max(np.abs(xs - width / 2).max(), 1), fit * 1.5)
    spans[:, [0, 2]] = width / 2 + (xs - width / 2) * aside
    spans[:, [1, 3]] = height - (height - ys) * fit
    alpha = np.zeros((height, width), np.uint8)
    shades = np.zeros((height, width), np.uint8)
    for x0, y0, x1, y1, wide in spans:
        ends = (int(x0 * 16), int(y0 * 16)), (int(x1 * 16), int(y1 * 16))
        thick = max(int(wide * fit + 0.5), 1)
        level = 255 if wide * fit > 0.8 else 150
        cv2.line(alpha, *ends, level, thick, cv2.LINE_AA, 4)
        cv2.line(shades, *ends, int(rng.integers(60, 255)), thick, cv2.LINE_8, 4)
    bark = rng.uniform(20, 120) * np.array((0.8, 0.95, 1.1)) * rng.uniform(0.85, 1.15, 3)
    picture = np.zeros((height, width, 4), np.uint8)
    picture[:, :, :3] = np.clip(bark * (0.4 + shades[:, :, None] / 255), 0, 255)
    picture[:, :, 3] = alpha
    if rng.random() < 0.4:
        _add_leaves(rng, picture)
    reach = int(rng.integers(7, 13))
    mask = cv2.dilate(alpha, np.ones((3, 3), np.uint8))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_CLOSE, disc), np.uint8)
    mask = np.where(mask > 40, 255, 0).astype(np.uint8)
    # The finest twigs are thinner than a texel. They darken the sky between the branches.
    twigs = 0.5 + 0.5 * noise_field(rng, (height, width), (40, 120, 200), 0.9)
    crown = cv2.GaussianBlur(mask, (0, 0), 4) * rng.uniform(0.0, 0.5) * np.clip(twigs, 0, 1)
    bare = picture[:, :, 3] == 0
    picture[bare, :3] = np.clip(bark * 0.8, 0, 255)
    picture[:, :, 3] = np.maximum(picture[:, :, 3], np.where(mask > 0, crown, 0))
    return Veil(picture, np.asarray(mask, np.uint8))


def paint_dense_tree(rng: Rng) -> Veil:
    """Paint a tree or a bush with leaves. Its outline is rough, and it may have holes."""
    width, height = _SIZE
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bush = rng.random() < 0.3
    middle = 0.55 if bush else rng.uniform(0.3, 0.5)
    reach = (0.46, 0.44) if bush else (rng.uniform(0.24, 0.46), middle - 0.02)
    shape = 1 - ((x / width - 0.5) / reach[0]) ** 2 - ((y / height - middle) / reach[1]) ** 2
    if rng.random() < 0.2 and not bush:         # a conifer
        shape = (y / height - 0.04) * reach[0] * 1.2 - np.abs(x / width - 0.5)
        shape = np.where(y < 0.88 * height, shape * 4, -1)
    rough = noise_field(rng, (height, width), (5, 11, 24, 60), 0.75)
    grain = noise_field(rng, (height, width), (70, 130), 0.9)
    inside = shape + rng.uniform(0.15, 0.5) * rough + 0.12 * grain > 0.15
    hue = np.array(((40, 100, 60), (30, 70, 50), (50, 120, 100), (40, 60, 50), (60, 90, 110),
                    (30, 90, 140), (80, 130, 120))[int(rng.integers(7))], np.float32)
    shade = hue * rng.uniform(0.4, 1.4) * rng.uniform(0.85, 1.15, 3)
    light = 0.75 + 0.3 * rough + rng.uniform(0.2, 0.5) * grain - 0.4 * (y / height - middle)
    light += rng.uniform(-0.4, 0.4) * (x / width - 0.5)
    picture = np.zeros((height, width, 4), np.uint8)
    trunk = (np.abs(x - width / 2) < rng.uniform(2, 7)) & (y > middle * height)
    picture[trunk] = (*(rng.uniform(30, 90) * np.array((0.8, 0.95, 1.1))), 255)
    picture[inside] = np.dstack([np.clip(shade * np.maximum(light, 0.1)[:, :, None], 0, 255),
                                 np.full((height, width, 1), 255)])[inside]
    mask = np.asarray(cv2.morphologyEx(picture[:, :, 3], cv2.MORPH_CLOSE, np.ones((7, 7))),
                      np.uint8)
    return Veil(picture, mask)


def paint_boundary(rng: Rng) -> tuple[Veil | Texture, int]:
    """Paint 6 metres of a hedge, a wall, a fence or a railing. Return the picture and its class.

    None of our classes fits a fence, so its pixels are ignored.
    """
    kind, shape = rng.random(), (96, 320)
    picture = np.full((*shape, 4), 255, np.uint8)
    base = rng.uniform(30, 200) * rng.uniform(0.75, 1.25, 3)
    grain = noise_field(rng, shape, (6, 20, 60), 0.8)[:, :, None]
    if kind < 0.3:                              # a hedge or shrubs
        hue = np.array((45, 95, 65)) * rng.uniform(0.4, 1.4) * rng.uniform(0.8, 1.2, 3)
        picture[:, :, :3] = np.clip(hue * (0.8 + 0.5 * grain), 0, 255)
        top = 14 + 12 * noise_field(rng, (1, 320), (12, 40), 0.8)[0]
        picture[np.arange(96)[:, None] < top, 3] = 0
        return Veil(picture, np.ascontiguousarray(picture[:, :, 3])), VEGETATION
    if kind < 0.6:                              # a wall
        picture[:, :, :3] = np.clip(base * (0.95 + rng.uniform(0.05, 0.25) * grain), 0, 255)
        if rng.random() < 0.6:
            picture[::6, :, :3] = picture[::6, :, :3] * 0.75
        picture[:5, :, :3] = np.clip(base * rng.uniform(0.5, 1.4), 0, 255)
        return Texture(picture, solid=True), BUILDING
    step = int(rng.integers(5, 16))
    alpha = np.zeros(shape, np.uint8)
    alpha[:, ::step] = 255
    alpha[:, 1::step] = 255
    if rng.random() < 0.4:                      # boards
        alpha[:, :] = 255
        picture[:, ::step, :3] = picture[:, ::step, :3] * 0.6
    alpha[4:8] = alpha[70:74] = 255
    picture[:, :, :3] = np.clip(base * (0.8 + 0.2 * grain), 0, 255)
    picture[:, :, 3] = alpha
    return Veil(picture, np.full(shape, 255, np.uint8)), IGNORED


class Tree(Thing):
    """A tree that faces the camera."""

    def __init__(self, veil: Veil, s: float, t: float, period: float, width: float,
                 height: float) -> None:
        super().__init__(s, t, period)
        self._veil, self._width, self._height = veil, width, height

    def draw(self, view: SceneView, s: float, t: float) -> None:
        foot, scale, depth = view.upright(s, t)
        wide, high = self._width * scale / 2, self._height * scale
        hidden = not -wide < foot[0] < view.canvas.width + wide
        if hidden or depth < 1.5 or high < 8 * view.camera.zoom or wide > 3 * view.canvas.width:
            return
        assert isinstance(view.canvas, LabelledCanvas)
        x, y = foot
        quad = np.array([(x - wide, y - high), (x + wide, y - high), (x + wide, y), (x - wide, y)])
        gain, haze = view.look.gain(0.5, depth)
        view.canvas.veil(self._veil, quad, gain, haze, VEGETATION)

    def shadow(self, view: SceneView, s: float, t: float) -> list[Floats]:
        foot = view.road.at(s, t)
        ring = make_ring(11) * 0.4 * self._width
        if view.look.sun < 0.2:
            return [foot + ring * 0.6]
        return [np.asarray(cast_shadow(view.look, foot, self._height * 0.6) + ring)]


class Boundary(Thing):
    """A hedge, a wall, a fence or a railing along the road."""

    def __init__(self, picture: tuple[Veil | Texture, int], s: float, t: float, period: float,
                 length: float, height: float) -> None:
        super().__init__(s, t, period)
        self._picture, self._label = picture
        self._height, self.tail = height, length

    def draw(self, view: SceneView, s: float, t: float) -> None:
        """Draw the side that faces the road."""
        ends = view.road.at([s, s + self.tail], t)
        turned = view.camera.turn(ends)
        if turned[:, 2].min() < 1.2:
            return
        if turned[0, 0] / turned[0, 2] > turned[1, 0] / turned[1, 2]:
            ends = ends[::-1]
        top = ends + (0, 0, self._height)
        pixels, depths = view.camera.project(np.stack([top[0], top[1], ends[1], ends[0]]))
        gain, haze = view.look.gain(0.3, float(depths.mean()))
        assert isinstance(view.canvas, LabelledCanvas)
        if isinstance(self._picture, Texture):
            view.canvas.plane(self._picture, pixels, gain, haze, self._label)
        else:
            view.canvas.veil(self._picture, pixels, gain, haze, self._label)
