# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Export networks of torchvision with random weights, 19 classes and 512×1024 pixels to ONNX.

The command ``networks.py FOLDER NAME...`` exports the named networks into the folder. Only this
command needs PyTorch. A name is a family and a precision, such as ``lraspp-fp16``.
"""

from __future__ import annotations

from pathlib import Path
import sys
from typing import Any

from trt_segmentation.model.card import ModelCard, spread_palette

CLASSES, HEIGHT, WIDTH = 19, 512, 1024


def card(folder: Path, name: str) -> ModelCard:
    """Make the model card of a network that was exported into the folder."""
    return ModelCard(name, folder / f'{name}.onnx',
                     tuple(f'class {i}' for i in range(CLASSES)), spread_palette(CLASSES))


def build(name: str) -> Any:
    """Make a PyTorch module on the GPU that computes the logits of a batch.

    The module has the precision in its name. Its batch normalisation layers are trained on random
    images. So the activations stay in the range of float16, as in a trained network.

    :param name: family and precision, such as ``lraspp-fp16``.
    """
    import torch
    from torchvision.models import segmentation
    torch.manual_seed(0)
    family, precision = name.split('-')
    make = {'lraspp': segmentation.lraspp_mobilenet_v3_large,
            'deeplabv3': segmentation.deeplabv3_resnet50}[family]
    arguments = {} if family == 'lraspp' else {'aux_loss': False}
    network = make(weights=None, weights_backbone=None, num_classes=CLASSES, **arguments).cuda()

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: Any) -> Any:
            return self.network(image)['out']

    model = Logits()
    with torch.no_grad():
        model.train()
        for _ in range(20):
            model(torch.randn(2, 3, HEIGHT // 2, WIDTH // 2, device='cuda'))
    model.eval()
    return model.half() if precision == 'fp16' else model


def export(folder: Path, name: str) -> None:
    """Export one network to the file ``NAME.onnx`` in the folder."""
    import torch
    model = build(name)
    image = torch.randn(1, 3, HEIGHT, WIDTH, device='cuda')
    image = image.half() if name.endswith('fp16') else image
    with torch.no_grad():
        if not bool(torch.isfinite(model(image)).all()):
            raise SystemExit(f'{name}: the logits are not finite')
        torch.onnx.export(model, (image,), str(folder / f'{name}.onnx'), opset_version=17,
                          input_names=['image'], output_names=['out'], dynamo=False)


if __name__ == '__main__':
    for which in sys.argv[2:]:
        export(Path(sys.argv[1]), which)
