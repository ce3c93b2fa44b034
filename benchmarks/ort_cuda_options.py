# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures networks alone with different CUDA options of ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from typing import Any

from gpu_bench import networks
from gpu_bench.measure import Alone, need_gpu
from gpu_pipeline import script
import numpy as np
from report import FigureReport, run

from trt_segmentation.errors import EngineError

BASE = {'arena_extend_strategy': 'kSameAsRequested', 'cudnn_conv_algo_search': 'HEURISTIC',
        'prefer_nhwc': '0', 'use_tf32': '0'}
CHOICES = {
    'heuristic': {}, 'exhaustive': {'cudnn_conv_algo_search': 'EXHAUSTIVE'},
    'NHWC': {'prefer_nhwc': '1'}, 'TF32': {'use_tf32': '1'}}
"""The options that differ from :data:`BASE`."""
KINDS: dict[str, dict[str, Any]] = {
    'captured': {}, 'own graph': {'own_graph': True}, 'no graph': {'graph': False}}


def measure(report: FigureReport, quick: bool) -> None:
    """Change one option at a time. CUDA graphs are measured only on the first network."""
    need_gpu()
    names = ['lraspp-fp16'] if quick else ['lraspp-fp16', 'lraspp-fp32', 'deeplabv3-fp16']
    with TemporaryDirectory() as folder:
        script('networks.py', folder, *names)
        # The first network of a process is up to 7 % faster than later ones. It is not measured.
        Alone(networks.card(Path(folder), names[0])).close()
        for name in names:
            for choice, changed in CHOICES.items():
                if choice == 'TF32' and name.endswith('fp16'):
                    continue
                kinds = KINDS if choice == 'heuristic' and name == names[0] else ['captured']
                for kind in kinds:
                    measure_choice(report, Path(folder), name, f'{name}: {choice}, {kind}',
                                   {**BASE, **changed}, KINDS[kind])


def measure_choice(report: FigureReport, folder: Path, name: str, row: str,
                   options: dict[str, str], arguments: dict[str, Any]) -> None:
    try:
        alone = Alone(networks.card(folder, name), options=options, **arguments)
    except EngineError as error:
        sys.stderr.write(f'{row}: {error}\n')
        return
    report.add(row, float(np.median(alone.latency(0.4))), 'ms')
    report.add(f'{row}, back to back', alone.rate(0.4), 'runs/s')
    alone.close()


if __name__ == '__main__':
    run("ONNX Runtime's CUDA options, one image, the model alone", measure)
