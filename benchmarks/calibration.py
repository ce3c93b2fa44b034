# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.


"""INT8 calibrated on day alone against all conditions: what it costs at night, in rain and snow.

The claim put to the test: ranges measured on daylight frames spoil thin structures, lane lines
first, in the dark. Every calibration has the same number of frames; only their conditions differ.
Tested for every method, since the method decides how much unseen light matters.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import tempfile

import onnx
from precision import calibrated, scenes
from report import Report, run

from trt_segmentation import street
from trt_segmentation.builder.accuracy import Accuracy, compare
from trt_segmentation.builder.calibration import METHODS
from trt_segmentation.builder.prepare import give_precision, read_graph, Recipe
from trt_segmentation.model_card import load_card

SETS = {'day only': ('day',), 'all conditions': street.CONDITIONS}
FIGURE = Path(__file__).parent.parent / 'docs' / 'calibration.png'
LANE = 'lane marking'
MARGIN = 0.005
"""Mean IoU at night that calibrating on all conditions has to win to count as a finding."""


def measure(report: Report, quick: bool) -> None:
    """Calibrate six ways and compare on every condition."""
    card = load_card('street')
    graph = read_graph(card, Recipe('int8'))
    methods = ['percentile'] if quick else list(METHODS)
    with tempfile.TemporaryDirectory() as folder:
        paths = {'fp32': card.model}
        for method in methods:
            for name, conditions in SETS.items():
                ranges = calibrated(card, graph, 4 if quick else 48, method, conditions)
                paths[f'{method}, {name}'] = path = Path(folder) / f'{len(paths)}.onnx'
                onnx.save(give_precision(graph, Recipe('int8'), ranges).model, path)
        accuracy = compare(card, paths, scenes(1 if quick else 12))
    for name in paths:
        add_rows(report, accuracy, name)
    for method in methods:
        day, every = (accuracy.scores(f'{method}, {name}', 'night').mean_iou for name in SETS)
        bar = method == 'percentile' and not quick
        report.add(f'{method}: mean IoU at night won by all conditions', every - day, '',
                   f'>= {MARGIN}' if bar else '', every - day >= MARGIN if bar else None)
    if not quick:
        FIGURE.parent.mkdir(exist_ok=True)
        draw(accuracy, methods, FIGURE)


def add_rows(report: Report, accuracy: Accuracy, name: str) -> None:
    """Mean IoU, lane-marking IoU and boundary IoU of every condition."""
    lane = accuracy.classes.index(LANE)
    for condition in accuracy.conditions:
        scores = accuracy.scores(name, condition)
        report.add(f'{name}: mean IoU, {condition}', scores.mean_iou, '')
        report.add(f'{name}: {LANE} IoU, {condition}', scores.iou[lane], '')
        report.add(f'{name}: boundary IoU, {condition}',
                   accuracy.boundary_iou(name, condition), '')


def draw(accuracy: Accuracy, methods: list[str], path: Path) -> None:
    """Draw what each calibration loses to FP32 on each condition, three measures side by side."""
    from matplotlib.figure import Figure
    lane = accuracy.classes.index(LANE)
    figure = Figure(figsize=(13, 4), layout='tight')
    measures: dict[str, Callable[[str, str], float]] = {
        'mean IoU': lambda name, where: accuracy.scores(name, where).mean_iou,
        f'{LANE} IoU': lambda name, where: float(accuracy.scores(name, where).iou[lane]),
        'boundary IoU': accuracy.boundary_iou}
    styles = dict(zip(SETS, ('--', '-')))
    colors = dict(zip(methods, ('tab:red', 'tab:blue', 'tab:green')))
    for axes, (title, value) in zip(figure.subplots(1, 3), measures.items()):
        for method in methods:
            for name, style in styles.items():
                lost = [value('fp32', where) - value(f'{method}, {name}', where)
                        for where in accuracy.conditions]
                axes.plot(accuracy.conditions, lost, style, marker='o', color=colors[method],
                          label=f'{method}, {name}')
        axes.set(title=f'{title} lost to FP32')
        axes.axhline(0, color='0.8', zorder=0)
    axes.legend(fontsize='small')
    figure.savefig(path, dpi=100)


if __name__ == '__main__':
    run('Calibration of the street model', measure)
