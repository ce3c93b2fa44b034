# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures one pipeline with several numbers of cameras, and prints JSON.

Start it as ``camera_curve.py FOLDER NAME NETWORKS SECONDS COUNT...`` in its own process, because
earlier work of a process changes later measurements.
"""

from __future__ import annotations

from itertools import cycle, islice
import json
import os
from pathlib import Path
import sys
from typing import Any

from cuda.bindings import driver
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gpu_bench import networks
from gpu_bench.measure import frames_in, OVERLAY, pictures
from trt_segmentation.commands.bench.cameras import serve_cameras
from trt_segmentation.commands.bench.measure import measure_throughput
from trt_segmentation.engines.cuda_driver import call
from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.gpu.allocator import GpuAllocator
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.settings import GpuSettings

HZ = 30.0


def curve(folder: Path, name: str, at_once: int, seconds: float,
          counts: list[int]) -> dict[str, Any]:
    """Measure throughput and GPU memory, and latency and drops for each number of cameras."""
    memory = GpuAllocator()
    before, _ = call(driver.cuMemGetInfo)
    pipeline = GpuPipeline(networks.card(folder, name), OnnxRuntimeCuda,
                           settings=GpuSettings(networks=at_once))
    frames = frames_in(pipeline, pictures(8))
    found: dict[str, Any] = {
        'rate': measure_throughput(pipeline, frames, OVERLAY, 1.0, lambda done: None),
        'cameras': []}
    for count in counts:
        served = serve_cameras(pipeline, list(islice(cycle(frames), count)), OVERLAY, seconds, HZ)
        p50, p99 = np.percentile(served.latency_ms, (50, 99)).tolist()
        found['cameras'].append({'count': count, 'p50': p50, 'p99': p99,
                                 'dropped': served.dropped, 'answered': served.segmented})
    after, _ = call(driver.cuMemGetInfo)
    memory.make_current()
    return {**found, 'device_bytes': before - after}


if __name__ == '__main__':
    folder, name, at_once, seconds, *counts = sys.argv[1:]
    sys.stdout.write(json.dumps(curve(
        Path(folder), name, int(at_once), float(seconds), list(map(int, counts)))) + '\n')
    sys.stdout.flush()
    # Exit without the cleanup of the libraries, because it is not part of the measurement.
    os._exit(0)
