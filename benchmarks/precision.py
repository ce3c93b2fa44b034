# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the accuracy of the demo model in FP16, INT8 and mixed precision.

    python benchmarks/precision.py [--quick] [--json FILE] [--scenes 12] [--gpu N]

The scenes were not used in training. ONNX Runtime computes the segmentations on the CPU. Its INT8
results and those of TensorRT differ only by the order of sums. The FP16 operators are computed in
FP32, and their results are rounded to FP16 (``fp16/rounding.py``). So the FP16 rows show the
rounding of weights and activations, but not the rounding of sums. TensorRT also keeps the sums of
convolutions in FP32.

With --gpu the CUDA kernels of ONNX Runtime compute the segmentations. They compute FP16 operators
in FP16. There are no CUDA kernels for INT8 convolutions: values are rounded to INT8 and added in
FP16. So the int8 rows differ from TensorRT's results by the rounding of sums.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
import tempfile

import numpy as np
import onnx
from report import FigureReport, run

from trt_segmentation import street
from trt_segmentation.accuracy.compare import Accuracy, compare_precisions
from trt_segmentation.accuracy.differences import write_differences
from trt_segmentation.accuracy.samples import FIRST_SEED, Sample
from trt_segmentation.builder.prepare import apply_precision, load_card_calibration, read_graph
from trt_segmentation.builder.settings import Recipe
from trt_segmentation.engines import PRECISIONS
from trt_segmentation.engines.gpu_identity import gpu_identity
from trt_segmentation.fp16.rounding import round_like_fp16
from trt_segmentation.model.card import load_card, ModelCard
from trt_segmentation.pipeline import open_pipeline, Pipeline
from trt_segmentation.untrusted.output_files import check_file

BARS = {'fp16': 0.001, 'mixed': 0.01}
"""Largest accepted loss of mean IoU against FP32, for each precision."""
FIGURE = Path(__file__).parent.parent / 'docs' / 'precision_differences.png'

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--gpu', type=int, metavar='N', help='CUDA index of the GPU to use')
OPTIONS.add_argument('--scenes', type=int, default=12, help='number of scenes of each condition')


def measure(report: FigureReport, quick: bool) -> None:
    args, _ = OPTIONS.parse_known_args()
    if not quick and args.gpu is None:
        check_file(FIGURE, 'the figure')
    card = load_card('street')
    graph, calibration = read_graph(card, Recipe('fp32')), load_card_calibration(card)
    models = {name: apply_precision(graph, Recipe(name), calibration).model for name in PRECISIONS}
    engine = 'onnxruntime-cpu' if args.gpu is None else 'onnxruntime-cuda'

    def opened(card: ModelCard) -> Pipeline:
        return open_pipeline(card, engine, gpu=args.gpu or 0)

    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(round_like_fp16(model) if args.gpu is None else model, paths[name])
        accuracy = compare_precisions(card, paths, scenes(1 if quick else args.scenes), opened)
    where = '' if args.gpu is None else f' on {gpu_identity(args.gpu).name}'
    for name in PRECISIONS:
        add_rows(report, accuracy, name, where)
        report.add(f'{name}: ONNX file', models[name].ByteSize() / 1e6, 'MB')
    if not quick and args.gpu is None:
        write_differences(accuracy, card, FIGURE, height=160)


def scenes(count: int) -> Iterator[Sample]:
    """Yield ``count`` scenes of every condition. All conditions have the same seeds."""
    for condition in street.CONDITIONS:
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            scene = street.scene(seed, condition)
            yield Sample(f'{condition} {seed}', scene.image, scene.truth, condition)


def add_rows(report: FigureReport, accuracy: Accuracy, name: str, where: str) -> None:
    loss, title, bar = accuracy.loss(name), f'{name}{where}', BARS.get(name)
    report.add(f'{title}: mean IoU', accuracy.scores(name).mean_iou, '')
    if name != 'fp32':
        report.add(f'{title}: mean IoU lost to fp32', loss, '',
                   '' if bar is None else f'<= {bar}', None if bar is None else loss <= bar)
        report.add(f'{title}: pixels as fp32', accuracy.agreement(name), '')
    report.add(f'{title}: boundary IoU', accuracy.boundary_iou(name), '')
    for condition in accuracy.conditions:
        report.add(f'{title}: mean IoU, {condition}',
                   accuracy.scores(name, condition).mean_iou, '')
    for label, iou in zip(accuracy.classes, accuracy.scores(name).iou):
        if not np.isnan(iou):
            report.add(f'{title}: IoU, {label}', iou, '')


if __name__ == '__main__':
    run('Precision of the street model', measure, [OPTIONS])
