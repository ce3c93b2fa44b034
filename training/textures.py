# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Random textures on the device: noise of many scales, blots, stripes, bricks and grids."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import grid_sample

TILE = 256


def _whiten(tiles: torch.Tensor) -> torch.Tensor:
    """Give each (H, W) tile the mean 0 and the deviation 1."""
    mean = tiles.mean((-2, -1), keepdim=True)
    return (tiles - mean) / tiles.std((-2, -1), keepdim=True).clamp(min=1e-4)


def make_textures(count: int, random: torch.Generator) -> torch.Tensor:
    """Return (count, TILE, TILE) float32 textures with a mean of 0 and a deviation of 1.

    Half of them are noise with the spectrum 1/f^b, a quarter are blots, a quarter are patterns.
    """
    device = random.device
    axis = torch.fft.fftfreq(TILE, device=device)
    radius = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt().clamp(min=1 / TILE)
    fall = torch.rand(count, 1, 1, device=device, generator=random) * 2.2
    white = torch.randn(count, TILE, TILE, device=device, generator=random)
    noise = _whiten(torch.fft.ifft2(torch.fft.fft2(white) * radius ** -fall).real)
    blots = slice(count // 2, 3 * count // 4)
    level = torch.randn(count // 4, 1, 1, device=device, generator=random) * 0.7
    noise[blots] = torch.tanh((noise[blots] - level) * 4)
    first = 3 * count // 4
    y, x = torch.meshgrid(*[torch.arange(TILE, device=device)] * 2, indexing='ij')
    for index in range(first, count):
        wide, high, thick = (float(v) for v in torch.rand(3, device=device, generator=random))
        wide, high = 6 + 58 * wide, 4 + 40 * high
        row = torch.floor(y / high)
        shifted = x + (row % 2) * wide / 2 if index % 3 == 0 else x
        joint = (shifted % wide < 1 + 4 * thick) | (y % high < 1 + 3 * thick)
        if index % 3 == 1:
            joint = y % high < high * thick
        cell = torch.frac(torch.sin(row * 12.9898 + torch.floor(shifted / wide) * 78.233) * 43758)
        noise[index] = 0.4 * noise[index] + torch.where(joint, -2.0, 0.7 * cell)
    return _whiten(noise)


class Textures:
    """Samples random textures at random scales and angles."""

    def __init__(self, count: int, random: torch.Generator) -> None:
        self._bank, self._random = make_textures(count, random), random

    def sample(self, n: int, maps: int, height: int, width: int, finest: float, coarsest: float
               ) -> torch.Tensor:
        """Return (n, maps, height, width) textures. All maps of an image have one scale and angle.

        :param finest: texels per pixel at the finest scale.
        :param coarsest: texels per pixel at the coarsest scale.
        """
        device, random = self._random.device, self._random

        def uniform(low: float, high: float) -> torch.Tensor:
            return low + (high - low) * torch.rand(n, device=device, generator=random)

        pick = torch.randint(len(self._bank), (n, maps), device=device, generator=random)
        step = torch.exp(uniform(math.log(coarsest), math.log(finest)))
        turn = uniform(-math.pi, math.pi) * (torch.rand(n, device=device, generator=random) < 0.5)
        y = torch.arange(height, device=device)[None, :, None] - height / 2
        x = torch.arange(width, device=device)[None, None, :] - width / 2
        cosine, sine, step = (v[:, None, None] for v in (turn.cos(), turn.sin(), step))
        stretch = torch.exp(uniform(-0.5, 0.5))[:, None, None]
        u = (x * cosine - y * sine) * step * stretch + uniform(0, TILE)[:, None, None]
        v = (x * sine + y * cosine) * step + uniform(0, TILE)[:, None, None]
        grid = torch.stack([u, v], -1) * (2 / TILE) - 1
        return grid_sample(self._bank[pick], grid, padding_mode='reflection', align_corners=False)
