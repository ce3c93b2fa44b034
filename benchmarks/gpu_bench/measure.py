# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measure latency, throughput and bandwidth on one GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import sys
from time import perf_counter, process_time, sleep
from typing import Any, NamedTuple

from cuda.bindings import driver
import numpy as np
import numpy.typing as npt

from trt_segmentation.engines.cuda_driver import call, copy_to_device
from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.errors import EngineError
from trt_segmentation.frame import Frame, Wanted
from trt_segmentation.gpu.allocator import GpuAllocator, open_device
from trt_segmentation.gpu.cuda_graph import CudaGraph, Enqueues, Mark
from trt_segmentation.gpu.device_engine import DeviceEngine
from trt_segmentation.gpu.pipeline import GpuPipeline
from trt_segmentation.gpu.streams import Streams
from trt_segmentation.model.card import ModelCard
from trt_segmentation.pipeline import segment_one

HEIGHT, WIDTH = 1080, 1920
WARM_UP_S = 0.2
OVERLAY = Wanted(overlay=True)
Stages = dict[str, list[float]]


class Way(NamedTuple):
    """A way to segment frames.

    :param run: segments the frame of this index, and returns when the outputs are in host memory.
    :param stages: milliseconds of each stage. Every call of ``run`` adds one number to each list.
    :param rate: measures for some seconds, and returns frames per second; None if the way
        processes only one frame at a time.
    :param more: measures for some seconds, and returns other results. It is called last.
    """

    run: Callable[[int], Any]
    stages: Stages
    rate: Callable[[float], float] | None = None
    more: Callable[[float], dict[str, Any]] = lambda seconds: {}


def need_gpu() -> None:
    """Exit with one line and code 2 if no GPU can be used."""
    try:
        open_device(0)
    except EngineError as error:
        sys.stderr.write(f'{error}\n')
        sys.exit(2)


def pictures(count: int, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Make random 1080p bgr8 images. All images differ, and they are as smooth as photos."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    noise = rng.integers(0, 16, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return [np.ascontiguousarray(np.repeat(np.repeat(c, 8, 0), 8, 1) // 2 + noise) for c in coarse]


def frames_in(pipeline: GpuPipeline, images: Sequence[npt.NDArray[np.uint8]]) -> list[Frame]:
    """Make frames in the pipeline's pinned buffers, as the direct transport does."""
    frames = []
    for image in images:
        height, width, channels = image.shape
        buffer = pipeline.inputs.take(image.size + 64)
        # A message has a header before its pixels, so the pixels are not aligned.
        buffer.array[61:61 + image.size] = image.reshape(-1)
        frames.append(Frame(buffer.array[61:61 + image.size], 'bgr8', height, width,
                            width * channels))
    return frames


def repeat(run: Callable[[int], None], seconds: float) -> npt.NDArray[np.float64]:
    """Call ``run(i)`` for some seconds after a warm-up. Return the milliseconds of each call."""
    index, end = 0, perf_counter() + WARM_UP_S
    while perf_counter() < end or index < 10:
        run(index)
        index += 1
    took: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(took) < 20:
        began = perf_counter()
        run(index)
        took.append((perf_counter() - began) * 1e3)
        index += 1
    return np.array(took)


class Alone:
    """Only a network, with the engine of the pipeline: no copies and no pre- or postprocessing."""

    def __init__(self, card: ModelCard, graph: bool = True, blocking: bool = True,
                 open_engine: Callable[..., DeviceEngine] = OnnxRuntimeCuda,
                 **engine: Any) -> None:
        self._memory = GpuAllocator()
        self._streams = Streams()
        self._engine = open_engine(card, 0, self._streams.compute[0], **engine)
        image, output = self._engine.signature.input, self._engine.signature.output
        count = image.batch or 1
        sizes = [int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in (
            (image.shape(count), image.dtype),
            (self._engine.output_shape(count), output.dtype))]
        tensor, logits = (self._memory.allocate_on_device(size) for size in sizes)
        noise = np.random.default_rng(0).normal(0, 1, image.shape(count)).astype(image.dtype)
        copy_to_device(tensor, noise)
        self._run: Enqueues = self._engine.bind(count, tensor, logits)
        for _ in range(3):
            self._run.enqueue(self._streams.compute[0])
        self._memory.synchronize()
        self._graph: CudaGraph | None = None
        if graph and self._engine.can_be_captured():
            self._graph = CudaGraph([self._run], self._streams.compute[0])
        self._done = Mark(blocking)

    def fill_elsewhere(self, times: int) -> None:
        """Fill 1 MiB of GPU memory ``times`` times, on another stream than the network's."""
        size = 2**20
        address = self._memory.allocate_on_device(size)
        for _ in range(times):
            call(driver.cuMemsetD8Async, address, 0, size, self._streams.up)
        self._memory.synchronize()

    def _enqueue(self) -> None:
        (self._graph or self._run).enqueue(self._streams.compute[0])

    def once(self) -> None:
        self._enqueue()
        self._done.record(self._streams.compute[0])
        self._done.wait()

    def latency(self, seconds: float) -> npt.NDArray[np.float64]:
        """Measure :meth:`once` with the wall clock, in milliseconds."""
        return repeat(lambda _: self.once(), seconds)

    def rate(self, seconds: float) -> float:
        """Measure the runs per second. Up to four runs are enqueued at the same time."""
        marks = [Mark() for _ in range(4)]
        count, began = 0, perf_counter()
        while count < 8 or perf_counter() - began < seconds:
            mark = marks[count % 4]
            if count >= 4:
                mark.wait()
            self._enqueue()
            mark.record(self._streams.compute[0])
            count += 1
        self._memory.synchronize()
        return count / (perf_counter() - began)

    def close(self) -> None:
        self._memory.synchronize()
        if self._graph is not None:
            self._graph.close()
        self._engine.close()
        self._streams.close()
        self._memory.close()


def core_share(pipeline: GpuPipeline, frames: Sequence[Frame], seconds: float,
               hz: float = 30.0) -> tuple[float, float]:
    """Measure the use of the CPU at the frame rate of a camera.

    The CPU time of all threads of this process counts, even between the frames.

    :returns: (fraction of a CPU core, median latency in milliseconds).
    """
    took: list[float] = []
    began, used = perf_counter(), process_time()
    while (elapsed := perf_counter() - began) < seconds:
        due = (len(took) + 1) / hz
        sleep(max(due - elapsed, 0))
        start = perf_counter()
        segmentation = segment_one(pipeline, frames[len(took) % len(frames)], OVERLAY)
        segmentation.finish()
        segmentation.release()
        took.append((perf_counter() - start) * 1e3)
    return (process_time() - used) / (perf_counter() - began), float(np.median(took))


def latency(pipeline: GpuPipeline, frames: Sequence[Frame], seconds: float,
            wanted: Wanted = OVERLAY) -> tuple[npt.NDArray[np.float64], dict[str, float]]:
    """Return the milliseconds from submit() to the complete overlay, and medians of the stages."""
    stages: list[dict[str, float]] = []

    def once(i: int) -> None:
        segmentation = segment_one(pipeline, frames[i % len(frames)], wanted)
        segmentation.finish()
        stages.append(segmentation.timings)
        segmentation.release()

    took = repeat(once, seconds)
    return took, {stage: float(np.median([s[stage] for s in stages[-len(took):]]))
                  for stage in stages[0]}


def rate(pipeline: GpuPipeline, batches: Sequence[Sequence[Frame]], seconds: float,
         ahead: int = 2, wanted: Wanted = OVERLAY) -> float:
    """Measure the frames per second. ``ahead`` more batches are always submitted in advance."""
    def collect() -> int:
        segmentations = pipeline.collect()
        for segmentation in segmentations:
            segmentation.release()      # waits for the overlay
        return len(segmentations)

    for i in range(ahead):
        pipeline.submit(batches[i % len(batches)], wanted)
    count, runs, began = 0, 0, perf_counter()
    while perf_counter() - began < seconds or runs < 20:
        pipeline.submit(batches[runs % len(batches)], wanted)
        count += collect()
        runs += 1
    took = perf_counter() - began
    for _ in range(ahead):
        collect()
    return count / took


def copy_bandwidth(memory: GpuAllocator, nbytes: int = 2**30) -> float:
    """Return how many bytes a copy on the GPU reads and writes per second, together."""
    source, target = memory.allocate_on_device(nbytes), memory.allocate_on_device(nbytes)
    began, ended = Mark(), Mark()
    best = 0.0
    for _ in range(6):
        began.record(0)
        for _ in range(5):
            call(driver.cuMemcpyDtoDAsync, target, source, nbytes, 0)
        ended.record(0)
        ended.wait()
        best = max(best, 5 * 2 * nbytes / (ended.ms_since(began) / 1e3))
    memory.free(source)
    memory.free(target)
    return best


def back_to_back(steps: Sequence[Enqueues], stream: int, rounds: int = 20) -> float:
    """Run all steps in one CUDA graph. Return the median milliseconds of a step."""
    first, last = Mark(), Mark()
    # The graph contains each step four times, so that its launch is only a small part of the time.
    graph = CudaGraph([*steps] * 4, stream)
    took = []
    for _ in range(rounds):
        first.record(stream)
        graph.enqueue(stream)
        last.record(stream)
        last.wait()
        took.append(last.ms_since(first) / (4 * len(steps)))
    graph.close()
    return float(np.median(took))
