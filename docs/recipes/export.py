# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Export segmentation networks of several libraries to ONNX, each with its model card.

    python docs/recipes/export.py NAME --out DIR [--random | --checkpoint FILE]

NAME: lraspp, deeplabv3, fcn (torchvision), segformer (transformers), unet, timm
(segmentation_models_pytorch). Pretrained weights are downloaded; --random takes none, to try the
way, and --checkpoint loads a state dict of your own. Where a library enlarges its answer to the
image's size, that is left out: the pipeline enlarges it just so, and has fewer numbers to move.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
import torch
from torch import nn


@dataclass(frozen=True)
class Recipe:
    """A network and what its card says.

    :param load: makes the network, with pretrained weights or random ones.
    :param answer: takes the network and a batch of images, gives logits.
    :param size: height and width it was trained at, multiples of its stride.
    :param classes: a card whose classes it has, or how many there are.
    """

    load: Callable[[bool], nn.Module]
    answer: Callable[[nn.Module, torch.Tensor], torch.Tensor]
    size: tuple[int, int]
    classes: str | int


class Logits(nn.Module):
    """A network with nothing but logits for an answer."""

    def __init__(self, net: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.net, self._answer = net, recipe.answer

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(n, 3, height, width) float32 to (n, classes, height / s, width / s) float32."""
        return self._answer(self.net, image)


def torchvision_net(name: str) -> Callable[[bool], nn.Module]:
    """One of torchvision's, trained on COCO with the classes of Pascal VOC."""
    def load(random: bool) -> nn.Module:
        from torchvision.models import get_model
        if random:
            return get_model(name, weights=None, weights_backbone=None, num_classes=21)
        return get_model(name, weights='DEFAULT')
    return load


def lraspp_logits(net: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """At stride 8."""
    return net.classifier(net.backbone(image))


def torchvision_logits(net: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """DeepLabV3 and FCN at stride 8; the auxiliary head is for training only."""
    return net.classifier(net.backbone(image)['out'])


def segformer(random: bool) -> nn.Module:
    """SegFormer-B0, trained on Cityscapes."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation
    if random:
        return SegformerForSemanticSegmentation(SegformerConfig(num_labels=19))
    return SegformerForSemanticSegmentation.from_pretrained(
        'nvidia/segformer-b0-finetuned-cityscapes-1024-1024')


def unet(random: bool) -> nn.Module:
    """A UNet on ResNet-18; only its encoder comes trained, the rest is yours to train."""
    import segmentation_models_pytorch
    return segmentation_models_pytorch.Unet(
        'resnet18', encoder_weights=None if random else 'imagenet', classes=19)


def timm(random: bool) -> nn.Module:
    """DeepLabV3+ on an encoder of timm, any that gives features; likewise."""
    import segmentation_models_pytorch
    return segmentation_models_pytorch.DeepLabV3Plus(
        'tu-mobilenetv3_large_100', encoder_weights=None if random else 'imagenet', classes=19)


RECIPES = {
    'lraspp': Recipe(torchvision_net('lraspp_mobilenet_v3_large'), lraspp_logits,
                     (520, 520), 'voc'),
    'deeplabv3': Recipe(torchvision_net('deeplabv3_resnet50'), torchvision_logits,
                        (520, 520), 'voc'),
    'fcn': Recipe(torchvision_net('fcn_resnet50'), torchvision_logits, (520, 520), 'voc'),
    'segformer': Recipe(segformer, lambda net, image: net(image).logits, (512, 1024),
                        'cityscapes'),
    'unet': Recipe(unet, lambda net, image: net(image), (512, 1024), 'cityscapes'),
    'timm': Recipe(timm, lambda net, image: net(image), (512, 1024), 'cityscapes'),
}


def export(recipe: Recipe, net: nn.Module, path: Path) -> None:
    """Write the network with an open batch, and make sure that ONNX Runtime agrees with torch."""
    model = Logits(net, recipe).eval()
    image = torch.randn(1, 3, *recipe.size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.onnx.export(model, (image,), str(path), input_names=['image'],
                          output_names=['logits'], opset_version=19, dynamo=False,
                          dynamic_axes={'image': {0: 'batch'}, 'logits': {0: 'batch'}})
        expected = model(image).numpy()
    (found,) = InferenceSession(str(path), providers=['CPUExecutionProvider']).run(
        None, {'image': image.numpy()})
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    print(f'{path}: {path.stat().st_size / 1e6:.1f} MB, logits {"×".join(map(str, found.shape))}, '
          f'as torch to {np.abs(found - expected).max():.1e}')


def write_card(name: str, recipe: Recipe, path: Path) -> None:
    """Write the model card; all of these take ImageNet's mean and std, a card's default."""
    classes = recipe.classes
    path.write_text(f'name: {name}\nmodel: {name}.onnx\ninput:\n  color: rgb\n'
                    f'  resize: {"stretch" if classes == "cityscapes" else "letterbox"}\n'
                    f'output:\n  kind: logits\n  layout: nchw\n'
                    f'classes: {classes}\npalette: {classes}\n', encoding='utf-8')


def main() -> None:
    """Export one."""
    parser = argparse.ArgumentParser(description='Export a network to ONNX with its model card.')
    parser.add_argument('name', choices=RECIPES)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument('--random', action='store_true', help='random weights')
    weights.add_argument('--checkpoint', type=Path, metavar='FILE', help='state dict to load')
    args = parser.parse_args()
    recipe = RECIPES[args.name]
    for path in (args.out / f'{args.name}.onnx', args.out / f'{args.name}.yaml'):
        if path.exists() or path.is_symlink():
            parser.error(f'{path} is there already; remove it yourself or give another --out')
    net = recipe.load(args.random or args.checkpoint is not None)
    if args.checkpoint:
        net.load_state_dict(torch.load(args.checkpoint, map_location='cpu', weights_only=True))
    args.out.mkdir(parents=True, exist_ok=True)
    export(recipe, net, args.out / f'{args.name}.onnx')
    write_card(args.name, recipe, args.out / f'{args.name}.yaml')
    print(f'trt_seg inspect {args.out / args.name}.onnx')
    print(f'trt_seg build {args.out / args.name}.yaml --out {args.out / args.name}.plan')


if __name__ == '__main__':
    main()
