# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What FP16, INT8 and mixed precision cost the demo model, on scenes it was not trained on.

    python benchmarks/precision.py [--quick] [--json FILE] [--scenes 12] [--gpu N]

Answers are ONNX Runtime's on the CPU. It computes INT8 as TensorRT does up to the order of sums,
but most FP16 operators in FP32 between roundings: the FP16 rows show the rounding of weights and
of most activations, not that of sums, which TensorRT keeps in FP32 too for convolutions.

With --gpu the answers are those of the GPU pipeline with ONNX Runtime's CUDA kernels, which
compute FP16 operators in FP16. They have no INT8 convolutions: values are rounded to INT8 and the
sums then made in FP16, so that the int8 rows differ from TensorRT's in how sums are rounded.
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
from trt_segmentation.accuracy.compare import Accuracy, compare, Shot, write_differences
from trt_segmentation.accuracy.samples import FIRST_SEED
from trt_segmentation.builder.prepare import (
    card_calibration,
    give_precision,
    read_graph,
    Recipe,
)
from trt_segmentation.engines import PRECISIONS
from trt_segmentation.engines.gpu_identity import gpu_identity
from trt_segmentation.model.card import load_card, ModelCard
from trt_segmentation.pipeline import open_pipeline, Pipeline
from trt_segmentation.untrusted.output_files import check_file

BARS = {'fp16': 0.001, 'mixed': 0.01}
"""Mean IoU each may lose to FP32."""

FIGURE = Path(__file__).parent.parent / 'docs' / 'precision_differences.png'


OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--gpu', type=int, metavar='N', help='on this GPU, as CUDA counts')
OPTIONS.add_argument('--scenes', type=int, default=12, help='of each condition')


def measure(report: FigureReport, quick: bool) -> None:
    """Give the street model every precision and compare them on every condition."""
    args, _ = OPTIONS.parse_known_args()
    if not quick and args.gpu is None:
        check_file(FIGURE, 'the figure')
    card = load_card('street')
    graph, calibration = read_graph(card, Recipe('fp32')), card_calibration(card)
    models = {name: give_precision(graph, Recipe(name), calibration).model
              for name in PRECISIONS}
    engine = 'onnxruntime-cpu' if args.gpu is None else 'onnxruntime-cuda'

    def opened(card: ModelCard) -> Pipeline:
        return open_pipeline(card, engine, gpu=args.gpu or 0)

    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f'{name}.onnx' for name in models}
        for name, model in models.items():
            onnx.save(model, paths[name])
        accuracy = compare(card, paths, scenes(1 if quick else args.scenes), opened)
    where = '' if args.gpu is None else f' on {gpu_identity(args.gpu).name}'
    for name in PRECISIONS:
        add_rows(report, accuracy, name, where)
        report.add(f'{name}: ONNX file', models[name].ByteSize() / 1e6, 'MB')
    if not quick and args.gpu is None:
        write_differences(accuracy, card, FIGURE, height=160)


def scenes(count: int) -> Iterator[Shot]:
    """Give so many scenes of every condition, the same seeds under each."""
    for condition in street.CONDITIONS:
        for seed in range(FIRST_SEED, FIRST_SEED + count):
            scene = street.scene(seed, condition)
            yield Shot(f'{condition} {seed}', condition, scene.image, scene.truth)


def add_rows(report: FigureReport, accuracy: Accuracy, name: str, where: str) -> None:
    """Rows of one precision: all conditions, each condition, and every class."""
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
