# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Train the demo model on drawn street scenes in random styles, and export it to ONNX.

    python training/street.py --out DIR [--minutes 8] [--warm-start resource/street.onnx]

The script needs a GPU and torchvision. Processes draw scenes during the whole training. The
script writes street.onnx, street.pt, street_log.json and street_curve.png into DIR. The log has
the arguments, the versions, and the loss and test IoU over time. No test scene has the seed of a
training scene. No photograph is used.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import time

from learning import Budget, fit, Learner, plot, versions
from networks import export
import numpy as np
from recipes import make_net, Recipe
from restyle import Style
from scene_pool import Mixture, ScenePool
from scenes import DEVICE, test_scenes
import torch

from trt_segmentation.street import CONDITIONS
from trt_segmentation.untrusted.output_files import check_absent


def main() -> None:
    args = arguments()
    check_absent(args.out, '--out', ('street.onnx', 'street.pt', 'street_log.json',
                                     'street_curve.png'))
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    tests = test_scenes(args.test_scenes)
    pool = ScenePool(args.pool)
    pool.allocate()
    pool.wait(args.first)
    print(f'{pool.drawn} scenes after {time.monotonic() - began:.0f} s', flush=True)
    recipe = Recipe(Mixture(args.batch, args.mild, args.views), Style())
    batches = recipe.batches(pool, args.seed)
    net = make_net(args.warm_start, batches, args.seed, args.large)
    learner = Learner(net, recipe.loss(pool), args.lr)
    left = args.minutes * 60 - (time.monotonic() - began) - args.reserve

    def tested() -> None:
        torch.save(learner.mean.state_dict(), args.out / 'street.pt')
        seconds = time.monotonic() - began
        print(f'{pool.drawn} scenes after {seconds:.0f} s, {memory():.1f} GB', flush=True)
    fit({'street': learner}, batches, Budget(args.steps, left), tests, args.tests, tested,
        args.tune)
    args.steps = learner.steps      # so --steps can repeat a run with --minutes
    export(learner.mean, args.out / 'street.onnx')
    (args.out / 'street_log.json').write_text(json.dumps({
        'arguments': {k: str(v) for k, v in vars(args).items() if k != 'out'},
        'versions': versions(), 'scenes': pool.drawn, 'log': learner.log}, indent=1) + '\n',
        encoding='utf-8')
    steps = [entry['step'] for entry in learner.log]
    plot(args.out / 'street_curve.png', {
        name: (steps, [float(np.mean(entry['iou'][name])) for entry in learner.log])
        for name in CONDITIONS}, f'mean IoU, {args.test_scenes} unseen scenes')
    pool.stop()


def memory() -> float:
    """Return the largest memory that was used on the device, in GB."""
    return torch.cuda.max_memory_allocated() / 1e9 if DEVICE == 'cuda' else 0.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    add = parser.add_argument
    add('--out', type=Path, required=True)
    add('--minutes', type=float, default=8.0, help='time of the whole run')
    add('--reserve', type=float, default=12.0, help='seconds of --minutes for the export')
    add('--steps', type=int, default=0, help='steps of the training, instead of --minutes')
    add('--pool', type=int, default=24000, help='number of scenes on the device')
    add('--first', type=int, default=3000, help='number of scenes before the first step')
    add('--warm-start', type=Path, help='ONNX file with the first weights, from drawn scenes only')
    add('--large', action='store_true', help='train a UNet on ResNet-18 instead, 54 MB')
    add('--tests', type=int, default=8, help='number of tests in the training')
    add('--test-scenes', type=int, default=75, help='number for each condition')
    add('--tune', action='store_true', help='let cuDNN try several algorithms')
    add('--batch', type=int, default=32)
    add('--mild', type=float, default=0.3, help='fraction of plain scenes in a batch')
    add('--views', type=int, choices=(1, 2), default=1, help='stylings of each scene')
    add('--lr', type=float, default=3e-3)
    add('--seed', type=int, default=1)
    return parser.parse_args()


if __name__ == '__main__':
    main()
