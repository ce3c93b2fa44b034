# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Give drawn scenes a random appearance on the device, so that networks learn shapes, not colours.

All images are (N, 3, H, W) float32 RGB from 0 to 1. Codes are as in ``drawings.labelled_canvas``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from textures import Textures
import torch
from torch.nn.functional import interpolate, pad

from trt_segmentation.street.canvas import MARKING, ROAD, SIDEWALK, SKY, VEGETATION

VEIL = VEGETATION + 240
"""Code of a veil, such as a bare tree: VEGETATION + 10 * ``VEIL_PART`` of the drawings."""


@dataclass(frozen=True)
class Style:
    """Which steps of the restyling are used. ``ablations.py`` leaves out each step in turn."""

    surfaces: bool = True
    light: bool = True
    mixing: bool = True
    camera: bool = True


class Restyler:
    """Restyles batches. One object belongs to one generator."""

    def __init__(self, style: Style, random: torch.Generator) -> None:
        self._style, self._random = style, random
        self._textures = Textures(192, random)
        # Decisions about whole batches come from the host, so that the device need not wait.
        self._host = np.random.Generator(np.random.PCG64(random.initial_seed()))

    def _uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(shape, device=self._random.device,
                                               generator=self._random)

    def _normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, device=self._random.device, generator=self._random)

    def _chance(self, share: float, *shape: int) -> torch.Tensor:
        return self._uniform(0, 1, *shape) < share

    def __call__(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return the restyled images. The codes are (N, H, W) int64."""
        n, _, height, width = x.shape
        fine = self._textures.sample(n, 2, height, width, 2.0, 0.4)
        wide = self._textures.sample(n, 2, height, width, 0.4, 0.05)
        texture = torch.cat([fine, wide], 1)
        if self._style.surfaces:
            clear = self._clearness(x, codes)
            x = self._surfaces(x, codes, texture)
            x = self._sky(x, clear, wide)
        if self._style.mixing:
            x = self._mix(x)
        if self._style.light:
            x = self._light(x, codes == SKY, wide)
        if self._style.camera:
            x = self._camera(x)
        return x

    def _clearness(self, x: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Return (N, 1, H, W): how much of the sky each pixel shows. Veils show a part of it."""
        level = x.mean(1)
        sky = codes == SKY
        share = sky.flatten(1).sum(1).clamp(min=1)
        bright = (level * sky).flatten(1).sum(1) / share
        dark = 0.35 * bright
        through = (level - dark[:, None, None]) / (0.45 * bright).clamp(min=0.05)[:, None, None]
        usable = ((bright > 0.35) & (share > 500))[:, None, None]
        through = through.clamp(0, 1) * (codes == VEIL) * usable
        return torch.where(sky, torch.ones_like(level), through)[:, None]

    def _palette(self, n: int) -> torch.Tensor:
        """Return (n, 256, 3) colours for the codes. Most ground is grey, most plants are dull."""
        label = torch.arange(256, device=self._random.device) % 10
        ground = ((label == ROAD) | (label == SIDEWALK) | (label == MARKING))[None, :, None]
        plant = (label == VEGETATION)[None, :, None]
        level = torch.exp(self._uniform(-2.6, 0.0, n, 256, 1))
        level = torch.where(ground, self._uniform(0.08, 0.85, n, 256, 1), level)
        level = torch.where((label == MARKING)[None, :, None], 0.4 + 0.6 * level, level)
        vivid = self._uniform(0, 1, n, 256, 1) ** 3
        wild = self._chance(0.12, n, 256, 1)
        vivid = torch.where(ground & ~wild, 0.25 * vivid, vivid)
        hue = torch.softmax(1.5 * self._normal(n, 256, 3), -1) * 3
        green = torch.tensor((0.9, 1.15, 0.6), device=hue.device) * torch.exp(
            0.22 * self._normal(n, 256, 3))
        is_green = plant & self._chance(0.75, n, 256, 1)
        hue = torch.where(is_green, green, hue)
        vivid = torch.where(is_green, self._uniform(0.1, 1.2, n, 256, 1), vivid)
        return (level * (1 + vivid * (hue - 1))).clamp(0.01, 1.0)

    def _surfaces(self, x: torch.Tensor, codes: torch.Tensor, texture: torch.Tensor
                  ) -> torch.Tensor:
        n, maps = len(x), texture.shape[1]
        power = self._uniform(0.2, 1, n, 1, 1)
        share = self._uniform(0.2, 1, n, 256, 1) * self._chance(0.7, n, 256, 1) * power
        gain = torch.exp(0.45 * power * self._normal(n, 256, 1))
        mark = self._normal(n, 256, maps) * self._uniform(0, 1, n, 256, maps) ** 2
        mark = mark * 0.35 * power
        table = torch.cat([self._palette(n), share, gain, mark], -1)
        row = torch.arange(n, device=x.device)[:, None, None]
        table = table[row, codes].permute(0, 3, 1, 2)
        colour, share, gain, mark = table.split((3, 1, 1, maps), 1)
        level = x.mean(1, keepdim=True)
        x = x + share * (colour * (0.25 + 1.5 * level) - x)
        return (x * gain * (1 + (mark * texture).sum(1, keepdim=True)).clamp(min=0.1)).clamp(0, 2)

    def _sky(self, x: torch.Tensor, clear: torch.Tensor, clouds: torch.Tensor) -> torch.Tensor:
        n, _, height, _ = x.shape
        high = self._uniform(0.35, 1.3, n, 1, 1, 1) * (1 + 0.12 * self._normal(n, 3, 1, 1))
        blue = torch.tensor((0.55, 0.8, 1.1), device=x.device).view(1, 3, 1, 1)
        low = high * torch.where(self._chance(0.5, n, 1, 1, 1), blue, 1 + 0 * blue)
        low = low * self._uniform(0.5, 1.1, n, 1, 1, 1)
        field = (clouds[:, :1] * self._uniform(0, 1.5, n, 1, 1, 1)
                 + clouds[:, 1:] * self._uniform(0, 0.4, n, 1, 1, 1))
        fall = torch.linspace(-1, 1, height, device=x.device).view(1, 1, -1, 1)
        field = field + fall * self._uniform(-1, 2, n, 1, 1, 1) + self._normal(n, 1, 1, 1)
        sky = low + (high - low) * torch.sigmoid(2 * field)
        use = clear * self._chance(0.7, n, 1, 1, 1)
        return x + use * (sky - x)

    def _mix(self, x: torch.Tensor) -> torch.Tensor:
        """Filter the images with random kernels, or swap the low frequencies of two images."""
        n = len(x)
        for index in range(0, n, 8):
            if self._host.random() < 0.25:
                size = (1, 3, 3, 5)[int(self._host.integers(4))]
                part = x[index:index + 8]
                found = self._filter(part, size)
                found = (found - found.mean((1, 2, 3), keepdim=True)) / found.std(
                    (1, 2, 3), keepdim=True).clamp(min=1e-3)
                found = found * part.std((1, 2, 3), keepdim=True) + part.mean(
                    (1, 2, 3), keepdim=True)
                share = self._uniform(0.1, 0.7, len(part), 1, 1, 1)
                x = torch.cat([x[:index], part + share * (found - part), x[index + 8:]])
        if self._host.random() < 0.3:
            half, reach = n // 2, int(self._host.integers(1, 5))
            wave = torch.fft.rfft2(x[:half])
            size, angle = wave.abs(), wave.angle()
            other = size[torch.randperm(half, device=x.device, generator=self._random)]
            for rows in (slice(0, reach), slice(-reach, None)):
                size[:, :, rows, :reach] = other[:, :, rows, :reach]
            mixed = torch.fft.irfft2(torch.polar(size, angle), s=x.shape[-2:])
            x = torch.cat([mixed, x[half:]])
        return x.clamp(0, 2)

    def _filter(self, x: torch.Tensor, size: int) -> torch.Tensor:
        """Filter images with one random kernel."""
        # A convolution would be slow, because cuDNN tunes each new shape for seconds.
        height, width = x.shape[-2:]
        edge = size // 2
        wide = pad(x, (edge,) * 4, mode='replicate')
        kernel = self._normal(size, size, 3, 3) / (3 * size * size) ** 0.5
        return sum(torch.einsum('oc,nchw->nohw', kernel[row, column],
                                wide[:, :, row:row + height, column:column + width])
                   for row in range(size) for column in range(size))

    def _light(self, x: torch.Tensor, sky: torch.Tensor, wide: torch.Tensor) -> torch.Tensor:
        n = len(x)
        sky = sky[:, None].float()
        small = self._normal(n, 1, 9, 16)
        cloud = interpolate(small, size=x.shape[-2:], mode='bicubic', align_corners=False)
        cloud = cloud + wide[:, :1] * self._uniform(0, 0.5, n, 1, 1, 1)
        sharp = torch.exp(self._uniform(0.5, 3.5, n, 1, 1, 1))
        shade = torch.sigmoid(sharp * (cloud - self._normal(n, 1, 1, 1)))
        deep = self._uniform(0, 0.8, n, 1, 1, 1) * self._chance(0.6, n, 1, 1, 1)
        x = x * (1 - deep * shade * (1 - sky))
        # At dusk the sky stays bright and everything else is dark.
        dusk = self._chance(0.3, n, 1, 1, 1) & (x.mean((1, 2, 3), keepdim=True) > 0.2)
        dark = torch.exp(self._uniform(-2.6, -0.4, n, 1, 1, 1))
        grey = x.mean(1, keepdim=True)
        dull = grey + (x - grey) * self._uniform(0.2, 1, n, 1, 1, 1)
        dull = dull * dark * (1 + 0.5 * torch.tanh(cloud)) + self._uniform(0, 0.04, n, 1, 1, 1)
        x = torch.where(dusk, x * sky + dull * (1 - sky), x)
        glow = interpolate(x, scale_factor=1 / 16, mode='area')
        glow = interpolate(glow, size=x.shape[-2:], mode='bilinear', align_corners=False)
        x = x + self._uniform(0, 1, n, 1, 1, 1) ** 3 * 0.35 * (glow - 0.3 * x)
        haze = self._uniform(0, 1, n, 1, 1, 1) ** 5 * 0.5
        tone = self._uniform(0.3, 1.0, n, 1, 1, 1)
        return x + haze * (tone - x)

    def _camera(self, x: torch.Tensor) -> torch.Tensor:
        n = len(x)
        # A camera chooses its exposure, but not perfectly.
        level = x.mean((1, 2, 3), keepdim=True).clamp(min=0.02)
        wanted = self._uniform(0.3, 0.65, n, 1, 1, 1)
        gain = (wanted / level) ** self._uniform(0.2, 1.0, n, 1, 1, 1)
        gain = gain * torch.exp(0.2 * self._normal(n, 1, 1, 1)) * (
            1 + self._uniform(-0.12, 0.12, n, 3, 1, 1))
        x = (x * gain).clamp(0, 1.5)
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * self._uniform(0.3, 1.5, n, 1, 1, 1)
        rows, columns = (torch.linspace(-1, 1, size, device=x.device) for size in x.shape[-2:])
        edge = (rows.view(1, 1, -1, 1) ** 2 + columns.view(1, 1, 1, -1) ** 2) / 2
        x = x * (1 - self._uniform(0, 0.5, n, 1, 1, 1) * edge)
        x = x.clamp(0, 1) ** torch.exp(0.22 * self._normal(n, 1, 1, 1))
        curve = x * x * (3 - 2 * x)
        x = x + self._uniform(-0.4, 0.6, n, 1, 1, 1) * (curve - x)
        size = x.shape[-2:]
        parts = [interpolate(self._sensor(part), size=size, mode='bilinear', align_corners=False)
                 for part in x.split(max(n // 4, 1))]
        return torch.cat(parts).clamp(0, 1)

    def _sensor(self, x: torch.Tensor) -> torch.Tensor:
        """Reduce the resolution. Then sharpen, add noise, and compress as JPEG does."""
        n, _, height, width = x.shape
        fall = self._host.uniform(1.0, 2.5) if self._host.random() < 0.75 else 1.0
        size = tuple(max(int(side / fall) // 8, 8) * 8 for side in (height, width))
        if fall > 1.0:
            x = (interpolate(x, size=size, mode='bilinear', align_corners=False)
                 if self._host.random() < 0.3 else
                 interpolate(x, size=size, mode='area'))
        x = x + self._uniform(-1.0, 1.0, n, 1, 1, 1) * (x - self._blur(x))
        shot = self._uniform(0, 1, n, 1, 1, 1) ** 2 * 0.06
        x = x + shot * (0.3 + x.clamp(min=0).sqrt()) * torch.randn(
            x.shape, device=x.device, generator=self._random)
        if self._host.random() < 0.5:
            x = self._compress(x)
        return x

    def _blur(self, x: torch.Tensor) -> torch.Tensor:
        """Blur by a defocus or a motion of at most two pixels."""
        for axis, width in zip((-2, -1), self._host.uniform(0.5, 1.8, 2).tolist()):
            weights = np.exp(-(np.arange(-2, 3) / width) ** 2)
            edges = (0, 0, 2, 2) if axis == -2 else (2, 2, 0, 0)
            wide = pad(x, edges, mode='replicate')
            x = sum(share * wide.narrow(axis, start, x.shape[axis])
                    for start, share in enumerate((weights / weights.sum()).tolist()))
        return x

    def _compress(self, x: torch.Tensor) -> torch.Tensor:
        """Round the cosine coefficients of blocks of 8 x 8 pixels."""
        n, _, height, width = x.shape
        axis = torch.arange(8.0, device=x.device)
        basis = torch.cos(torch.pi / 8 * (axis[None, :] + 0.5) * axis[:, None])
        basis = basis * torch.where(axis == 0, 8 ** -0.5, 0.5)[:, None]
        blocks = x.view(n, 3, height // 8, 8, width // 8, 8)
        wave = torch.einsum('ncaibj,ui,vj->ncabuv', blocks, basis, basis)
        step = (1 + axis[:, None] + axis[None, :]) * self._uniform(0.005, 0.05, n, 1, 1, 1, 1, 1)
        wave = torch.round(wave / step) * step
        return torch.einsum('ncabuv,ui,vj->ncaibj', wave, basis, basis).reshape(x.shape)
