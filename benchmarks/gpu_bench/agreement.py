# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how many labels of the demo model the options of ONNX Runtime change.

The other rows use networks with random weights. The scores of such a network are almost equal, so
a tiny difference already changes its labels.
"""

from __future__ import annotations

from functools import partial
import sys

import numpy as np
from report import FigureReport

from trt_segmentation.accuracy.samples import label_image
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.model.card import load_card
from trt_segmentation.street import scene
from trt_segmentation.tuning.candidates import PLAIN
from trt_segmentation.tuning.measure import measure_candidates
from trt_segmentation.tuning.open_candidate import open_candidate

SCENES = [(2_000_000 + number, condition) for number in range(2)
          for condition in ('day', 'night', 'rain', 'snow')]
LEAST = 0.999


def measure_agreement(report: FigureReport) -> None:
    card = load_card('street')
    images = [scene(*which).image for which in SCENES]
    plain: list[np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = []
    for result in measure_candidates(card, 0):
        if result.refused:
            sys.stderr.write(f'street: {result.name}: not used: {result.refused}\n')
            continue
        pipeline = GpuPipeline(card, partial(open_candidate, name=result.name))
        labels = [label_image(pipeline, image) for image in images]
        pipeline.close()
        plain = plain or labels
        same = min(float(np.mean(a == b)) for a, b in zip(plain, labels))
        report.add(f'street: pixels labelled as with {PLAIN}, {result.name}', 100 * same, '%',
                   f'≥ {100 * LEAST:g}', same >= LEAST)
