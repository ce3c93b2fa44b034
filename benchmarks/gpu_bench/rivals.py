# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures several ways to segment frames, such as this package and PyTorch.

The command ``rivals.py WAY FOLDER NAME SECONDS`` measures one way and prints JSON. The JSON holds
the milliseconds per frame (p50, p99), and the GPU memory without the memory of the CUDA context.
It also holds the frames per second, if the way can process several frames at the same time.

Each way is measured in its own process, because earlier work of a process changes later
measurements by up to 7 %. :class:`trt_segmentation.gpu.cuda_graph.LaunchGraph` gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import json
import os
from pathlib import Path
import sys
from time import perf_counter
from typing import Any

from cuda.bindings import driver
import numpy as np

# Without this, the folder of this script is in sys.path, and transformers imports kernels.py.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gpu_bench import networks
from gpu_bench.compiled import compiled, SETTINGS
from gpu_bench.cpu_ways import article, careful
from gpu_bench.measure import (
    Alone,
    frames_in,
    HEIGHT,
    latency,
    OVERLAY,
    pictures,
    rate,
    repeat,
    Stages,
    WARM_UP_S,
    Way,
    WIDTH,
)
from trt_segmentation.engines.cuda_driver import call
from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.gpu.allocator import GpuAllocator
from trt_segmentation.gpu.device_engine import DeviceEngine, OpenEngine
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.settings import GpuSettings
from trt_segmentation.model.card import ModelCard
from trt_segmentation.sources.image import as_frame
from trt_segmentation.tuning.open_tuned import TunedOpener


def pytorch(folder: Path, name: str) -> Way:
    """Run all steps on the GPU with separate PyTorch operations."""
    import torch
    from torch.nn.functional import interpolate
    torch.backends.cudnn.benchmark = False
    model, card = networks.build(name), networks.card(folder, name)
    torch.cuda.empty_cache()  # the memory that only the construction needs is not counted
    dtype = torch.float16 if name.endswith('fp16') else torch.float32
    mean, std, palette = networks.on_gpu(card, dtype)
    up = torch.empty((HEIGHT, WIDTH, 3), dtype=torch.uint8, pin_memory=True)
    labels_down = torch.empty((HEIGHT, WIDTH), dtype=torch.uint8, pin_memory=True)
    overlay_down = torch.empty((HEIGHT, WIDTH, 3), dtype=torch.uint8, pin_memory=True)

    def way(i: int) -> Any:
        # As in this package, the image lies in pinned memory at the start.
        with torch.inference_mode():
            frame = up.cuda(non_blocking=True)
            image = frame.permute(2, 0, 1)[None].flip(1).to(dtype) / 255
            small = interpolate(image, (networks.HEIGHT, networks.WIDTH), mode='bilinear')
            logits = model((small - mean) / std)
            large = interpolate(logits, (HEIGHT, WIDTH), mode='bilinear')
            labels = large.argmax(1)[0]
            overlay = (frame * 0.5 + palette[labels] * 0.5).round().to(torch.uint8)
            labels_down.copy_(labels.to(torch.uint8), non_blocking=True)
            overlay_down.copy_(overlay, non_blocking=True)
            torch.cuda.synchronize()
        return labels_down, overlay_down
    up.copy_(torch.from_numpy(pictures(1)[0]))
    return Way(way, {})


def open_tuned(card: ModelCard, gpu: int, stream: int) -> DeviceEngine:
    """Open the network of a card as the package does."""
    return TunedOpener(log=lambda line: print(line, file=sys.stderr))(card, gpu, stream)


def alone(folder: Path, name: str, cut: bool = False) -> Way:
    """Run only the network, with the engine and the CUDA graph of the pipeline."""
    network = Alone(networks.card(folder, name, cut), blocking=False, open_engine=open_tuned)
    return Way(lambda i: network.once(), {}, network.rate)


def filled(folder: Path, name: str) -> Way:
    """Run only the network, after memory was filled on another stream."""
    network = Alone(networks.card(folder, name), open_engine=open_tuned)
    network.rate(WARM_UP_S)
    network.fill_elsewhere(60)
    return Way(lambda i: network.once(), {}, network.rate)


def ours(folder: Path, name: str, settings: GpuSettings = GpuSettings(), cut: bool = False,
         open_engine: OpenEngine = open_tuned) -> Way:
    """Run the pipeline of this package on frames in its pinned memory."""
    pipeline = GpuPipeline(networks.card(folder, name, cut), open_engine, settings=settings)
    batch = networks.read_name(name).batch
    frames = [frames_in(pipeline, pictures(batch, seed)) for seed in range(max(6 // batch, 2))]
    stages: Stages = {}

    def way(i: int) -> None:
        began = perf_counter()
        pipeline.submit(frames[i % len(frames)], OVERLAY)
        segmentations = pipeline.collect()
        stages.setdefault('label map', []).append((perf_counter() - began) * 1e3)
        for segmentation in segmentations:
            segmentation.finish()
        for stage, ms in segmentations[0].timings.items():
            stages.setdefault(stage, []).append(ms)
        for segmentation in segmentations:
            segmentation.release()

    def more(seconds: float) -> dict[str, Any]:
        found = {'graphed': pipeline.uses_graph, 'allocated': pipeline.memory.device_bytes,
                 'opened': pipeline.identity.opened_s, 'tuning': pipeline.identity.tuning}
        if batch == 1:
            staged, parts = latency(pipeline, [as_frame(p) for p in pictures(6)], seconds)
            found |= {'from ordinary memory': float(np.median(staged)), 'copy': parts['stage']}
        return found
    return Way(way, stages, lambda s: rate(pipeline, frames, s, pipeline.depth), more)


def untuned(folder: Path, name: str) -> Way:
    return ours(folder, name, open_engine=OnnxRuntimeCuda)


WAYS: dict[str, Callable[[Path, str], Way]] = {
    'alone': alone, 'alone, cut': partial(alone, cut=True), 'filled': filled, 'ours': ours,
    'ours, cut': partial(ours, cut=True), 'untuned': untuned,
    'ours, cut, direct labels': partial(
        ours, settings=GpuSettings(direct_labels=True), cut=True),
    'two': partial(ours, settings=GpuSettings(networks=2)),
    'two, cut': partial(ours, settings=GpuSettings(networks=2), cut=True),
    'article': article, 'careful': careful, 'pytorch': pytorch,
    **{f'compiled, {setting}': partial(compiled, setting=setting) for setting in SETTINGS}}


def measure(way: str, folder: Path, name: str, seconds: float) -> dict[str, Any]:
    memory = GpuAllocator()
    free, _ = call(driver.cuMemGetInfo)
    run, stages, together, more = WAYS[way](folder, name)
    took = repeat(run, seconds)
    found = {'p50': float(np.median(took)), 'p99': float(np.percentile(took, 99)),
             'stages': {stage: float(np.median(ms[-len(took):])) for stage, ms in stages.items()},
             **({'rate': together(seconds)} if together else {})}
    left, _ = call(driver.cuMemGetInfo)
    memory.make_current()
    return {**found, 'device_bytes': free - left, **more(seconds)}


if __name__ == '__main__':
    found = measure(sys.argv[1], Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    sys.stdout.write(json.dumps(found) + '\n')
    sys.stdout.flush()
    # Exit without the cleanup of the libraries, because it is not part of the measurement.
    os._exit(0)
