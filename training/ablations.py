# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Train the demo model for a short time with and without each step of ``restyle.py``.

    python training/ablations.py --out DIR --steps 90 --batch 8 --size 320 512

All variants use the same scenes, the same first weights and the same number of steps. The script
writes NAME.onnx of each variant and ablations.json into DIR. It needs no GPU if the batches and
the images are small. ``training/score_photographs.py`` scores the variants on photographs.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from dataclasses import replace
import json
from pathlib import Path
import time
from typing import Any

from learning import Budget, fit, Learner, versions
from networks import export
import numpy as np
from recipes import make_net, Recipe
from restyle import Style
from scene_pool import Mixture, ScenePool
from scenes import test_scenes

from trt_segmentation.untrusted.output_files import check_absent

VARIANTS = {
    'all': Recipe(Mixture(), Style()),
    'plain_scenes': Recipe(Mixture(), Style(), plain=True),
    'without_surfaces': Recipe(Mixture(), Style(surfaces=False)),
    'without_light': Recipe(Mixture(), Style(light=False)),
    'without_mixing': Recipe(Mixture(), Style(mixing=False)),
    'without_camera': Recipe(Mixture(), Style(camera=False)),
    'two_views': Recipe(Mixture(views=2), Style()),
}


def main() -> None:
    args = arguments()
    check_absent(args.out, '--out', [f'{name}.onnx' for name in args.only] + ['ablations.json'])
    args.out.mkdir(parents=True, exist_ok=True)
    tests = test_scenes(args.test_scenes)
    pool = ScenePool(args.scenes + 512)
    pool.allocate()
    pool.wait(args.scenes)
    pool.stop()
    tree: dict[str, Any] = {
        'arguments': {k: str(v) for k, v in vars(args).items() if k != 'out'},
        'versions': versions(), 'rows': {}}
    for name in args.only:
        began, recipe = time.monotonic(), VARIANTS[name]
        recipe = replace(recipe, mixture=replace(recipe.mixture, batch=args.batch))
        if args.size:
            recipe = replace(recipe, sizes=(tuple(args.size),))
        batches = recipe.batches(pool, args.seed)
        net = make_net(args.warm_start, batches, args.seed)
        learner = Learner(net, recipe.loss(pool), args.lr, rise=max(args.steps // 6, 1))
        fit({name: learner}, batches, Budget(args.steps), tests, 1, tune=False)
        tree['rows'][name] = {
            'steps': learner.steps, 'seconds': round(time.monotonic() - began), 'iou': {
                c: round(float(np.mean(v)), 4) for c, v in learner.log[-1]['iou'].items()}}
        export(deepcopy(learner.mean), args.out / f'{name}.onnx')
        (args.out / 'ablations.json').write_text(json.dumps(tree, indent=1) + '\n',
                                                 encoding='utf-8')


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split('\n', maxsplit=1)[0])
    add = parser.add_argument
    add('--out', type=Path, required=True)
    add('--steps', type=int, default=300)
    add('--scenes', type=int, default=4000, help='number of scenes that all variants share')
    add('--test-scenes', type=int, default=25, help='number for each condition')
    add('--batch', type=int, default=32)
    add('--size', type=int, nargs=2, help='height and width; as in the full training if absent')
    add('--warm-start', type=Path, default=Path('resource/street.onnx'))
    add('--lr', type=float, default=2e-3)
    add('--seed', type=int, default=1)
    add('--only', nargs='*', default=list(VARIANTS), choices=list(VARIANTS))
    return parser.parse_args()


if __name__ == '__main__':
    main()
