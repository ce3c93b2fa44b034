# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures variants of the GPU pipeline: waiting, memory, and the number of networks.

The network has the plain options of ONNX Runtime, because networks with tuned options need seconds
to open.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from report import FigureReport

from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.settings import GpuSettings
from trt_segmentation.sources.image import as_frame

from .measure import core_share, frames_in, latency, pictures, rate

VARIANTS = {
    'timed wait': GpuSettings(), 'blocking': GpuSettings(wait='block'),
    'spinning': GpuSettings(wait='spin'), 'mapped memory': GpuSettings(memory='mapped'),
    'direct labels': GpuSettings(direct_labels=True),
    'write-combined input': GpuSettings(write_combined=True),
    'no graph': GpuSettings(graph=False), 'two networks': GpuSettings(networks=2),
    'three networks': GpuSettings(networks=3)}
STAGES = ('upload', 'preprocess', 'inference', 'postprocess', 'download', 'overlay')


def measure_variants(report: FigureReport, card: Any, name: str, seconds: float) -> None:
    # The first network of a process is up to 7 % faster than later ones, see LaunchGraph.
    GpuPipeline(card, OnnxRuntimeCuda).close()
    for variant, settings in VARIANTS.items():
        pipeline = GpuPipeline(card, OnnxRuntimeCuda, settings=settings)
        frames = frames_in(pipeline, pictures(6))
        took, parts = latency(pipeline, frames, seconds)
        report.add(f'{name}: {variant}, p50', float(np.median(took)), 'ms')
        report.add(f'{name}: {variant}, p99', float(np.percentile(took, 99)), 'ms')
        for stage in STAGES:
            report.add(f'{name}: {variant}, {stage}', parts[stage], 'ms')
        report.add(f'{name}: {variant}', rate(
            pipeline, [[frame] for frame in frames], seconds, pipeline.depth), 'frames/s')
        if settings == GpuSettings(wait=settings.wait):
            share, late = core_share(pipeline, frames, seconds)
            report.add(f'{name}: {variant}, of a core at 30 Hz', share * 100, '%')
            report.add(f'{name}: {variant}, p50 at 30 Hz', late, 'ms')
        if settings.write_combined:
            _, parts = latency(pipeline, [as_frame(p) for p in pictures(6)], seconds)
            report.add(f'{name}: {variant}, copy into it', parts['stage'], 'ms')
        pipeline.close()
