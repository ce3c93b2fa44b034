# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The networks that are trained on photographs, and their export to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from networks import UNet
import numpy as np
import onnx
from onnx import numpy_helper, TensorProto
import torch
from torch import nn
from torch.nn.functional import interpolate
from torchvision.models import resnet34
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

OPSET = 18
SMALL = 64
"""Weight tensors with fewer values are stored in FP32."""


class Lraspp(nn.Module):  # type: ignore[misc]
    """LR-ASPP on MobileNetV3-Large, as torchvision defines it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.net = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None,
                                             num_classes=classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute (N, classes, H, W) logits of (N, 3, H, W) normalised RGB."""
        logits: torch.Tensor = self.net(image)['out']
        return logits


class PhotoUNet(UNet):
    """A UNet on ResNet-34 for images of any size. Its logits have the size of the image."""

    def __init__(self, classes: int) -> None:
        super().__init__(resnet34(weights=None), classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Compute (N, classes, H, W) logits of (N, 3, H, W) normalised RGB."""
        return self._enlarge(super().forward(image), image)

    def _enlarge(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return interpolate(x, size=skip.shape[-2:], mode='bilinear', align_corners=False)


NETWORKS: dict[str, Callable[[int], nn.Module]] = {'lraspp': Lraspp, 'unet': PhotoUNet}


def export(net: nn.Module, path: Path, size: tuple[int, int]) -> None:
    """Export a network to ONNX with a dynamic batch. Its weights are stored in FP16.

    A network computes in FP32. A Cast node follows each stored weight.

    :param size: height and width of the input, in pixels.
    """
    net = net.float().eval().cpu()
    torch.onnx.export(net, (torch.randn(1, 3, *size),), str(path), input_names=['image'],
                      output_names=['logits'], opset_version=OPSET, dynamo=False,
                      dynamic_axes={'image': {0: 'batch'}, 'logits': {0: 'batch'}})
    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= SMALL:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f'{name}.fp16'))
            casts.append(onnx.helper.make_node('Cast', [f'{name}.fp16'], [name],
                                               to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)
