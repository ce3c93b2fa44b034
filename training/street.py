# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Train the demo model on drawn street scenes in random styles, and export it to ONNX.

    python training/street.py --out DIR [--minutes 8] [--warm-start resource/street.onnx]

The script needs a GPU and torchvision. Processes draw scenes during the whole training. It writes
street.onnx, street_log.json and street_curve.png into DIR. The log has the arguments, the
versions, and the loss and test IoU over time. No test scene has the seed of a training scene, and
no photograph is used.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import time

from learning import Budget, consistent, fit, Learner, Loss, plot, supervised, versions
from networks import export, LOW_STAGE, StreetNet
import numpy as np
from restyle import Restyler, Style
from scene_pool import Recipe, ScenePool, StyledBatches
from scenes import DEVICE, test_scenes
import torch
from warm_start import load_onnx

from trt_segmentation.street import CLASSES, CONDITIONS
from trt_segmentation.untrusted.output_files import check_absent


def make_net(args: argparse.Namespace, batches: StyledBatches) -> StreetNet:
    """Make the network, with the weights of ``args.warm_start`` if there is such a file."""
    torch.manual_seed(args.seed)
    net = StreetNet(args.low_stride, refined=args.refined)
    net = net.to(DEVICE, memory_format=torch.channels_last)
    if args.warm_start:
        load_onnx(net, args.warm_start, next(batches)[0])
    return net


def make_loss(recipe: Recipe, weight: torch.Tensor, share: float) -> Loss:
    """Return the loss. With two views, it also compares the views."""
    loss = supervised(weight)
    mild = round(recipe.batch * recipe.mild)
    scenes = (recipe.batch - mild) // recipe.views
    return consistent(loss, mild, scenes, share) if recipe.views == 2 else loss


def main() -> None:
    """Train and export the network. Write the log and the curve."""
    args = arguments()
    check_absent(args.out, '--out', ('street.onnx', 'street_log.json', 'street_curve.png'))
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    tests = test_scenes(75)
    pool = ScenePool(args.pool)
    pool.allocate()
    pool.wait(args.first)
    print(f'{pool.drawn} scenes after {time.monotonic() - began:.0f} s', flush=True)
    random = torch.Generator(DEVICE).manual_seed(args.seed)
    recipe = Recipe(args.batch, args.mild, args.views)
    batches = StyledBatches(pool, recipe, Restyler(Style(), random), random, args.seed)
    loss = make_loss(recipe, pool.class_weights(len(CLASSES)), args.share)
    learner = Learner(make_net(args, batches), loss, args.lr)
    left = args.minutes * 60 - (time.monotonic() - began) - args.reserve
    fit({'street': learner}, batches, Budget(args.steps, left), tests, args.tests)
    args.steps = learner.steps      # so --steps can repeat a run with --minutes
    pool.stop()
    export(learner.mean, args.out / 'street.onnx')
    steps = [entry['step'] for entry in learner.log]
    plot(args.out / 'street_curve.png', {
        name: (steps, [float(np.mean(entry['iou'][name])) for entry in learner.log])
        for name in CONDITIONS}, 'mean IoU, 75 unseen scenes')
    (args.out / 'street_log.json').write_text(json.dumps({
        'arguments': {k: str(v) for k, v in vars(args).items() if k != 'out'},
        'versions': versions(), 'scenes': pool.drawn, 'log': learner.log}, indent=1) + '\n',
        encoding='utf-8')


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    add = parser.add_argument
    add('--out', type=Path, required=True)
    add('--minutes', type=float, default=8.0, help='time of the whole run')
    add('--reserve', type=float, default=12.0, help='seconds of --minutes for the export')
    add('--steps', type=int, default=0, help='steps of the training, instead of --minutes')
    add('--pool', type=int, default=24000, help='number of scenes on the device')
    add('--first', type=int, default=3000, help='number of scenes before the first step')
    add('--warm-start', type=Path, help='ONNX file of the same network, drawn scenes only')
    add('--tests', type=int, default=8, help='number of tests in the training')
    add('--batch', type=int, default=32)
    add('--mild', type=float, default=0.25, help='fraction of plain scenes in a batch')
    add('--views', type=int, choices=(1, 2), default=1, help='stylings of each scene')
    add('--share', type=float, default=0.5, help='weight of the divergence of two views')
    add('--lr', type=float, default=3e-3)
    add('--low-stride', type=int, choices=sorted(LOW_STAGE), default=4)
    add('--refined', action='store_true', help='add a refiner to the network')
    add('--seed', type=int, default=1)
    return parser.parse_args()


if __name__ == '__main__':
    main()
