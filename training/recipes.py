# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of a training of the demo model that the full training and the ablations share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from learning import consistent, Loss, supervised
from networks import StreetNet, UNet
from restyle import Restyler, Style
from scene_pool import Mixture, ScenePool, SIZES, StyledBatches
from scenes import DEVICE
import torch
from torch import nn
from warm_start import load_onnx

from trt_segmentation.street import CLASSES


@dataclass(frozen=True)
class Recipe:
    """What a training uses.

    :param plain: whether only the plain scenes are used.
    :param share: weight of the divergence of two views.
    :param sizes: (height, width) of the images. Each batch has one of these sizes.
    """

    mixture: Mixture
    style: Style
    plain: bool = False
    share: float = 0.5
    sizes: tuple[tuple[int, int], ...] = SIZES

    def batches(self, pool: ScenePool, seed: int) -> StyledBatches:
        random = torch.Generator(DEVICE).manual_seed(seed)
        return StyledBatches(pool, self.mixture, Restyler(self.style, random), random, seed,
                             self.plain, self.sizes)

    def loss(self, pool: ScenePool) -> Loss:
        loss = supervised(pool.class_weights(len(CLASSES)))
        mixture = self.mixture
        if mixture.views == 1:
            return loss
        return consistent(loss, mixture.mild_count, mixture.scene_count, self.share)


def make_net(warm_start: Path | None, batches: StyledBatches, seed: int, large: bool = False
             ) -> nn.Module:
    """Make the network, with the weights of the ONNX file if there is one."""
    torch.manual_seed(seed)
    net = UNet() if large else StreetNet(refined=True)
    net.to(DEVICE, memory_format=torch.channels_last)
    if warm_start:
        load_onnx(net, warm_start, next(batches)[0])
    return net
