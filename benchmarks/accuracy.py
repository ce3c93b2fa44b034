# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the demo model on street scenes that training did not use.

With ``--model``, the benchmark measures another network with the same classes.
"""

from __future__ import annotations

import argparse

from report import FigureReport, run

from trt_segmentation.accuracy.samples import draw_street_samples, evaluate
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import open_pipeline
from trt_segmentation.street import CONDITIONS

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--model', metavar='CARD', default='street',
                     help='model card of a network with the classes of the demo model')


def measure(report: FigureReport, quick: bool) -> None:
    """Measure the IoU of each condition on 300 scenes of 1280x720 (20 if quick)."""
    scenes = 20 if quick else 300
    card = load_card(OPTIONS.parse_known_args()[0].model)
    pipeline = open_pipeline(card, 'onnxruntime-cpu')
    for condition in CONDITIONS:
        scores = evaluate(pipeline, draw_street_samples(card, scenes, condition))
        bar = 0.80 if condition == 'day' else 0.70
        report.add(f'{condition}: mean IoU, {scenes} scenes', scores.mean_iou, '',
                   f'≥ {bar:.2f}', scores.mean_iou >= bar)
        report.add(f'{condition}: pixel accuracy', scores.pixel_accuracy, '')
        for name, iou in zip(card.classes, scores.iou):
            report.add(f'{condition}: {name} IoU', iou, '')
    pipeline.close()


if __name__ == '__main__':
    run('accuracy of the street model', measure, [OPTIONS])
