# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Two ways with pre- and postprocessing on the CPU, and the network on the GPU."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

from cuda.bindings import driver
import cv2
import numpy as np

from trt_segmentation.engines.cuda_driver import call
from trt_segmentation.engines.onnxruntime_cuda import OnnxRuntimeCuda
from trt_segmentation.gpu.allocator import GpuAllocator
from trt_segmentation.gpu.streams import Streams

from . import networks
from .measure import HEIGHT, pictures, Stages, Way, WIDTH


class PinnedNetwork:
    """A network on the GPU, with its input ``tensor`` and its ``output`` in pinned memory."""

    def __init__(self, folder: Path, name: str) -> None:
        self.card = networks.card(folder, name)
        memory = GpuAllocator()
        self._stream = Streams().compute[0]
        self._engine = OnnxRuntimeCuda(self.card, 0, self._stream)
        self.image = self._engine.signature.input
        shapes = self.image.shape(1), self._engine.output_shape(1)
        dtypes = self.image.dtype, self._engine.signature.output.dtype
        self._sizes = [int(np.prod(s)) * np.dtype(d).itemsize for s, d in zip(shapes, dtypes)]
        self._pinned = [memory.allocate_pinned(size) for size in self._sizes]
        self._device = [memory.allocate_on_device(size) for size in self._sizes]
        self.tensor, self.output = (
            block.array.view(dtype).reshape(shape)
            for block, dtype, shape in zip(self._pinned, dtypes, shapes))
        self._binding = self._engine.bind(1, *self._device)

    def run(self) -> None:
        call(driver.cuMemcpyHtoDAsync, self._device[0], self._pinned[0].address, self._sizes[0],
             self._stream)
        self._binding.enqueue(self._stream)
        call(driver.cuMemcpyDtoHAsync, self._pinned[1].address, self._device[1], self._sizes[1],
             self._stream)
        call(driver.cuStreamSynchronize, self._stream)


def article(folder: Path, name: str) -> Way:
    """Use OpenCV and NumPy as many tutorials do."""
    network = PinnedNetwork(folder, name)
    card, image = network.card, network.image
    mean, std = (np.array(v, np.float32) for v in (card.input.mean, card.input.std))
    palette, images = np.ascontiguousarray(card.palette[:, ::-1]), pictures(4)
    stages: Stages = {'preprocess': [], 'model': [], 'argmax': [], 'colour': []}

    def way(i: int) -> Any:
        picture = images[i % 4]
        times = [perf_counter()]
        small = cv2.cvtColor(cv2.resize(picture, (image.width, image.height)), cv2.COLOR_BGR2RGB)
        network.tensor[0] = ((small.astype(np.float32) / 255.0 - mean) / std).transpose(2, 0, 1)
        times.append(perf_counter())
        network.run()
        times.append(perf_counter())
        labels = np.argmax(network.output[0], axis=0).astype(np.uint8)
        times.append(perf_counter())
        labels = cv2.resize(labels, (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
        overlay = cv2.addWeighted(picture, 0.5, palette[labels], 0.5, 0)
        times.append(perf_counter())
        for stage, a, b in zip(stages.values(), times, times[1:]):
            stage.append((b - a) * 1e3)
        return labels, overlay
    return Way(way, stages)


def careful(folder: Path, name: str) -> Way:
    """Use the CPU as well as it can be used.

    Look-up tables fill the tensor in one pass, the network ends in an ArgMax, and OpenCV colours
    the labels.
    """
    network = PinnedNetwork(folder, f'{name}-argmax')
    card, image = network.card, network.image
    values = (np.arange(256)[:, None] / 255 - card.input.mean) / card.input.std
    tables = np.ascontiguousarray(values.T.astype(image.dtype))
    colors = np.zeros((256, 1, 3), np.uint8)
    colors[:len(card.palette), 0] = card.palette[:, ::-1]
    small = np.empty((image.height, image.width, 3), np.uint8)
    labels = np.empty((HEIGHT, WIDTH), np.uint8)
    overlay = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    images = pictures(4)
    stages: Stages = {'preprocess': [], 'model': [], 'colour': []}

    def way(i: int) -> Any:
        picture = images[i % 4]
        times = [perf_counter()]
        cv2.resize(picture, (image.width, image.height), dst=small)
        planes: list[Any] = list(cv2.split(small))
        for table, target, plane in zip(tables, network.tensor[0], reversed(planes)):
            if table.dtype == np.float32:
                cv2.LUT(plane, table, dst=target)
            else:
                np.take(table, plane, out=target, mode='clip')
        times.append(perf_counter())
        network.run()
        times.append(perf_counter())
        cv2.resize(network.output.reshape(image.height, image.width), (WIDTH, HEIGHT), dst=labels,
                   interpolation=cv2.INTER_NEAREST)
        cv2.applyColorMap(labels, colors, dst=overlay)
        cv2.addWeighted(picture, 0.5, overlay, 0.5, 0, dst=overlay)
        times.append(perf_counter())
        for stage, a, b in zip(stages.values(), times, times[1:]):
            stage.append((b - a) * 1e3)
        return labels, overlay
    return Way(way, stages)
