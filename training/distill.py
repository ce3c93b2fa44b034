# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Distil the demo model from a larger network, and train the same model without this network.

    python training/distill.py --out DIR [--minutes 9] [--width 0.5] [--teacher FILE]

One run renders scenes and trains the teacher, a UNet on ResNet-18. Then the run trains two
students. The students are networks like the demo model. They have the same first weights and the
same batches. The first student learns from the truth and from the teacher's softened output
(Hinton et al., 2015). The second student is the control. It learns only from the truth. --minutes
is the time of the whole run. The script writes student.onnx, control.onnx, teacher.onnx,
distill_log.json and distill_curve.png into DIR. The script updates the log during the run, so that
an interrupted run leaves its results. No test scene has the seed of a training scene.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
import json
from pathlib import Path
import time
from typing import Any

from learning import Batches, Budget, fit, Learner, Loss, plot, supervised, test_iou, versions
from networks import count_parameters, export, StreetNet, UNet
import numpy as np
from scenes import DEVICE, Scenes, test_scenes, training_scenes
import torch
from torch import nn
from torch.nn.functional import interpolate, kl_div

from trt_segmentation.street import CLASSES
from trt_segmentation.untrusted.output_files import check_absent, check_file

QUICK_TESTS = 75
"""Number of scenes of each condition in a test during the training."""


def distilled(teacher: nn.Module, weight: torch.Tensor, temperature: float, share: float) -> Loss:
    """Return a loss: the supervised loss plus the divergence from the teacher's softened output.

    :param weight: (classes,) weights. The true class of a pixel selects its weight.
    :param share: weight of the divergence. The divergence is also multiplied by the square of the
        temperature, so that its gradients do not depend on the temperature.
    """
    truth_loss = supervised(weight)

    def loss(logits: torch.Tensor, truth: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad(), torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == 'cuda'):
            wanted = teacher(x)
        found = interpolate(logits.float(), size=wanted.shape[-2:], mode='bilinear',
                            align_corners=False)
        soft, target = ((t / temperature).log_softmax(1) for t in (found, wanted.float()))
        divergence = kl_div(soft, target, reduction='none', log_target=True).sum(1)
        stride = truth.shape[-1] // wanted.shape[-1]
        pixel = weight[truth[:, ::stride, ::stride]]
        softened = (divergence * pixel).sum() / pixel.sum() * temperature ** 2
        return truth_loss(logits, truth, x) + share * softened
    return loss


class Record:
    """The JSON file of a run. Every change of the record writes the file again.

    :ivar tree: the content of the file.
    """

    def __init__(self, path: Path, args: argparse.Namespace) -> None:
        self._path, self._began = path, time.monotonic()
        self.tree: dict[str, Any] = {
            'arguments': {k: str(v) for k, v in vars(args).items() if k not in ('out', 'teacher')},
            'versions': versions(), 'classes': CLASSES, 'seconds': {}, 'networks': {}}

    def elapsed(self, what: str = '') -> float:
        """Return the seconds since the run began. ``what`` names a step that ends now."""
        seconds = time.monotonic() - self._began
        if what:
            self.tree['seconds'][what] = round(seconds, 1)
            print(f'{what}: done at {seconds:.0f} s', flush=True)
            self.write()
        return seconds

    def write(self) -> None:
        self._path.write_text(json.dumps(self.tree, indent=1) + '\n', encoding='utf-8')

    def follow(self, learners: dict[str, Learner]) -> None:
        for name, learner in learners.items():
            self.tree['networks'].setdefault(name, {}).update(
                parameters=count_parameters(learner.net), steps=learner.steps, log=learner.log)
        self.write()

    def result(self, name: str, net: nn.Module, tests: dict[str, Scenes], out: Path) -> None:
        """Test a network with every test scene, export it, and log the results."""
        iou = {condition: test_iou(net, scenes) for condition, scenes in tests.items()}
        entry = self.tree['networks'].setdefault(name, {'parameters': count_parameters(net)})
        entry |= {'scenes_a_condition': len(next(iter(tests.values()))), 'iou': iou,
                  'mean_iou': {c: float(np.mean(v)) for c, v in iou.items()}}
        entry['mean_iou']['all'] = float(np.mean(list(entry['mean_iou'].values())))
        print(name, {k: round(v, 4) for k, v in entry['mean_iou'].items()}, flush=True)
        self.write()
        path = out / f'{name}.onnx'
        export(deepcopy(net), path)
        entry['onnx_bytes'] = path.stat().st_size
        self.elapsed(f'{name} exported')

    def plot(self, path: Path) -> None:
        plot(path, {
            f'{name}, {entry["parameters"] / 1e6:.2f} M parameters': (
                [e['step'] for e in entry.get('log', [])],
                [float(np.mean(list(e['iou'].values()))) for e in entry.get('log', [])])
            for name, entry in self.tree['networks'].items()},
            f'mean IoU, {QUICK_TESTS} unseen scenes of each condition')


def get_teacher(args: argparse.Namespace, weight: torch.Tensor, batches: Batches,
                quick: dict[str, Scenes], record: Record, left: float) -> nn.Module:
    """Load the teacher if the file ``args.teacher`` exists. Otherwise train and save it."""
    if args.teacher and args.teacher.exists():
        net = UNet().to(DEVICE, memory_format=torch.channels_last).eval()
        net.load_state_dict(torch.load(args.teacher, map_location=DEVICE, weights_only=True))
        return net
    learner = Learner(UNet(), supervised(weight), args.teacher_lr)
    fit({'teacher': learner}, batches, Budget(args.steps, left * args.teacher_share), quick,
        args.tests, lambda: record.follow({'teacher': learner}))
    if args.teacher:
        torch.save(learner.mean.state_dict(), args.teacher)
    return learner.mean


def main() -> None:
    args = arguments()
    check_absent(args.out, '--out', ('student.onnx', 'control.onnx', 'teacher.onnx',
                                     'distill_log.json', 'distill_curve.png'))
    if args.teacher and not args.teacher.exists():
        check_file(args.teacher, '--teacher')
    args.out.mkdir(parents=True, exist_ok=True)
    record = Record(args.out / 'distill_log.json', args)
    torch.manual_seed(args.seed)
    random = torch.Generator(DEVICE).manual_seed(args.seed)
    scenes, tests = training_scenes(args.scenes), test_scenes(args.test_scenes)
    quick = {condition: some.first(QUICK_TESTS) for condition, some in tests.items()}
    weight = scenes.class_weights()
    record.elapsed('rendering')
    left = args.minutes * 60 - args.reserve - record.elapsed()
    if not args.steps and left < 60:
        raise SystemExit(f'rendering took {record.elapsed():.0f} s, so less than one of '
                         f'{args.minutes} minutes is left for the training. Give fewer --scenes '
                         f'or more --minutes')
    teacher = get_teacher(args, weight, scenes.batches(args.teacher_batch, random), quick, record,
                          left)
    record.result('teacher', teacher, tests, args.out)
    first = StreetNet(width=args.width)
    learners = {'student': Learner(deepcopy(first), distilled(
        teacher, weight, args.temperature, args.share), args.lr)}
    if not args.no_control:
        learners['control'] = Learner(first, supervised(weight), args.lr)
    left = args.minutes * 60 - args.reserve - record.elapsed()
    fit(learners, scenes.batches(args.batch, random), Budget(args.steps, left), quick, args.tests,
        lambda: record.follow(learners))
    record.elapsed('students')
    for name, learner in learners.items():
        record.result(name, learner.mean, tests, args.out)
    record.plot(args.out / 'distill_curve.png')


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    add = parser.add_argument
    add('--out', type=Path, required=True)
    add('--minutes', type=float, default=9.0, help='time of the whole run, with rendering')
    add('--reserve', type=float, default=40.0, help='seconds of --minutes for the last tests')
    add('--teacher-share', type=float, default=0.5, help='fraction of the training time')
    add('--steps', type=int, default=0, help='steps of each network, instead of --minutes')
    add('--scenes', type=int, default=10000)
    add('--test-scenes', type=int, default=300, help='number of test scenes of each condition')
    add('--tests', type=int, default=4, help='number of tests of each network during its training')
    add('--width', type=float, default=0.5, help='width of the students; the demo model has 1')
    add('--teacher', type=Path, help='file to load the teacher from, or to save it to')
    add('--no-control', action='store_true', help='train only the distilled student')
    add('--batch', type=int, default=32)
    add('--teacher-batch', type=int, default=16)
    add('--lr', type=float, default=4e-3)
    add('--teacher-lr', type=float, default=1e-3)
    add('--temperature', type=float, default=2.0)
    add('--share', type=float, default=1.0, help='weight of the divergence from the teacher')
    add('--seed', type=int, default=1)
    return parser.parse_args()


if __name__ == '__main__':
    main()
