# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Street scenes for training. All cores render them once. Then they stay on the device."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import sys
from typing import Any

import cv2
import numpy.typing as npt
import torch
from torch.nn.functional import affine_grid, grid_sample

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from trt_segmentation.street import CLASSES, CONDITIONS, scene

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
HEIGHT, WIDTH = 576, 1024
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEST_SEED = 1_000_000
"""Seed of the first test scene: FIRST_SEED of trt_segmentation/accuracy/samples.py."""


class Scenes:
    """Scenes on the device: images (N, H, W, 3) uint8 BGR and truths (N, H, W) uint8."""

    def __init__(self, images: torch.Tensor, truths: torch.Tensor) -> None:
        self.images, self.truths = images, truths

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> Scenes:
        """Return a view of the first ``count`` scenes. If there are fewer, return all."""
        return Scenes(self.images[:count], self.truths[:count])

    def class_weights(self) -> torch.Tensor:
        """Return (classes,) weights with a mean of 1. Rare classes have larger weights."""
        share = torch.bincount(self.truths[:500].flatten().int(), minlength=len(CLASSES)).float()
        weight = (share / share.sum()).clamp(min=1e-3) ** -0.35
        return weight / weight.mean()

    def batches(self, size: int, random: torch.Generator
                ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield normalised images and int64 truths, shuffled and augmented, without end."""
        while True:
            order = torch.randperm(len(self), device=DEVICE, generator=random)
            for index in order[:len(self) // size * size].view(-1, size):
                yield augment(self.images[index], self.truths[index], random)


def training_scenes(count: int) -> Scenes:
    """Render scenes with seeds below TEST_SEED. Every condition has equally many scenes."""
    if not 0 < count <= TEST_SEED:
        raise ValueError(f'{count} scenes for training; expected 1 to {TEST_SEED}, because the '
                         f'seeds of test scenes begin at {TEST_SEED}')
    return rendered([(i, CONDITIONS[i % len(CONDITIONS)]) for i in range(count)])


def test_scenes(count: int) -> dict[str, Scenes]:
    """Render ``count`` scenes of every condition with seeds that training never uses."""
    return {condition: rendered([(TEST_SEED + i, condition) for i in range(count)])
            for condition in CONDITIONS}


def rendered(jobs: list[tuple[int, str]]) -> Scenes:
    """Render the scenes of these (seed, condition) pairs on all cores."""
    images = torch.empty((len(jobs), HEIGHT, WIDTH, 3), dtype=torch.uint8, device=DEVICE)
    truths = torch.empty((len(jobs), HEIGHT, WIDTH), dtype=torch.uint8, device=DEVICE)
    with ProcessPoolExecutor() as pool:
        for i, (image, truth) in enumerate(pool.map(render, jobs, chunksize=16)):
            images[i], truths[i] = torch.from_numpy(image), torch.from_numpy(truth)
    return Scenes(images, truths)


def render(job: tuple[int, str]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Render one scene at 720p and resize it as the pipeline does."""
    cv2.setNumThreads(1)
    found = scene(*job, width=1280, height=720)
    return (cv2.resize(found.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR),
            cv2.resize(found.truth, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Convert (N, H, W, 3) uint8 BGR to the (N, 3, H, W) input of the model card."""
    return normalise_rgb(images.flip(-1).permute(0, 3, 1, 2).float() / 255)


def normalise_rgb(x: torch.Tensor) -> torch.Tensor:
    """Convert (N, 3, H, W) RGB from 0 to 1 to the input of a network."""
    mean, std = (torch.tensor(v, device=x.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((x - mean) / std).contiguous(memory_format=torch.channels_last)


def augment(images: torch.Tensor, truths: torch.Tensor, random: torch.Generator,
            size: tuple[int, int] = (HEIGHT, WIDTH)) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip, zoom and shift images with their truths. Then change the light of the images.

    :param size: (height, width) of the results. A smaller result shows a smaller part.
    """
    n = len(images)
    shrink = size[1] / WIDTH

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, device=DEVICE, generator=random) * (high - low) + low

    zoom, flip = uniform(0.6, 1.0) * shrink, torch.sign(uniform(-1, 1))
    theta = torch.zeros(n, 2, 3, device=DEVICE)
    theta[:, 0, 0], theta[:, 1, 1] = zoom * flip, zoom * uniform(0.9, 1.1).clamp(max=1 / zoom)
    theta[:, 0, 2], theta[:, 1, 2] = (1 - zoom) * uniform(-1, 1), (1 - zoom) * uniform(-1, 1)
    grid = affine_grid(theta, [n, 3, *size], align_corners=False)
    x = grid_sample(normalise(images), grid, padding_mode='reflection', align_corners=False)
    y = grid_sample(truths[:, None].float(), grid, mode='nearest', padding_mode='reflection',
                    align_corners=False)
    gain, bias = uniform(0.8, 1.25), uniform(-0.15, 0.15)
    x = x * gain.view(n, 1, 1, 1) + bias.view(n, 1, 1, 1)
    noise = torch.randn(x.shape, device=DEVICE, generator=random)
    return x + noise * uniform(0, 0.06).view(n, 1, 1, 1), y[:, 0].long()
