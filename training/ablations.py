# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Train the demo model for a short time with and without each step of the recipe.

``street.py --ablations SECONDS`` calls this after its training. All variants use the same scenes,
the same first weights and the same time. ``python training/ablations.py WEIGHTS DIR`` exports the
weights of the variants to ONNX.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
from pathlib import Path
import sys
from typing import Any

from learning import Budget, fit, Learner
from networks import export, StreetNet
import numpy as np
from recipes import make_net, Recipe
from restyle import Style
from scene_pool import Mixture, ScenePool
from scenes import Scenes
import torch

VARIANTS = {
    'all': Recipe(Mixture(), Style()),
    'plain_scenes': Recipe(Mixture(), Style(), plain=True),
    'without_surfaces': Recipe(Mixture(), Style(surfaces=False)),
    'without_light': Recipe(Mixture(), Style(light=False)),
    'without_mixing': Recipe(Mixture(), Style(mixing=False)),
    'without_camera': Recipe(Mixture(), Style(camera=False)),
    'two_views': Recipe(Mixture(views=2), Style()),
}


def run_variants(pool: ScenePool, tests: Mapping[str, Scenes], out: Path, warm_start: Path | None,
                 seconds: float, rate: float, seed: int) -> None:
    """Train every variant. Write ablations.json and ablations.pt (weights, half precision)."""
    rows: dict[str, Any] = {}
    weights: dict[str, Any] = {}
    for name, recipe in VARIANTS.items():
        batches = recipe.batches(pool, seed)
        learner = Learner(make_net(warm_start, batches, seed), recipe.loss(pool), rate, rise=30)
        fit({name: learner}, batches, Budget(0, seconds), tests, 1)
        rows[name] = {'steps': learner.steps, 'iou': {
            c: round(float(np.mean(v)), 4) for c, v in learner.log[-1]['iou'].items()}}
        weights[name] = {key: value.cpu().half() if value.dim() == 4 else value.cpu()
                         for key, value in learner.mean.state_dict().items()}
        torch.save(weights, out / 'ablations.pt')
        (out / 'ablations.json').write_text(json.dumps(
            {'seconds': seconds, 'scenes': pool.drawn, 'rows': rows}, indent=1) + '\n',
            encoding='utf-8')


def main() -> None:
    """Export the weights of all variants."""
    weights, out = sys.argv[1:]
    for name, values in torch.load(weights, map_location='cpu', weights_only=True).items():
        net = StreetNet(refined=True)
        net.load_state_dict(values)
        export(net, Path(out) / f'{name}.onnx')


if __name__ == '__main__':
    main()
