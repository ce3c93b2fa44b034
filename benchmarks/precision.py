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


"""What FP16, INT8 and mixed precision cost the demo model, on scenes it was not trained on.

Answers are ONNX Runtime's on the CPU. It computes INT8 as TensorRT does up to the order of sums,
but most FP16 operators in FP32 between roundings: the FP16 rows show the rounding of weights and
of most activations, not that of sums, which TensorRT keeps in FP32 too for convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import tempfile

import numpy as np
import onnx
from report import Report, run

from trt_segmentation import street
from trt_segmentation.builder.accuracy import Accuracy, compare, Shot, write_differences
from trt_segmentation.builder.calibration import calibrate, Calibration
from trt_segmentation.builder.feeds import choose_frames
from trt_segmentation.builder.precision import PRECISIONS
from trt_segmentation.builder.prepare import give_precision, Graph, read_graph, Recipe
from trt_segmentation.calibration_frames import Street
from trt_segmentation.evaluation import FIRST_SEED
from trt_segmentation.model_card import load_card, ModelCard

BARS = {'fp16': 0.001, 'mixed': 0.01}
"""Mean IoU each may lose to FP32."""

DOCS = Path(__file__).parent.parent / 'docs'


def measure(report: Report, quick: bool) -> None:
    """Give the street model every precision and compare them on every condition."""
    card = load_card('street')
    graph = read_graph(card, Recipe('fp32'))
    calibration = calibrated(card, graph, frames=8 if quick else 64)
    models = {name: give_precision(graph, Recipe(name), calibration).model
              for name in PRECISIONS}
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(model, paths[name])
        accuracy = compare(card, paths, scenes(1 if quick else 12))
    for name in PRECISIONS:
        add_rows(report, accuracy, name)
        report.add(f'{name}: ONNX file', models[name].ByteSize() / 1e6, 'MB')
    if not quick:
        DOCS.mkdir(exist_ok=True)
        write_differences(accuracy, card, DOCS / 'precision_differences.png', height=160)


def calibrated(card: ModelCard, graph: Graph, frames: int, method: str = 'entropy',
               conditions: tuple[str, ...] = street.CONDITIONS) -> Calibration:
    """Ranges from scenes of some conditions, none of them a scene to be tested on."""
    feeds = choose_frames(card, list(Street(frames, conditions)), frames)
    return calibrate(graph.model, feeds, method)


def scenes(count: int) -> Iterator[Shot]:
    """Give so many scenes of every condition, the same seeds under each."""
    for condition in street.CONDITIONS:
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            scene = street.scene(seed, condition)
            yield Shot(f'{condition} {seed}', condition, scene.image, scene.truth)


def add_rows(report: Report, accuracy: Accuracy, name: str) -> None:
    """Rows of one precision: all conditions, each condition, and every class."""
    loss = accuracy.loss(name)
    bar = BARS.get(name)
    report.add(f'{name}: mean IoU', accuracy.scores(name).mean_iou, '')
    if name != 'fp32':
        report.add(f'{name}: mean IoU lost to fp32', loss, '',
                   '' if bar is None else f'<= {bar}', None if bar is None else loss <= bar)
        report.add(f'{name}: pixels as fp32', accuracy.agreement(name), '')
    report.add(f'{name}: boundary IoU', accuracy.boundary_iou(name), '')
    for condition in accuracy.conditions:
        report.add(f'{name}: mean IoU, {condition}',
                   accuracy.scores(name, condition).mean_iou, '')
    for label, iou in zip(accuracy.classes, accuracy.scores(name).iou):
        if not np.isnan(iou):
            report.add(f'{name}: IoU, {label}', iou, '')


if __name__ == '__main__':
    run('Precision of the street model', measure)
