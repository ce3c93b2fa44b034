# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""1080p image to label map and overlay on one GPU, compared with other implementations."""

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
    core_share,
    frame_of,
    frames_in,
    latency,
    need_gpu,
    pictures,
    rate,
)
import numpy as np
from report import FigureReport, run

from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.settings import GpuSettings

HERE = Path(__file__).resolve().parent / 'gpu_bench'
MAIN = 'lraspp-fp16'
"""The network whose results have a limit."""


def measure(report: FigureReport, quick: bool) -> None:
    """Measure all networks and kernels. The rows of a network begin with its name."""
    need_gpu()
    names = [MAIN] if quick else [MAIN, 'lraspp-fp32', 'deeplabv3-fp16', 'deeplabv3-fp32']
    with TemporaryDirectory() as folder:
        script('networks.py', folder, *names)
        found = {(name, way): measure_way(folder, name, way, rounds)
                 for name in names for way, rounds in rounds_of(name, quick).items()}
        if not quick:
            card = networks.card(Path(folder), MAIN)
            measure_choices(report, card, MAIN, 1.0)
    for name in names:
        report_network(report, name, {way: of for (n, way), of in found.items() if n == name})
    if not quick:
        share = (found[MAIN, 'ours']['device_bytes']
                 / found['lraspp-fp32', 'pytorch']['device_bytes'])
        report.add(f"{MAIN}: device memory by PyTorch FP32's", share, '×', '≤ 0.6', share <= 0.6)
    measure_kernels(report, quick)


def rounds_of(name: str, quick: bool) -> dict[str, int]:
    """Return how many processes measure each way for a network."""
    if quick:
        return {'alone': 1, 'ours': 1, 'article': 1}
    if name == MAIN:
        return {'alone': 3, 'filled': 1, 'ours': 3, 'two': 1, 'article': 1, 'pytorch': 3}
    # The network needs only a small part of the time of `article`, so one large network is
    # enough.
    return {'alone': 1, 'ours': 1, 'pytorch': 1,
            **({} if name == 'deeplabv3-fp32' else {'article': 1})}


def measure_way(folder: str, name: str, way: str, rounds: int) -> dict[str, Any]:
    """Measure a way in several processes and return the result with the median p50."""
    found: list[dict[str, Any]] = [
        json.loads(script('rivals.py', way, folder, name, '1.0').splitlines()[-1])
        for _ in range(rounds)]
    return sorted(found, key=lambda one: float(one['p50']))[rounds // 2]


def report_network(report: FigureReport, name: str, found: dict[str, dict[str, Any]]) -> None:
    """Add the rows of one network with their limits."""
    main, alone, own = name == MAIN, found['alone'], found['ours']
    p50, fps = own['p50'], own['rate']
    report.add(f'{name}: model alone p50', alone['p50'], 'ms')
    report.add(f'{name}: model alone p99', alone['p99'], 'ms')
    report.add(f'{name}: model alone', alone['rate'], 'runs/s')
    if filled := found.get('filled'):
        report.add(f'{name}: model alone after 60 fills on another stream', filled['rate'],
                   'runs/s')
    bar = alone['p50'] + 0.45
    report.add(f'{name}: pinned to pinned p50', p50, 'ms', *bound(main, '≤', bar, p50 <= bar))
    report.add(f'{name}: pinned to pinned p99', own['p99'], 'ms',
               *bound(main, '≤', 1.3 * p50, own['p99'] <= 1.3 * p50))
    for stage, ms in own['stages'].items():
        report.add(f'{name}: stage {stage} p50', ms, 'ms')
    report.add(f'{name}: the network is one CUDA graph', own['graphed'], '')
    bar = 0.95 * alone['rate']
    report.add(f'{name}: pipelined', fps, 'frames/s', *bound(main, '≥', bar, fps >= bar))
    report.add(f'{name}: ordinary memory to pinned p50', own['from ordinary memory'], 'ms')
    report.add(f'{name}: of it the copy into pinned memory', own['copy'], 'ms')
    report.add(f'{name}: allocated here on the GPU', own['allocated'] / 2**20, 'MiB')
    report.add(f'{name}: device memory', own['device_bytes'] / 2**20, 'MiB')
    if two := found.get('two'):
        report.add(f'{name}: two networks at once, p50 of one frame', two['p50'], 'ms')
        report.add(f'{name}: two networks at once, pipelined', two['rate'], 'frames/s')
        report.add(f'{name}: two networks at once, device memory', two['device_bytes'] / 2**20,
                   'MiB')
    for way, least in (('article', 40), ('pytorch', 3)):
        if other := found.get(way):
            factor = other['p50'] / p50
            report.add(f'{name}: {way} p50', other['p50'], 'ms')
            for stage, ms in other['stages'].items():
                report.add(f'{name}: {way} {stage}', ms, 'ms')
            report.add(f'{name}: {way} p50 by ours', factor, '×',
                       *bound(main, '≥', least, factor >= least))
            report.add(f'{name}: {way} device memory', other['device_bytes'] / 2**20, 'MiB')


def measure_choices(report: FigureReport, card: Any, name: str, seconds: float) -> None:
    """Measure variants of the pipeline."""
    variants = {
        'timed wait': GpuSettings(), 'blocking': GpuSettings(wait='block'),
        'spinning': GpuSettings(wait='spin'), 'mapped memory': GpuSettings(memory='mapped'),
        'write-combined input': GpuSettings(write_combined=True),
        'no graph': GpuSettings(graph=False), 'two networks': GpuSettings(networks=2),
        'three networks': GpuSettings(networks=3)}
    # The first network of a process is up to 7 % faster than later networks, in LaunchGraph.
    GpuPipeline(card, OnnxRuntimeCuda).close()
    for variant, settings in variants.items():
        pipeline = GpuPipeline(card, OnnxRuntimeCuda, settings=settings)
        frames = frames_in(pipeline, pictures(6))
        took, parts = latency(pipeline, frames, seconds)
        report.add(f'{name}: {variant}, p50', median(took), 'ms')
        report.add(f'{name}: {variant}, p99', np.percentile(took, 99), 'ms')
        for stage in ('upload', 'preprocess', 'inference', 'postprocess', 'download'):
            report.add(f'{name}: {variant}, {stage}', parts[stage], 'ms')
        report.add(f'{name}: {variant}', rate(pipeline, [[frame] for frame in frames], seconds, pipeline.depth),
                   'frames/s')
        if settings == GpuSettings(wait=settings.wait):
            share, late = core_share(pipeline, frames, seconds)
            report.add(f'{name}: {variant}, of a core at 30 Hz', share * 100, '%')
            report.add(f'{name}: {variant}, p50 at 30 Hz', late, 'ms')
        if settings.write_combined:
            _, parts = latency(pipeline, [frame_of(p) for p in pictures(6)], seconds)
            report.add(f'{name}: {variant}, copy into it', parts['stage'], 'ms')
        pipeline.close()


def script(name: str, *arguments: str) -> str:
    """Run a script of gpu_bench/ and return its output."""
    done = subprocess.run([sys.executable, str(HERE / name), *arguments], text=True,
                          stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise SystemExit(f'{name} {" ".join(arguments)} failed with status {done.returncode}')
    return done.stdout


def bound(main: bool, sign: str, bar: float, holds: bool) -> tuple[str, bool | None]:
    """Return the limit of a row, and whether the row meets it; ('', None) without a limit."""
    return (f'{sign} {bar:.4g}', holds) if main else ('', None)


def median(values: Any) -> float:
    """Return the median as a float."""
    return float(np.median(values))


if __name__ == '__main__':
    run('The GPU pipeline, 1920×1080 bgr8 to label map and overlay', measure)
