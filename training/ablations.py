# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Train the demo model for a short time with and without each step of the recipe.

    python training/ablations.py --out DIR [--seconds 15] [--warm-start resource/street.onnx]

All runs use the same scenes, the same first weights and the same time. The script writes
NAME.onnx of each run and ablations.json with steps and IoU of the drawn test scenes into DIR.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
import json
from pathlib import Path
import time
from typing import Any

from learning import Budget, fit, Learner, versions
from networks import export
import numpy as np
from restyle import Restyler, Style
from scene_pool import Recipe, ScenePool, StyledBatches
from scenes import DEVICE, test_scenes
from street import make_loss, make_net
import torch

from trt_segmentation.street import CLASSES
from trt_segmentation.untrusted.output_files import check_absent


@dataclass(frozen=True)
class Variant:
    """One run."""

    recipe: Recipe = field(default_factory=Recipe)
    style: Style = field(default_factory=Style)
    plain: bool = False


VARIANTS = {
    'all': Variant(),
    'plain_scenes': Variant(plain=True),
    'without_surfaces': Variant(style=Style(surfaces=False)),
    'without_light': Variant(style=Style(light=False)),
    'without_mixing': Variant(style=Style(mixing=False)),
    'without_camera': Variant(style=Style(camera=False)),
    'two_views': Variant(Recipe(views=2)),
}


def main() -> None:
    """Run every variant."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--seconds', type=float, default=15.0, help='time of each run')
    parser.add_argument('--first', type=int, default=4000, help='scenes before the first run')
    parser.add_argument('--pool', type=int, default=16000, help='scenes on the device')
    parser.add_argument('--warm-start', type=Path)
    parser.add_argument('--lr', type=float, default=2e-3)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--only', nargs='*', default=list(VARIANTS), choices=list(VARIANTS))
    args = parser.parse_args()
    args.low_stride, args.refined = 4, False
    check_absent(args.out, '--out', [f'{name}.onnx' for name in args.only] + ['ablations.json'])
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    tests = {condition: some.first(40) for condition, some in test_scenes(40).items()}
    print(f'tests: {time.monotonic() - began:.1f} s', flush=True)
    pool = ScenePool(args.pool)
    pool.allocate()
    pool.wait(args.first)
    print(f'{pool.drawn} scenes: {time.monotonic() - began:.1f} s', flush=True)
    tree: dict[str, Any] = {'versions': versions(), 'runs': {}}
    for name in args.only:
        variant = VARIANTS[name]
        random = torch.Generator(DEVICE).manual_seed(args.seed)
        batches = StyledBatches(pool, variant.recipe, Restyler(variant.style, random), random,
                                args.seed, variant.plain)
        loss = make_loss(variant.recipe, pool.class_weights(len(CLASSES)), 0.5)
        learner = Learner(make_net(args, batches), loss, args.lr, rise=30)
        scenes = pool.drawn
        fit({name: learner}, batches, Budget(0, args.seconds), tests, 1)
        tree['runs'][name] = {'steps': learner.steps, 'scenes': scenes, 'iou': {
            c: round(float(np.mean(v)), 4) for c, v in learner.log[-1]['iou'].items()}}
        print(f'{name}: {time.monotonic() - began:.0f} s', flush=True)
        export(learner.mean, args.out / f'{name}.onnx')
        (args.out / 'ablations.json').write_text(json.dumps(tree, indent=1) + '\n',
                                                 encoding='utf-8')
    pool.stop()
    print(f'{pool.drawn} scenes at the end, {time.monotonic() - began:.0f} s', flush=True)


if __name__ == '__main__':
    main()
