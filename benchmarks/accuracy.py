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
"""Accuracy of the demo model on street scenes of seeds that no training has seen."""

from __future__ import annotations

from report import Report, run

from trt_segmentation.evaluation import evaluate, street_samples
from trt_segmentation.model_card import load_card
from trt_segmentation.pipeline import open_pipeline
from trt_segmentation.street import CONDITIONS


def measure(report: Report, quick: bool) -> None:
    """Mean IoU and lane-marking IoU by condition; 300 scenes each, 1280x720."""
    scenes = 20 if quick else 300
    card = load_card('street')
    pipeline = open_pipeline(card, 'onnxruntime-cpu')
    for condition in CONDITIONS:
        scores = evaluate(pipeline, street_samples(card, scenes, condition))
        bar = 0.80 if condition == 'day' else 0.70
        report.add(f'{condition}: mean IoU, {scenes} scenes', scores.mean_iou, '',
                   f'≥ {bar:.2f}', scores.mean_iou >= bar)
        report.add(f'{condition}: pixel accuracy', scores.pixel_accuracy, '')
        for name, iou in zip(card.classes, scores.iou):
            report.add(f'{condition}: {name} IoU', iou, '')
    pipeline.close()


if __name__ == '__main__':
    run('accuracy of the street model', measure)
