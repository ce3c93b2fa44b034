# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A UNet on ResNet-18, with the channels of the UNet of segmentation_models_pytorch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

DECODER = (256, 128, 64, 32, 16)
"""Channels of the decoder, from the coarsest step to the finest."""
ENCODER = (512, 256, 128, 64, 64, 0)
"""Channels of ResNet-18, in the same order. The last decoder step gets nothing, hence the 0."""


def make_unet(classes: int) -> Any:
    """Make a PyTorch module. It turns (n, 3, h, w) images into (n, classes, h, w) logits."""
    import torch
    from torch import nn
    from torch.nn.functional import interpolate
    from torchvision.models import resnet18

    def two_convolutions(before: int, after: int) -> Any:
        return nn.Sequential(*[layer for size in ((before, after), (after, after)) for layer in (
            nn.Conv2d(*size, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU())])

    class UNet(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            net = resnet18(weights=None)
            self.steps = nn.ModuleList([
                nn.Sequential(net.conv1, net.bn1, net.relu),
                nn.Sequential(net.maxpool, net.layer1),
                net.layer2, net.layer3, net.layer4])
            self.blocks = nn.ModuleList([
                two_convolutions(before + skip, after) for (before, after), skip in zip(
                    pairwise((ENCODER[0], *DECODER)), ENCODER[1:])])
            self.head = nn.Conv2d(DECODER[-1], classes, 3, padding=1)

        def forward(self, image: Any) -> Any:
            features = [image]
            for step in self.steps:
                features.append(step(features[-1]))
            x = features.pop()
            for block in self.blocks:
                x = interpolate(x, scale_factor=2.0, mode='nearest')
                skip = features.pop()
                x = block(torch.cat([x, skip], 1) if features else x)
            return self.head(x)
    return UNet()
