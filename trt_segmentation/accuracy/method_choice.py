# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Choose the calibration method whose INT8 network labels most pixels as FP32 does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
import time
from typing import Any

import numpy as np
from rich.table import Table

from ..builder.calibration import Calibration, measure_activations
from ..builder.feeds import Feeds
from ..builder.prepare import apply_precision, PreparedGraph
from ..builder.settings import FALLBACK_METHOD, METHODS, Recipe
from ..model.card import ModelCard
from .held_out import read_positions
from .limit import compare_models
from .samples import Sample

JUDGING_FRAMES = 16
"""At most this many of the frames compare the methods."""
SHARE = 5
"""One of this many frames compares the methods. The other frames give the ranges."""
FEWEST_FRAMES = 2 * SHARE
"""With fewer frames, the methods are not compared."""


@dataclass(frozen=True)
class MethodChoice:
    """The comparison of the calibration methods.

    :param agreement: fraction of pixels with the same label as in FP32, by method. Empty if there
        were too few frames for a comparison.
    :param precision: the precision that was compared, int8 or mixed.
    :param frames: number of frames of the comparison. They gave no ranges.
    :param seconds: time of the comparison.
    """

    agreement: Mapping[str, float]
    precision: str = ''
    frames: int = 0
    seconds: float = 0.0

    @property
    def best(self) -> str:
        """The method with the largest agreement."""
        return max(self.agreement, key=self.agreement.__getitem__, default=FALLBACK_METHOD)

    def tree(self) -> dict[str, Any]:
        """The comparison for JSON."""
        return {'chosen': self.best, 'agreement': dict(self.agreement),
                'precision': self.precision, 'frames': self.frames,
                'seconds': round(self.seconds, 1)}

    def table(self) -> Table:
        """The comparison as a table, the best method first."""
        table = Table('method', 'as fp32', '', title=(
            f'calibration methods: {self.precision} on {self.frames} frames that gave no ranges, '
            f'{self.seconds:.0f} s'))
        for name, value in sorted(self.agreement.items(), key=lambda item: -item[1]):
            table.add_row(name, f'{value:.4%}', 'chosen' if name == self.best else '')
        return table


def calibrate_best(card: ModelCard, graph: PreparedGraph, recipe: Recipe, feeds: Feeds,
                   folder: Path | None = None,
                   progress: Callable[[int], None] = lambda done: None
                   ) -> tuple[Calibration, MethodChoice]:
    """Measure the ranges of every method, and choose the best method.

    One fifth of the frames, at most 16, compares the methods. The other frames give the ranges.
    With fewer than 10 frames, no comparison would be worth much. Then all frames give ranges, and
    the method is :data:`.settings.FALLBACK_METHOD`.

    :param graph: the network in FP32.
    :param recipe: the methods are compared in its precision. If this precision has no INT8
        layers, they are compared in int8.
    :param folder: see :func:`.calibration.measure_activations`.
    :param progress: called with the number of frames whose ranges are measured.
    :raises GraphError: if there are no frames, or if the network cannot be converted.
    """
    judging = choose_judging_frames(feeds)
    chosen = np.setdiff1d(feeds.choice.chosen, judging)
    measured = measure_activations(
        graph.model, replace(feeds, choice=replace(feeds.choice, chosen=chosen)), folder, progress)
    calibrations = {method: measured.calibration(method) for method in METHODS}
    choice = MethodChoice({})
    if len(judging):
        samples = list(read_positions(feeds.source, judging, ''))
        choice = compare_methods(card, graph, recipe, calibrations, samples)
    return calibrations[choice.best], choice


def choose_judging_frames(feeds: Feeds) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Positions of the frames that compare the methods. They cover every kind of light."""
    chosen = feeds.choice.chosen
    count = min(JUDGING_FRAMES, len(chosen) // SHARE)
    if len(chosen) < FEWEST_FRAMES:
        return chosen[:0]
    by_light = chosen[np.argsort(feeds.choice.group[chosen], kind='stable')]
    picked = ((np.arange(count) + 0.5) * len(chosen) / count).astype(int)
    return np.sort(by_light[picked])


def compare_methods(card: ModelCard, graph: PreparedGraph, recipe: Recipe,
                    calibrations: Mapping[str, Calibration], samples: list[Sample]
                    ) -> MethodChoice:
    """Convert the network with the ranges of each method, and compare the labels with FP32."""
    began = time.monotonic()
    if not recipe.needs_calibration:
        recipe = replace(recipe, precision='int8')
    models = {method: apply_precision(graph, recipe, calibration).model
              for method, calibration in calibrations.items()}
    accuracy = compare_models(card, models, samples)
    return MethodChoice({method: accuracy.agreement(method) for method in models},
                        recipe.precision, len(samples), time.monotonic() - began)
