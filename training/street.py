# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Train the demo model on street scenes and export it to ONNX; needs a GPU and torchvision.

    python training/street.py --out DIR [--scenes 16000] [--steps 6000 | --minutes 6]

Writes street.onnx, street_log.json (arguments, versions, loss and test IoU over time) and
street_curve.png into DIR. Test scenes have seeds that no training scene has.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
import json
from pathlib import Path
import platform
import sys
import time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from onnxruntime import InferenceSession
import torch
from torch import nn
from torch.nn.functional import cross_entropy, grid_sample, interpolate
import torchvision
from torchvision.models import mobilenet_v3_small
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation import LRASPP

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from trt_segmentation.street import CLASSES, CONDITIONS, scene

HEIGHT, WIDTH = 576, 1024
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEST_SEED = 1_000_000
LOW_STAGE = {4: (1, 16), 8: (3, 24)}
"""Which MobileNetV3-Small block has the low-level features at that stride, and its channels."""


class StreetNet(nn.Module):
    """torchvision's LR-ASPP on MobileNetV3-Small; logits at the stride of its low features.

    :param low_stride: stride of the low-level branch; torchvision's own choice is 8. Poles and
        lane markings are a few pixels wide, so the finer stage is worth its cost here.
    """

    def __init__(self, low_stride: int) -> None:
        super().__init__()
        stage, channels = LOW_STAGE[low_stride]
        features = mobilenet_v3_small(weights=None, dilated=True).features
        backbone = IntermediateLayerGetter(
            features, {str(stage): 'low', str(len(features) - 1): 'high'})
        self.net = LRASPP(backbone, channels, features[-1].out_channels, len(CLASSES))
        self.scale = 16 // low_stride

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) normalised RGB to (N, classes, H/stride, W/stride) logits."""
        head, found = self.net.classifier, self.net.backbone(image)
        high = head.cbr(found['high']) * head.scale(found['high'])
        # classified before it is enlarged, not after as torchvision does: both are linear, so
        # the sum is the same and 10 channels are enlarged instead of 128
        high = interpolate(head.high_classifier(high), scale_factor=float(self.scale),
                           mode='bilinear', align_corners=False)
        logits: torch.Tensor = head.low_classifier(found['low']) + high
        return logits


def render(job: tuple[int, str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Render one scene as a 720p camera sees it, resized as the pipeline does."""
    cv2.setNumThreads(1)
    found = scene(*job, width=1280, height=720)
    return (cv2.resize(found.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR),
            cv2.resize(found.truth, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST))


def load(jobs: list[tuple[int, str]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Render scenes on every core into (N, H, W, 3) and (N, H, W) uint8 on the GPU."""
    images = torch.empty((len(jobs), HEIGHT, WIDTH, 3), dtype=torch.uint8, device='cuda')
    truths = torch.empty((len(jobs), HEIGHT, WIDTH), dtype=torch.uint8, device='cuda')
    with ProcessPoolExecutor() as pool:
        for i, (image, truth) in enumerate(pool.map(render, jobs, chunksize=16)):
            images[i], truths[i] = torch.from_numpy(image), torch.from_numpy(truth)
    return images, truths


def normalise(images: torch.Tensor) -> torch.Tensor:
    """(N, H, W, 3) uint8 BGR to (N, 3, H, W) as the model card says."""
    rgb = images.flip(-1).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v, device=rgb.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)


def augment(images: torch.Tensor, truths: torch.Tensor, random: torch.Generator
            ) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip, zoom, shift and relight a batch; image bilinear, truth nearest, by one grid."""
    n = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(n, device='cuda', generator=random) * (high - low) + low

    zoom, flip = uniform(0.6, 1.0), torch.sign(uniform(-1, 1))
    theta = torch.zeros(n, 2, 3, device='cuda')
    theta[:, 0, 0], theta[:, 1, 1] = zoom * flip, zoom * uniform(0.9, 1.1).clamp(max=1 / zoom)
    theta[:, 0, 2], theta[:, 1, 2] = (1 - zoom) * uniform(-1, 1), (1 - zoom) * uniform(-1, 1)
    grid = nn.functional.affine_grid(theta, [n, 3, HEIGHT, WIDTH], align_corners=False)
    x = grid_sample(normalise(images), grid, padding_mode='reflection', align_corners=False)
    y = grid_sample(truths[:, None].float(), grid, mode='nearest', padding_mode='reflection',
                    align_corners=False)
    gain, bias = uniform(0.8, 1.25), uniform(-0.15, 0.15)
    x = x * gain.view(n, 1, 1, 1) + bias.view(n, 1, 1, 1)
    noise = torch.randn(x.shape, device='cuda', generator=random)
    return x + noise * uniform(0, 0.06).view(n, 1, 1, 1), y[:, 0].long()


def loss_of(logits: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and one minus the soft Jaccard index, which is what the test measures."""
    logits = interpolate(logits.float(), size=truth.shape[-2:], mode='bilinear',
                         align_corners=False)
    probability = logits.softmax(1)
    is_class = [truth == c for c in range(len(CLASSES))]
    both = torch.stack([(probability[:, c] * mask).sum() for c, mask in enumerate(is_class)])
    union = probability.sum((0, 2, 3)) + torch.stack([m.sum() for m in is_class]) - both
    return cross_entropy(logits, truth, weight) + (1 - (both + 1) / (union + 1)).mean()


def test_iou(net: nn.Module, images: torch.Tensor, truths: torch.Tensor) -> list[float]:
    """IoU of each class over scenes at network size; the committed figures are from `eval`."""
    net.eval()
    table = torch.zeros(len(CLASSES) ** 2, device='cuda')
    with torch.no_grad():
        for i in range(0, len(images), 32):
            logits = interpolate(net(normalise(images[i:i + 32])), size=(HEIGHT, WIDTH),
                                 mode='bilinear', align_corners=False)
            index = truths[i:i + 32].long() * len(CLASSES) + logits.argmax(1)
            table += torch.bincount(index.flatten(), minlength=len(table))
    net.train()
    confusion = table.view(len(CLASSES), -1)
    hit = confusion.diag()
    return (hit / (confusion.sum(0) + confusion.sum(1) - hit)).tolist()


def batches(count: int, size: int, random: torch.Generator) -> Iterator[torch.Tensor]:
    """Endless shuffled index batches."""
    while True:
        order = torch.randperm(count, device='cuda', generator=random)
        yield from order[:count // size * size].view(-1, size)


def train(args: argparse.Namespace) -> tuple[nn.Module, list[dict[str, Any]]]:
    """Train for ``args.steps`` steps and return the mean weights and the log.

    With ``args.minutes`` the steps that fit are worked out from the first 100 and written to
    the arguments, so that the log says how to repeat the run by ``--steps``.
    """
    torch.manual_seed(args.seed)
    random = torch.Generator('cuda').manual_seed(args.seed)
    start = time.monotonic()
    images, truths = load([(i, CONDITIONS[i % 4]) for i in range(args.scenes)])
    tests = {c: load([(TEST_SEED + i, c) for i in range(75)]) for c in CONDITIONS}
    print(f'rendered in {time.monotonic() - start:.0f} s', flush=True)
    share = torch.bincount(truths[:500].flatten().int(), minlength=len(CLASSES)).float()
    weight = (share / share.sum()).clamp(min=1e-3) ** -0.35
    weight = weight / weight.mean()
    net = StreetNet(args.low_stride).cuda().to(memory_format=torch.channels_last)
    mean = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.01)
    log: list[dict[str, Any]] = []
    for step, index in enumerate(batches(len(images), args.batch, random)):
        if step == 20:
            began = time.monotonic()
        if args.minutes and step == 120:
            torch.cuda.synchronize()
            args.steps = int(args.minutes * 60 * 100 / (time.monotonic() - began))
            print(f'{args.steps} steps fit', flush=True)
        done = step / args.steps
        for group in optimizer.param_groups:
            group['lr'] = args.lr * min(1, step / 200) * (1 - min(done, 0.999)) ** 0.9
        x, y = augment(images[index], truths[index], random)
        with torch.autocast('cuda', torch.bfloat16):
            logits = net(x)
        loss = loss_of(logits, y, weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        mean.update_parameters(net)
        last = step + 1 >= args.steps
        if step % args.every == args.every - 1 or last:
            iou = {c: test_iou(mean.module, *tests[c]) for c in CONDITIONS}
            log.append({'step': step + 1, 'seconds': round(time.monotonic() - start, 1),
                        'loss': round(loss.item(), 4),
                        'iou': {c: [round(v, 4) for v in iou[c]] for c in iou}})
            print(step + 1, f'{time.monotonic() - start:.0f} s', f'loss {loss.item():.3f}',
                  {c: round(float(np.mean(v)), 4) for c, v in iou.items()}, flush=True)
        if last:
            return mean.module, log
    raise AssertionError('batches() never ends')


def export(net: nn.Module, path: Path) -> None:
    """Write the network to ONNX, any batch size, and compare ONNX Runtime with PyTorch."""
    net = net.float().eval().cpu()
    sample = torch.randn(1, 3, HEIGHT, WIDTH)
    torch.onnx.export(net, (sample,), str(path), input_names=['image'],
                      output_names=['logits'], opset_version=19, dynamo=False,
                      dynamic_axes={'image': {0: 'batch'}, 'logits': {0: 'batch'}})
    (found,) = InferenceSession(str(path)).run(None, {'image': sample.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, net(sample).numpy(), rtol=1e-3, atol=1e-3)


def plot(log: list[dict[str, Any]], path: Path) -> None:
    """Test mean IoU by condition over training steps."""
    import matplotlib
    matplotlib.use('Agg')
    from matplotlib import pyplot
    figure, axis = pyplot.subplots(figsize=(7, 4), layout='constrained')
    steps = [entry['step'] for entry in log]
    for condition in CONDITIONS:
        axis.plot(steps, [np.mean(entry['iou'][condition]) for entry in log], label=condition)
    axis.set(xlabel='training step', ylabel='mean IoU, 75 unseen scenes', ylim=(0, 1))
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Train, export, and write the log and the curve."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--scenes', type=int, default=16000)
    parser.add_argument('--steps', type=int, default=6000)
    parser.add_argument('--minutes', type=float, default=0, help='take the steps that fit')
    parser.add_argument('--every', type=int, default=500, help='steps between tests')
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--lr', type=float, default=4e-3)
    parser.add_argument('--low-stride', type=int, choices=sorted(LOW_STAGE), default=4)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    net, log = train(args)
    export(net, args.out / 'street.onnx')
    plot(log, args.out / 'street_curve.png')
    (args.out / 'street_log.json').write_text(json.dumps({
        'arguments': {k: str(v) for k, v in vars(args).items() if k != 'out'},
        'versions': {'python': platform.python_version(), 'torch': torch.__version__,
                     'torchvision': torchvision.__version__, 'numpy': np.__version__,
                     'opencv': cv2.__version__, 'gpu': torch.cuda.get_device_name()},
        'log': log}, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
