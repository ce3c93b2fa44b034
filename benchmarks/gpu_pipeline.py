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

"""Camera bytes to label map and overlay on one GPU, 1080p, against the ways others do it."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import Any

from gpu_bench import networks
from gpu_bench.kernels import measure_kernels
from gpu_bench.measure import (
    Alone,
    core_share,
    frame_of,
    frames_in,
    latency,
    need_gpu,
    pictures,
    rate,
)
import numpy as np
from report import Report, run

from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.gpu.pipeline import GpuPipeline

HERE = Path(__file__).resolve().parent / 'gpu_bench'


def measure(report: Report, quick: bool) -> None:
    """Fill the report; a network's rows begin with its name."""
    need_gpu()
    names = ['lraspp-fp16'] if quick else ['lraspp-fp16', 'lraspp-fp32', 'deeplabv3-fp16',
                                           'deeplabv3-fp32']
    seconds = 1.0 if quick else 2.0
    with TemporaryDirectory() as folder:
        script('networks.py', folder, *names)
        for name in names:
            main = name == 'lraspp-fp16'
            measure_network(report, Path(folder), name, seconds if main else 1.0, main)
        if not quick:
            card = networks.card(Path(folder), 'lraspp-fp16')
            measure_choices(report, card, 'lraspp-fp16', seconds / 2)
            measure_throughput(report, card, 'lraspp-fp16', seconds)
        compare(report, Path(folder), names, quick)
    measure_kernels(report, quick)


def measure_network(report: Report, folder: Path, name: str, seconds: float, main: bool) -> None:
    """The network alone and the pipeline around it, in this process."""
    card = networks.card(folder, name)
    alone = Alone(card)
    model, model_rate = alone.latency(seconds), alone.rate(seconds)
    alone.close()
    report.add(f'{name}: model alone p50', median(model), 'ms')
    report.add(f'{name}: model alone p99', np.percentile(model, 99), 'ms')
    report.add(f'{name}: model alone', model_rate, 'runs/s')
    pipeline = GpuPipeline(card, OnnxRuntimeCuda, slots=4)
    frames = frames_in(pipeline, pictures(6))
    took, stages = latency(pipeline, frames, seconds)
    p50, p99 = median(took), float(np.percentile(took, 99))
    bar = median(model) + 0.45
    report.add(f'{name}: pinned to pinned p50', p50, 'ms', *bound(main, '≤', bar, p50 <= bar))
    report.add(f'{name}: pinned to pinned p99', p99, 'ms',
               *bound(main, '≤', 1.3 * p50, p99 <= 1.3 * p50))
    for stage, ms in stages.items():
        report.add(f'{name}: stage {stage} p50', ms, 'ms')
    report.add(f'{name}: the network is one CUDA graph', pipeline.graphed, '')
    fps = rate(pipeline, frames, seconds)
    report.add(f'{name}: pipelined', fps, 'frames/s',
               *bound(main, '≥', 0.95 * model_rate, fps >= 0.95 * model_rate))
    staged, parts = latency(pipeline, [frame_of(p) for p in pictures(6)], seconds)
    report.add(f'{name}: ordinary memory to pinned p50', median(staged), 'ms')
    report.add(f'{name}: of it the copy into pinned memory', parts['stage'], 'ms')
    report.add(f'{name}: allocated here on the GPU', pipeline.memory.device_bytes / 2**20, 'MiB')
    pipeline.close()


def measure_choices(report: Report, card: Any, name: str, seconds: float) -> None:
    """What each choice of the pipeline is worth."""
    variants: dict[str, dict[str, Any]] = {
        'timed wait': {}, 'blocking': {'wait': 'block'}, 'spinning': {'wait': 'spin'},
        'mapped memory': {'memory': 'mapped'}, 'write-combined input': {'write_combined': True},
        'no graph': {'graph': False}}
    for variant, options in variants.items():
        pipeline = GpuPipeline(card, OnnxRuntimeCuda, slots=4, **options)
        frames = frames_in(pipeline, pictures(6))
        took, parts = latency(pipeline, frames, seconds)
        report.add(f'{name}: {variant}, p50', median(took), 'ms')
        report.add(f'{name}: {variant}, p99', np.percentile(took, 99), 'ms')
        for stage in ('upload', 'preprocess', 'inference', 'postprocess', 'download'):
            report.add(f'{name}: {variant}, {stage}', parts[stage], 'ms')
        report.add(f'{name}: {variant}', rate(pipeline, frames, seconds), 'frames/s')
        if options.keys() <= {'wait'}:
            share, late = core_share(pipeline, frames, seconds)
            report.add(f'{name}: {variant}, of a core at 30 Hz', share * 100, '%')
            report.add(f'{name}: {variant}, p50 at 30 Hz', late, 'ms')
        if 'write_combined' in options:
            _, parts = latency(pipeline, [frame_of(p) for p in pictures(6)], seconds)
            report.add(f'{name}: {variant}, copy into it', parts['stage'], 'ms')
        pipeline.close()


def measure_throughput(report: Report, card: Any, name: str, seconds: float) -> None:
    """Where the time between one frame's network and the next one's goes."""
    pipeline = GpuPipeline(card, OnnxRuntimeCuda, slots=5)
    frames = frames_in(pipeline, pictures(6))
    report.add(f'{name}: pipelined, one more in flight',
               rate(pipeline, frames, seconds, ahead=3), 'frames/s')
    # next to nothing to copy and to postprocess: what is left beside the network is enqueueing
    small = frames_in(pipeline, [p[:64, :64] for p in pictures(6)])
    report.add(f'{name}: pipelined, images of 64×64', rate(pipeline, small, seconds), 'frames/s')
    pipeline.close()


def compare(report: Report, folder: Path, names: list[str], quick: bool) -> None:
    """Other ways, each in a process of its own, and whether the bars hold."""
    found: dict[tuple[str, str], Any] = {}
    # most of the article's time is outside the network: one large one shows that
    ways = [(way, name) for name in names for way in ('article', 'pytorch')
            if (way, name) != ('article', 'deeplabv3-fp32')]
    for way, name in ways[:1] if quick else [('ours', 'lraspp-fp16'), *ways]:
        found[way, name] = json.loads(
            script('rivals.py', way, str(folder), name, '1.0').splitlines()[-1])
    own = {row.name.split(':')[0]: row.value for row in report.rows
           if row.name.endswith('pinned to pinned p50')}
    for (way, name), result in found.items():
        main = name == 'lraspp-fp16'
        if way != 'ours':
            factor, bar = result['p50'] / own[name], 40 if way == 'article' else 3
            report.add(f'{name}: {way} p50', result['p50'], 'ms')
            for stage, ms in result['stages'].items():
                report.add(f'{name}: {way} {stage}', ms, 'ms')
            report.add(f'{name}: {way} p50 by ours', factor, '×',
                       *bound(main, '≥', bar, factor >= bar))
        report.add(f'{name}: {way} device memory', result['device_bytes'] / 2**20, 'MiB')
    if not quick:
        share = (found['ours', 'lraspp-fp16']['device_bytes']
                 / found['pytorch', 'lraspp-fp32']['device_bytes'])
        report.add("lraspp-fp16: device memory by PyTorch FP32's", share, '×', '≤ 0.6',
                   share <= 0.6)


def script(name: str, *arguments: str) -> str:
    """Output of one of the scripts beside this; its errors are this one's."""
    done = subprocess.run([sys.executable, str(HERE / name), *arguments], text=True,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f'{name} {" ".join(arguments)} failed with status {done.returncode}')
    return done.stdout


def bound(main: bool, sign: str, bar: float, holds: bool) -> tuple[str, bool | None]:
    """A bar for the rows that have one."""
    return (f'{sign} {bar:.4g}', holds) if main else ('', None)


def median(values: Any) -> float:
    """The median."""
    return float(np.median(values))


if __name__ == '__main__':
    run('The GPU pipeline, 1920×1080 bgr8 to label map and overlay', measure)
