# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measure several ways to segment frames, such as this package and PyTorch.

The command ``rivals.py WAY FOLDER NAME SECONDS`` measures one way and prints JSON. The JSON holds
the milliseconds per frame (p50, p99), the GPU memory without the memory of the CUDA context, and
the frames per second if the way can process several frames at the same time. Earlier work of a
process changes later measurements by up to 7 %. The class
:class:`trt_segmentation.gpu.cuda_graph.LaunchGraph` gives the reason. So each way is measured in
its own process.
"""

from __future__ import annotations

from collections.abc import Callable
import json
import os
from pathlib import Path
import sys
from time import perf_counter
from typing import Any, NamedTuple

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gpu_bench import networks
from gpu_bench.measure import (
    Alone,
    frame_of,
    frames_in,
    HEIGHT,
    latency,
    OVERLAY,
    pictures,
    rate,
    repeat,
    WARM_UP_S,
    WIDTH,
)
from trt_segmentation.gpu.settings import GpuSettings

Stages = dict[str, list[float]]


class Way(NamedTuple):
    """A way to segment frames.

    :param run: a function of the index of a frame. It returns when the outputs are in host memory.
    :param stages: milliseconds of each stage. Every call of ``run`` appends one number to each
        list.
    :param rate: a function of the seconds to measure. It returns frames per second. None if the
        way processes one frame at a time.
    :param more: a function of the seconds to measure. It returns further numbers, and is called
        after all other measurements.
    """

    run: Callable[[int], Any]
    stages: Stages
    rate: Callable[[float], float] | None = None
    more: Callable[[float], dict[str, float]] = lambda seconds: {}


def normalised(picture: Any, size: tuple[int, int], mean: Any, std: Any) -> Any:
    """Resize a BGR picture with OpenCV, and normalise it with NumPy to (3, height, width) RGB."""
    small = cv2.cvtColor(cv2.resize(picture, size), cv2.COLOR_BGR2RGB)
    return ((small.astype(np.float32) / 255.0 - mean) / std).transpose(2, 0, 1)


def coloured(picture: Any, labels: Any, palette: Any) -> tuple[Any, Any]:
    """Enlarge labels to the size of the picture. Return the enlarged labels and an overlay."""
    labels = cv2.resize(labels, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return labels, cv2.addWeighted(picture, 0.5, palette[labels], 0.5, 0)


def article(folder: Path, name: str) -> Way:
    """Use OpenCV and NumPy for pre- and postprocessing, and copy through pinned memory."""
    from cuda.bindings import driver

    from trt_segmentation.engines.cuda_driver import call
    from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
    from trt_segmentation.gpu.allocator import GpuAllocator
    from trt_segmentation.gpu.streams import Streams
    card, memory, streams = networks.card(folder, name), GpuAllocator(), Streams()
    engine = OnnxRuntimeCuda(card, 0, streams.compute[0])
    image, stream = engine.signature.input, streams.compute[0]
    shape, dtype = engine.output_shape(1), np.dtype(image.dtype)
    sizes = [int(np.prod(s)) * dtype.itemsize for s in (image.shape(1), shape)]
    pinned = [memory.allocate_pinned(size) for size in sizes]
    device = [memory.allocate_on_device(size) for size in sizes]
    tensor = pinned[0].array.view(dtype).reshape(image.shape(1))
    logits = pinned[1].array.view(engine.signature.output.dtype).reshape(shape)
    run = engine.bind(1, *device)
    mean, std = (np.array(v, np.float32) for v in (card.input.mean, card.input.std))
    palette, images = np.ascontiguousarray(card.palette[:, ::-1]), pictures(4)
    stages: Stages = {'preprocess': [], 'model': [], 'argmax': [], 'colour': []}

    def way(i: int) -> Any:
        picture = images[i % 4]
        times = [perf_counter()]
        tensor[0] = normalised(picture, (image.width, image.height), mean, std)
        times.append(perf_counter())
        call(driver.cuMemcpyHtoDAsync, device[0], pinned[0].address, sizes[0], stream)
        run.enqueue(stream)
        call(driver.cuMemcpyDtoHAsync, pinned[1].address, device[1], sizes[1], stream)
        call(driver.cuStreamSynchronize, stream)
        times.append(perf_counter())
        labels = np.argmax(logits[0], axis=0).astype(np.uint8)
        times.append(perf_counter())
        labels, overlay = coloured(picture, labels, palette)
        times.append(perf_counter())
        for stage, a, b in zip(stages.values(), times, times[1:]):
            stage.append((b - a) * 1e3)
        return labels, overlay
    return Way(way, stages)


def pytorch(folder: Path, name: str) -> Way:
    """Run all steps on the GPU with separate PyTorch operations."""
    import torch
    from torch.nn.functional import interpolate
    torch.backends.cudnn.benchmark = False
    model, card = networks.build(name), networks.card(folder, name)
    torch.cuda.empty_cache()  # the memory that only the construction needs is not counted
    dtype = torch.float16 if name.endswith('fp16') else torch.float32

    def on_gpu(values: Any) -> Any:
        return torch.tensor(np.asarray(values), device='cuda')

    mean, std = (on_gpu(v).reshape(1, 3, 1, 1).to(dtype) for v in (card.input.mean,
                                                                    card.input.std))
    palette = on_gpu(np.ascontiguousarray(card.palette[:, ::-1])).float()
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


def alone(folder: Path, name: str) -> Way:
    """Run only the network, with the same engine and the same CUDA graph."""
    network = Alone(networks.card(folder, name))
    return Way(lambda i: network.once(), {}, network.rate)


def filled(folder: Path, name: str) -> Way:
    """Run only the network, after memory was filled on another stream."""
    network = Alone(networks.card(folder, name))
    network.rate(WARM_UP_S)
    network.fill_elsewhere(60)
    return Way(lambda i: network.once(), {}, network.rate)


def ours(folder: Path, name: str, settings: GpuSettings = GpuSettings()) -> Way:
    """Run the pipeline of this package on frames in its pinned memory."""
    from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
    from trt_segmentation.gpu.pipeline import GpuPipeline
    from trt_segmentation.pipeline import segment_one
    pipeline = GpuPipeline(networks.card(folder, name), OnnxRuntimeCuda, settings=settings)
    frames = frames_in(pipeline, pictures(6))
    stages: Stages = {}

    def way(i: int) -> None:
        segmentation = segment_one(pipeline, frames[i % 6], OVERLAY)
        for stage, ms in segmentation.timings.items():
            stages.setdefault(stage, []).append(ms)
        segmentation.release()

    def more(seconds: float) -> dict[str, float]:
        staged, parts = latency(pipeline, [frame_of(p) for p in pictures(6)], seconds)
        return {'graphed': pipeline.uses_graph, 'from ordinary memory': float(np.median(staged)),
                'copy': parts['stage'], 'allocated': pipeline.memory.device_bytes}
    return Way(way, stages, lambda s: rate(pipeline, frames, s, pipeline.depth), more)


def two(folder: Path, name: str) -> Way:
    """Run the pipeline of this package with two copies of the network at the same time."""
    return ours(folder, name, GpuSettings(networks=2))


WAYS = {'alone': alone, 'filled': filled, 'ours': ours, 'two': two, 'article': article,
        'pytorch': pytorch}


def measure(way: str, folder: Path, name: str, seconds: float) -> dict[str, Any]:
    """Measure one way with one network in this process."""
    from cuda.bindings import driver

    from trt_segmentation.engines.cuda_driver import call
    from trt_segmentation.gpu.allocator import GpuAllocator
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
    # The libraries must not clean up here. Their cleanup is not part of the measurement.
    os._exit(0)
