# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of the GPU benchmarks, with random weights.

The command ``networks.py FOLDER NAME...`` exports networks to ONNX. Only this command needs
PyTorch, because only the GPU host has PyTorch. A name is a family, a precision and an optional
batch size, such as ``lraspp-fp16`` or ``lraspp-fp16-b4``. The ending ``-argmax`` appends an ArgMax
to the network.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
import sys
from typing import Any, NamedTuple

import numpy as np

from trt_segmentation.model.card import ModelCard, OutputCard, spread_palette

CLASSES, HEIGHT, WIDTH = 19, 512, 1024
FAMILIES = ('lraspp', 'deeplabv3', 'unet', 'segformer')
"""The first two come from torchvision and the last from transformers. The UNet is written below,
because the GPU host does not have segmentation_models_pytorch."""
ENLARGING = ('lraspp', 'deeplabv3')
"""Families whose networks end in a Resize, which enlarges the logits to the size of the image."""


class NetworkName(NamedTuple):
    family: str
    precision: str
    batch: int = 1
    argmax: bool = False


def read_name(name: str) -> NetworkName:
    family, precision, *rest = name.split('-')
    batch = [int(part[1:]) for part in rest if part.startswith('b')]
    return NetworkName(family, precision, batch[0] if batch else 1, 'argmax' in rest)


def card(folder: Path, name: str, cut: bool = False) -> ModelCard:
    """Make the model card of a network that was exported into the folder.

    :param cut: whether the package leaves out the Resize at the end of the network.
    """
    return ModelCard(name, folder / f'{name}.onnx',
                     tuple(f'class {i}' for i in range(CLASSES)), spread_palette(CLASSES),
                     output=OutputCard(cut_resize=cut))


def on_gpu(card: ModelCard, dtype: Any) -> tuple[Any, Any, Any]:
    """Return the mean and the std of a card as ``dtype``, and its BGR palette as float32."""
    import torch
    mean, std = (torch.tensor(np.asarray(v), device='cuda').reshape(1, 3, 1, 1).to(dtype)
                 for v in (card.input.mean, card.input.std))
    palette = np.ascontiguousarray(card.palette[:, ::-1])
    return mean, std, torch.tensor(palette, device='cuda').float()


def build(name: str, cut: bool = False) -> Any:
    """Make a PyTorch module on the GPU that computes the logits of a batch.

    The name gives the precision of the module. The batch normalisation layers are trained on
    random images. So the activations stay in the range of float16, as in a trained network.

    :param cut: whether the Resize at the end is left out, so that the logits stay small.
    """
    import torch
    torch.manual_seed(0)
    parts = read_name(name)
    network = _make(parts.family).cuda()

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Any) -> Any:
            if parts.family == 'segformer':
                return self.network(pixel_values=image).logits
            if parts.family == 'unet':
                return self.network(image)
            if cut:
                features = self.network.backbone(image)
                return self.network.classifier(
                    features if parts.family == 'lraspp' else features['out'])
            logits = self.network(image)['out']
            return logits.argmax(1).to(torch.uint8) if parts.argmax else logits

    model = Logits()
    with torch.no_grad():
        model.train()
        for _ in range(20):
            model(torch.randn(2, 3, HEIGHT // 2, WIDTH // 2, device='cuda'))
    model.eval()
    return model.half() if parts.precision == 'fp16' else model


def make_unet(classes: int) -> Any:
    """Make a UNet on ResNet-18. It turns (n, 3, h, w) images into (n, classes, h, w) logits."""
    import torch
    from torch import nn
    from torch.nn.functional import interpolate
    from torchvision.models import resnet18

    # The channels of segmentation_models_pytorch, from the coarsest step to the finest. The last
    # step of the decoder gets nothing from the encoder.
    decoder, encoder = (256, 128, 64, 32, 16), (512, 256, 128, 64, 64, 0)

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
                    pairwise((encoder[0], *decoder)), encoder[1:])])
            self.head = nn.Conv2d(decoder[-1], classes, 3, padding=1)

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


def _make(family: str) -> Any:
    if family == 'segformer':
        from transformers import SegformerConfig, SegformerForSemanticSegmentation
        return SegformerForSemanticSegmentation(SegformerConfig(num_labels=CLASSES))
    if family == 'unet':
        return make_unet(CLASSES)
    from torchvision.models import segmentation
    if family == 'lraspp':
        return segmentation.lraspp_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=CLASSES)
    return segmentation.deeplabv3_resnet50(
        weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False)


def export(folder: Path, name: str) -> None:
    import torch
    model, parts = build(name), read_name(name)
    image = torch.randn(parts.batch, 3, HEIGHT, WIDTH, device='cuda')
    image = image.half() if parts.precision == 'fp16' else image
    with torch.no_grad():
        if not bool(torch.isfinite(model(image)).all()):
            raise SystemExit(f'{name}: the logits are not finite')
        torch.onnx.export(model, (image,), str(folder / f'{name}.onnx'), opset_version=17,
                          input_names=['image'], output_names=['out'], dynamo=False)


if __name__ == '__main__':
    # Without this, the folder of this script is in sys.path, and transformers imports kernels.py.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from gpu_bench import networks
    for which in sys.argv[2:]:
        networks.export(Path(sys.argv[1]), which)
