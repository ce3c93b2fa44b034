# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Export a segmentation network of one of several libraries to ONNX, and write its model card.

    python docs/recipes/export.py NAME --out DIR [--random | --checkpoint FILE]

NAME is one of these: lraspp, deeplabv3, fcn (torchvision); segformer (transformers); unet, timm
(segmentation_models_pytorch). The script downloads pretrained weights. With --random it uses
random weights, which are enough to try the export. With --checkpoint it loads your state dict.

Some libraries enlarge the network output to the size of the image. The export leaves this step
out, because the pipeline does the same step on the GPU.
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
    """How to load a network, and what its model card says.

    :param load: function that makes the network; True means random weights.
    :param compute_logits: function that takes the network and a batch of images, and returns
        logits.
    :param size: height and width of the training images, multiples of the network's stride.
    :param classes: name of the data set with the network's classes, or the number of classes.
    """

    load: Callable[[bool], nn.Module]
    compute_logits: Callable[[nn.Module, torch.Tensor], torch.Tensor]
    size: tuple[int, int]
    classes: str | int


class Logits(nn.Module):
    """Wraps a network, so that its only output is the logits."""

    def __init__(self, net: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.net, self._compute_logits = net, recipe.compute_logits

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute the logits of a batch of images. ``s`` is the stride of the logits.

        :param image: (n, 3, height, width) float32.
        :returns: (n, classes, height / s, width / s) float32.
        """
        return self._compute_logits(self.net, image)


def torchvision_net(name: str) -> Callable[[bool], nn.Module]:
    """Return a function that loads a torchvision network with the classes of Pascal VOC."""
    def load(random: bool) -> nn.Module:
        from torchvision.models import get_model
        if random:
            return get_model(name, weights=None, weights_backbone=None, num_classes=21)
        return get_model(name, weights='DEFAULT')
    return load


def lraspp_logits(net: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Return the logits of LR-ASPP, at stride 8."""
    return net.classifier(net.backbone(image))


def torchvision_logits(net: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Return the logits of DeepLabV3 or FCN, at stride 8. Leave out the head used in training."""
    return net.classifier(net.backbone(image)['out'])


def segformer(random: bool) -> nn.Module:
    """Load SegFormer-B0, trained on Cityscapes."""
    from transformers import SegformerConfig, SegformerForSemanticSegmentation
    if random:
        return SegformerForSemanticSegmentation(SegformerConfig(num_labels=19))
    return SegformerForSemanticSegmentation.from_pretrained(
        'nvidia/segformer-b0-finetuned-cityscapes-1024-1024')


def unet(random: bool) -> nn.Module:
    """Load a UNet with a ResNet-18 encoder. Only the encoder is pretrained."""
    import segmentation_models_pytorch
    return segmentation_models_pytorch.Unet(
        'resnet18', encoder_weights=None if random else 'imagenet', classes=19)


def timm(random: bool) -> nn.Module:
    """Load DeepLabV3+ with an encoder of timm. Only the encoder is pretrained."""
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
    """Write the network with a dynamic batch size. Compare its output with torch's output."""
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
          f'differs from torch by at most {np.abs(found - expected).max():.1e}')


def write_card(name: str, recipe: Recipe, path: Path) -> None:
    """Write the model card without mean and std, because the defaults are those of ImageNet."""
    classes = recipe.classes
    path.write_text(f'name: {name}\nmodel: {name}.onnx\ninput:\n  color: rgb\n'
                    f'  resize: {"stretch" if classes == "cityscapes" else "letterbox"}\n'
                    f'output:\n  kind: logits\n  layout: nchw\n'
                    f'classes: {classes}\npalette: {classes}\n', encoding='utf-8')


def main() -> None:
    """Export the network that the command line names."""
    parser = argparse.ArgumentParser(description='Export a network to ONNX with its model card.')
    parser.add_argument('name', choices=RECIPES)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR')
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument('--random', action='store_true', help='use random weights')
    weights.add_argument('--checkpoint', type=Path, metavar='FILE', help='load this state dict')
    args = parser.parse_args()
    recipe = RECIPES[args.name]
    for path in (args.out / f'{args.name}.onnx', args.out / f'{args.name}.yaml'):
        if path.exists() or path.is_symlink():
            parser.error(f'{path} exists. Remove this file, or name another folder with --out')
    net = recipe.load(args.random or args.checkpoint is not None)
    if args.checkpoint:
        net.load_state_dict(torch.load(args.checkpoint, map_location='cpu', weights_only=True))
    args.out.mkdir(parents=True, exist_ok=True)
    export(recipe, net, args.out / f'{args.name}.onnx')
    write_card(args.name, recipe, args.out / f'{args.name}.yaml')
    print(f'trt_seg inspect {args.out / args.name}.onnx')
    print(f'trt_seg build {args.out / args.name}.yaml')


if __name__ == '__main__':
    main()
