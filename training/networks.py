# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The networks that are trained on street scenes, and their export to ONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from scenes import HEIGHT, WIDTH
import torch
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import mobilenet_v3_small, resnet18
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import LRASPP

from trt_segmentation.street import CLASSES

LOW, MIDDLE = 1, 3
"""Blocks of MobileNetV3-Small whose features have the strides 4 and 8."""


def _block(before: int, after: int, size: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, size, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after), nn.ReLU(inplace=True))


class Refiner(nn.Module):  # type: ignore[misc]
    """Corrects the logits of LR-ASPP with features of the strides 16, 8 and 4.

    At first the correction is 0, so a network can start with the weights of one without refiner.
    """

    def __init__(self, channels: tuple[int, int, int], wide: int = 32) -> None:
        super().__init__()
        high, middle, low = (_block(count, wide) for count in channels)
        self.high, self.middle, self.low = high, middle, low
        self.mix8 = nn.Sequential(_block(wide, wide, 3, wide), _block(wide, wide))
        self.mix4 = nn.Sequential(_block(wide, wide, 3, wide), _block(wide, wide))
        self.classifier = nn.Conv2d(wide, len(CLASSES), 1)
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, high: torch.Tensor, middle: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        """Compute the correction at the size of ``low``."""
        x = self.high(high)
        for skip, mix in ((self.middle(middle), self.mix8), (self.low(low), self.mix4)):
            x = interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)
            x = x + mix(x + skip)
        logits: torch.Tensor = self.classifier(x)
        return logits


class StreetNet(nn.Module):  # type: ignore[misc]
    """LR-ASPP of torchvision on MobileNetV3-Small. The logits have the stride 4.

    torchvision uses the stride 8. Poles and lane markings are only a few pixels wide. So a stride
    of 4 is worth its time here.

    :param width: fraction of the channels of MobileNetV3-Small.
    :param refined: whether a refiner corrects the logits.
    """

    def __init__(self, width: float = 1.0, refined: bool = False) -> None:
        super().__init__()
        features = mobilenet_v3_small(weights=None, dilated=True, width_mult=width).features
        names = {str(LOW): 'low', str(len(features) - 1): 'high'}
        if refined:
            names[str(MIDDLE)] = 'middle'
        low, middle, high = (features[stage].out_channels for stage in (LOW, MIDDLE, -1))
        self.net = LRASPP(IntermediateLayerGetter(features, names), low, high, len(CLASSES))
        self.refiner = Refiner((128, middle, low)) if refined else None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute (N, classes, H/4, W/4) logits of (N, 3, H, W) normalised RGB."""
        head, found = self.net.classifier, self.net.backbone(image)
        high = head.cbr(found['high']) * head.scale(found['high'])
        # torchvision enlarges first and then classifies. Both steps are linear, so the other order
        # gives the same result. It enlarges 10 channels instead of 128.
        large = interpolate(head.high_classifier(high), scale_factor=4.0, mode='bilinear',
                            align_corners=False)
        logits: torch.Tensor = head.low_classifier(found['low']) + large
        if self.refiner:
            logits = logits + self.refiner(high, found['middle'], found['low'])
        return logits


class UNet(nn.Module):  # type: ignore[misc]
    """A UNet on a ResNet. Its logits have stride 2, so that thin objects stay visible.

    :param resnet: ResNet-18 or ResNet-34; None for a new ResNet-18.
    """

    STAGES = ('relu', 'layer1', 'layer2', 'layer3', 'layer4')
    CHANNELS = (64, 64, 128, 256, 512)

    def __init__(self, resnet: nn.Module | None = None, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.encoder = IntermediateLayerGetter(resnet or resnet18(weights=None),
                                               {name: name for name in self.STAGES})
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.Conv2d(below + here, here, 3, padding=1, bias=False),
                          nn.BatchNorm2d(here), nn.ReLU(inplace=True))
            for below, here in zip(self.CHANNELS[:0:-1], self.CHANNELS[-2::-1]))
        self.classifier = nn.Conv2d(self.CHANNELS[0], classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute (N, classes, H/2, W/2) logits of (N, 3, H, W) normalised RGB."""
        *rest, x = self.encoder(image).values()
        for block, skip in zip(self.decoder, reversed(rest)):
            x = block(torch.cat([self._enlarge(x, skip), skip], 1))
        logits: torch.Tensor = self.classifier(x)
        return logits

    def _enlarge(self, x: torch.Tensor, _skip: torch.Tensor) -> torch.Tensor:
        return interpolate(x, scale_factor=2.0, mode='bilinear', align_corners=False)


def count_parameters(net: nn.Module) -> int:
    return sum(values.numel() for values in net.parameters())


def export(net: nn.Module, path: Path) -> None:
    """Export a network to ONNX with a dynamic batch, and compare ONNX Runtime with PyTorch."""
    net = net.float().eval().cpu()
    sample = torch.randn(1, 3, HEIGHT, WIDTH)
    torch.onnx.export(net, (sample,), str(path), input_names=['image'],
                      output_names=['logits'], opset_version=19, dynamo=False,
                      dynamic_axes={'image': {0: 'batch'}, 'logits': {0: 'batch'}})
    (found,) = InferenceSession(str(path)).run(None, {'image': sample.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, net(sample).numpy(), rtol=1e-3, atol=1e-3)
