# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Train the demo model on street scenes, and export it to ONNX.

    python training/street.py --out DIR [--scenes 16000] [--steps 6000 | --minutes 6]

The script needs a GPU and torchvision. It writes street.onnx, street_log.json and street_curve.png
into DIR. The log has the arguments, the versions, and the loss and test IoU over time. No test
scene has the seed of a training scene.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from learning import Budget, fit, Learner, plot, supervised, versions
from networks import export, LOW_STAGE, StreetNet
import numpy as np
from scenes import DEVICE, test_scenes, training_scenes
import torch

from trt_segmentation.street import CONDITIONS
from trt_segmentation.untrusted.output_files import check_absent


def main() -> None:
    """Train and export the network. Write the log and the curve."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--scenes', type=int, default=16000)
    parser.add_argument('--steps', type=int, default=6000)
    parser.add_argument('--minutes', type=float, default=0, help='used instead of --steps')
    parser.add_argument('--tests', type=int, default=8, help='number of tests in the training')
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--lr', type=float, default=4e-3)
    parser.add_argument('--low-stride', type=int, choices=sorted(LOW_STAGE), default=4)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    check_absent(args.out, '--out', ('street.onnx', 'street_log.json', 'street_curve.png'))
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    random = torch.Generator(DEVICE).manual_seed(args.seed)
    scenes, tests = training_scenes(args.scenes), test_scenes(75)
    learner = Learner(StreetNet(args.low_stride), supervised(scenes.class_weights()), args.lr)
    budget = Budget(0 if args.minutes else args.steps, args.minutes * 60)
    fit({'street': learner}, scenes.batches(args.batch, random), budget, tests, args.tests)
    args.steps = learner.steps      # so --steps can repeat a run with --minutes
    export(learner.mean, args.out / 'street.onnx')
    steps = [entry['step'] for entry in learner.log]
    plot(args.out / 'street_curve.png', {
        name: (steps, [float(np.mean(entry['iou'][name])) for entry in learner.log])
        for name in CONDITIONS}, 'mean IoU, 75 unseen scenes')
    (args.out / 'street_log.json').write_text(json.dumps({
        'arguments': {k: str(v) for k, v in vars(args).items() if k != 'out'},
        'versions': versions(), 'log': learner.log}, indent=1) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
