# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Choose the calibration method and FP16 layers so that INT8 labels best match FP32 labels.

A calibration method computes the INT8 ranges of activations from their values on many frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
import time

import numpy as np
import numpy.typing as npt

from ..builder.calibration import Calibration, measure_activations
from ..builder.feeds import Feeds
from ..builder.prepare import apply_precision, PreparedGraph
from ..builder.sensitivity import measure_layer_errors
from ..builder.settings import FALLBACK_METHOD, METHODS, Recipe
from ..int8.channel_balance import balance_channels
from ..model.card import ModelCard
from ..untrusted.output_files import write_json
from .held_out import read_positions
from .limit import AddBar, compare_models, hide_bar
from .samples import Sample

METHODS_FILE = 'methods.json'
"""Name of the file in the report's folder that holds the comparison of the methods."""
JUDGING_FRAMES = 16
"""The methods are compared on at most this many frames."""
SHARE = 5
"""Of this many frames, one is for the comparison. The ranges are measured on the other frames."""
FEWEST_FRAMES = 2 * SHARE
"""With fewer frames than this number, the methods are not compared."""
RANKING_FRAMES = 2
"""Number of calibration frames on which the error of each layer is measured. For each measurement,
only one layer is INT8."""
OUTLIER = 8
"""A layer is an outlier if its error is more than this many times the median error."""


@dataclass(frozen=True)
class MethodChoice:
    """The result of the comparison of the calibration methods.

    :param agreement: maps each method to the fraction of pixels with the same label as in FP32.
        The mapping is empty if there were too few frames for a comparison.
    :param precision: the precision in which the methods were compared: int8 or mixed.
    :param frames: number of frames of the comparison. They were not used to measure ranges.
    :param outliers: names of the layers with a much larger INT8 error than the other layers.
    :param without: agreement of the best method if the outliers stay FP16; 0 if there are none.
    :param seconds: time of the comparison.
    """

    agreement: Mapping[str, float] = field(default_factory=dict)
    precision: str = ''
    frames: int = 0
    outliers: tuple[str, ...] = ()
    without: float = 0.0
    seconds: float = 0.0

    @property
    def best(self) -> str:
        """The method with the largest agreement."""
        return max(self.agreement, key=self.agreement.__getitem__, default=FALLBACK_METHOD)

    @property
    def keep_fp16(self) -> tuple[str, ...]:
        """The outliers, if the agreement is higher with these layers in FP16; otherwise empty."""
        better = bool(self.outliers) and self.without > self.agreement[self.best]
        return self.outliers if better else ()

    def lines(self) -> list[str]:
        """The comparison as text, the best method first."""
        if not self.agreement:
            return [f'the calibration has fewer than {FEWEST_FRAMES} frames, so the methods are '
                    f'not compared. The method is {self.best}']
        ranking = sorted(self.agreement.items(), key=lambda item: -item[1])
        found = [f'compared the calibration methods in {self.precision} on {self.frames} frames '
                 f'that were not used for the ranges, in {self.seconds:.0f} s:',
                 *(f'  {name:10} {value:.3%} of the pixels have the label of fp32'
                   + (' (chosen)' if name == self.best else '') for name, value in ranking)]
        if self.outliers:
            found.append(f'  {self.best:10} {self.without:.3%} of the pixels, if these sensitive '
                         f'layers are in fp16' + (' (chosen)' if self.keep_fp16 else '')
                         + f': {", ".join(self.outliers)}')
        return found

    def write(self, folder: Path, log: Callable[[str], None]) -> None:
        """Write the comparison as JSON to the folder of the report, and log it as text.

        :raises OutputError: if the file cannot be written.
        """
        write_json(folder / METHODS_FILE, {
            'chosen': self.best, 'agreement': dict(self.agreement), 'precision': self.precision,
            'frames': self.frames, 'outliers': list(self.outliers),
            'agreement_without_outliers': self.without, 'keep_fp16': list(self.keep_fp16),
            'seconds': round(self.seconds, 1)})
        for line in self.lines():
            log(line)


def calibrate_best(card: ModelCard, graph: PreparedGraph, recipe: Recipe, feeds: Feeds,
                   folder: Path | None = None, add_bar: AddBar = hide_bar
                   ) -> tuple[Calibration, MethodChoice]:
    """Measure the ranges of every method, choose the best method, and find sensitive layers.

    The methods are compared on one fifth of the frames, at most 16. The ranges are measured on the
    other frames. With the best method, some layers may have a much larger error than the other
    layers. These layers stay FP16 if the agreement is then higher. If there are fewer than 10
    frames, the ranges are measured on all frames, and the method is
    :data:`.settings.FALLBACK_METHOD`.

    :param graph: the network in FP32.
    :param recipe: gives the precision in which the methods are compared. If this precision has no
        INT8 layers, the methods are compared in int8.
    :param folder: see :func:`.calibration.measure_activations`.
    :param add_bar: shows the progress of each stage.
    :raises GraphError: if there are no frames, or if the network cannot be converted.
    """
    if not recipe.needs_calibration:
        recipe = replace(recipe, precision='int8')
    judging = choose_judging_frames(feeds)
    chosen = np.setdiff1d(feeds.choice.chosen, judging)
    feeds = replace(feeds, choice=replace(feeds.choice, chosen=chosen))
    step = add_bar('calibration', len(chosen))
    measured = measure_activations(graph.model, feeds, folder, step)
    step(len(chosen))
    calibrations = {method: measured.calibration(method) for method in METHODS}
    choice = MethodChoice()
    if len(judging):
        samples = list(read_positions(feeds.source, judging, ''))
        choice = _compare_methods(card, graph, recipe, feeds, calibrations, samples, add_bar)
    return replace(calibrations[choice.best], keep_fp16=choice.keep_fp16), choice


def _compare_methods(card: ModelCard, graph: PreparedGraph, recipe: Recipe, feeds: Feeds,
                     calibrations: Mapping[str, Calibration], samples: list[Sample],
                     add_bar: AddBar) -> MethodChoice:
    began = time.monotonic()
    found = compare_calibrations(card, graph, recipe, calibrations, samples,
                                 add_bar('methods compared', len(samples)))
    choice = MethodChoice(found, recipe.precision, len(samples))
    best = calibrations[choice.best]
    if outliers := find_outliers(graph, recipe, best, feeds, add_bar):
        kept = {'kept': replace(best, keep_fp16=outliers)}
        without = compare_calibrations(
            card, graph, recipe, kept, samples,
            add_bar('sensitive layers compared', len(samples)))['kept']
        choice = replace(choice, outliers=outliers, without=without)
    return replace(choice, seconds=time.monotonic() - began)


def choose_judging_frames(feeds: Feeds) -> npt.NDArray[np.intp]:
    """Return the positions of frames for the comparison; empty if there are too few frames.

    The frames cover every kind of light.
    """
    chosen = feeds.choice.chosen
    if len(chosen) < FEWEST_FRAMES:
        return chosen[:0]
    count = min(JUDGING_FRAMES, len(chosen) // SHARE)
    by_light = chosen[np.argsort(feeds.choice.group[chosen], kind='stable')]
    picked = ((np.arange(count) + 0.5) * len(chosen) / count).astype(int)
    return np.sort(by_light[picked])


def compare_calibrations(card: ModelCard, graph: PreparedGraph, recipe: Recipe,
                         calibrations: Mapping[str, Calibration], samples: list[Sample],
                         progress: Callable[[int], None] = lambda done: None
                         ) -> dict[str, float]:
    """For each calibration, return the fraction of pixels with the same label as in FP32."""
    models = {name: apply_precision(graph, recipe, calibration).model
              for name, calibration in calibrations.items()}
    accuracy = compare_models(card, models, _count_samples(samples, progress))
    return {name: accuracy.agreement(name) for name in models}


def _count_samples(samples: list[Sample], progress: Callable[[int], None]) -> Iterator[Sample]:
    for done, sample in enumerate(samples, 1):
        yield sample
        progress(done)


def find_outliers(graph: PreparedGraph, recipe: Recipe, calibration: Calibration, feeds: Feeds,
                  add_bar: AddBar = hide_bar) -> tuple[str, ...]:
    """Return the names of the INT8 layers that are outliers (:data:`OUTLIER`), the worst first."""
    split = apply_precision(graph, recipe, calibration).split
    assert split is not None
    (name,) = graph.profile
    tensors = [{name: tensor} for tensor in islice(feeds(), RANKING_FRAMES)]
    errors = measure_layer_errors(balance_channels(graph.model, calibration.balance),
                                  calibration.ranges, split.int8, tensors,
                                  add_bar('layers ranked', len(split.int8)))
    limit = OUTLIER * float(np.median(list(errors.values())))
    return tuple(node for node, error in errors.items() if error > limit)
