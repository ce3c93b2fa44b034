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

"""ONNX Runtime's CUDA options on the networks measured: which run fastest, alone."""

from __future__ import annotations

from itertools import product
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from gpu_bench import networks
from gpu_bench.measure import Alone
from gpu_pipeline import script
import numpy as np
from report import Report, run

from trt_segmentation.engines import EngineError
from trt_segmentation.gpu.memory import open_device

BASE = {'arena_extend_strategy': 'kSameAsRequested'}


def measure(report: Report, quick: bool) -> None:
    """Every choice of algorithm search, layout and TF32; each with and without a graph."""
    try:
        open_device(0)
    except EngineError as error:
        sys.stderr.write(f'{error}\n')
        sys.exit(2)
    names = ['lraspp-fp16'] if quick else list(networks.NAMES)
    with TemporaryDirectory() as folder:
        script('networks.py', folder, *names)
        for name in names:
            for search, nhwc, tf32 in product(('HEURISTIC', 'EXHAUSTIVE'), '01', '01'):
                if tf32 == '1' and name.endswith('fp16'):
                    continue
                options = {**BASE, 'cudnn_conv_algo_search': search, 'prefer_nhwc': nhwc,
                           'use_tf32': tf32}
                row = f'{name}: {search.lower()}' + ', NHWC' * (nhwc == '1') + \
                    ', TF32' * (tf32 == '1')
                one(report, Path(folder), name, row, options, 0.5 if quick else 1.0)


def one(report: Report, folder: Path, name: str, row: str, options: dict[str, str],
        seconds: float) -> None:
    """Latency of one choice: graph of ours, graph of ONNX Runtime's, plain calls."""
    card = networks.card(folder, name)
    for kind, arguments in {'captured': {}, 'own graph': {'own_graph': True},
                            'no graph': {'graph': False}}.items():
        try:
            alone = Alone(card, options=options, **arguments)
        except EngineError as error:
            sys.stderr.write(f'{row}, {kind}: {error}\n')
            continue
        report.add(f'{row}, {kind}', float(np.median(alone.latency(seconds))), 'ms')
        alone.close()


if __name__ == '__main__':
    run("ONNX Runtime's CUDA options, one image, p50 of the model alone", measure)
