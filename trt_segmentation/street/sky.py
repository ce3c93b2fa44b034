# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The sky, and the houses and trees on the horizon."""

from __future__ import annotations

import cv2
import numpy as np

from .canvas import BUILDING, Bytes, SKY, VEGETATION
from .look import Look
from .view import FAR, SceneView


class Sky:
    """A panorama of clouds over a colour gradient."""

    WIDTH, HEIGHT = 1024, 128
    SPAN = 0.72
    """Angle from the horizon to the top row of the panorama, in radians."""

    def __init__(self, rng: np.random.Generator, style: Look) -> None:
        cover = rng.uniform(0.25, 0.75)
        total = np.zeros((self.HEIGHT, self.WIDTH), np.float32)
        for cells, share in ((6, 0.5), (14, 0.28), (34, 0.14), (90, 0.08)):
            noise = rng.random((cells, cells * 5)).astype(np.float32)
            noise[:, -1] = noise[:, 0]
            size = (self.WIDTH, self.HEIGHT)
            total += share * cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC)
        cloud = np.clip((total - 0.62 + 0.35 * cover) * 5, 0, 0.92)[:, :, None]
        height = np.linspace(1, 0, self.HEIGHT, dtype=np.float32)[:, None, None]
        mix = height ** 0.7
        low = np.asarray(style.sky_low, np.float32)
        base = low * (1 - mix) + np.asarray(style.sky_top, np.float32) * mix
        picture = base * (1 - cloud) + np.asarray(style.cloud, np.float32) * cloud
        stars = rng.integers(0, (self.HEIGHT - 30, self.WIDTH), (150, 2))
        if style.is_night:
            picture[stars[:, 0], stars[:, 1]] += 60
        full = np.full((self.HEIGHT, 2 * self.WIDTH, 4), SKY, np.uint8)
        full[:, :self.WIDTH, :3] = np.clip(picture, 0, 255)
        full[:, self.WIDTH:] = full[:, :self.WIDTH]
        self._picture = full

    def view(self, yaw: float, focal: float, width: int, rows: int) -> Bytes:
        """Return the sky, (rows, width, 4) uint8. The fourth channel has the class ids.

        :param yaw: heading of the camera in radians.
        :param focal: focal length in pixels.
        """
        reach = np.arctan(width / 2 / focal)
        per = self.WIDTH / (2 * np.pi)
        left = int((-yaw - reach) * per) % self.WIDTH
        right = left + max(int(2 * reach * per), 2)
        top = int(self.HEIGHT * max(1 - np.arctan(rows / focal) / self.SPAN, 0.0))
        part = self._picture[min(top, self.HEIGHT - 2):, left:right]
        return np.asarray(cv2.resize(part, (width, rows), interpolation=cv2.INTER_LINEAR),
                          np.uint8)


class Horizon:
    """Houses and trees on the horizon, in all directions."""

    _COUNT = 1440

    def __init__(self, rng: np.random.Generator, look: Look, urban: bool) -> None:
        count = self._COUNT
        widths = rng.integers(6, 26, count)
        heights = rng.uniform(0.02, 0.085 if urban else 0.04, count)
        heights *= rng.random(count) < (0.7 if urban else 0.3)
        blocks = np.repeat(heights, widths)[:count]
        waves = np.zeros(count)
        angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
        for index in (3, 7, 17, 41, 97, 180):
            waves += np.sin(index * angle + rng.uniform(0, 7)) / index ** 0.4
        trees = 0.026 + 0.006 * waves + rng.uniform(0, 0.003, count)
        self._layers = (
            (blocks, (120, 128, 140), BUILDING),
            (np.maximum(trees, 0.012), (46, 86, 66), VEGETATION))
        self._look = look

    def draw(self, view: SceneView) -> None:
        """Draw the silhouettes of the houses and trees between the ground and the sky."""
        camera = view.camera
        columns = np.arange(-8, camera.width + 8, max(4 * camera.zoom, 1.0))
        angle = camera.yaw + np.arctan(((camera.width - 1) / 2 - columns) / camera.focal)
        index = np.floor(angle / (2 * np.pi) * self._COUNT).astype(int) % self._COUNT
        base = camera.row(FAR - 40)
        for heights, colour, label in self._layers:
            top = camera.horizon - np.where(
                heights[index] > 0, heights[index] * camera.focal, camera.horizon - base)
            outline = np.concatenate([
                np.stack([columns, top], axis=1), [[columns[-1], base], [columns[0], base]]])
            ink = view.look.shade(colour, 190.0)
            if view.look.is_snow and label == VEGETATION:
                ink = [part * 0.86 for part in ink]
            view.canvas.fill([outline], ink, label)
