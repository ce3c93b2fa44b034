# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the bandwidth of the two kernels with a copy on the GPU, and one with CV-CUDA."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from time import perf_counter
from typing import Any

import numpy as np
from report import FigureReport

from trt_segmentation.engines.cuda_driver import copy_to_device
from trt_segmentation.gpu.allocator import GpuAllocator
from trt_segmentation.gpu.kernels.launch import Launch
from trt_segmentation.gpu.kernels.postprocess import palette_words, Postprocess, Target
from trt_segmentation.gpu.kernels.preprocess import Preprocess, Source
from trt_segmentation.gpu.streams import Streams
from trt_segmentation.model.card import InputCard, ModelCard, spread_palette
from trt_segmentation.model.kind import OutputKind
from trt_segmentation.model.signature import ImageInput, NetworkOutput
from trt_segmentation.sources.image import as_frame

from .measure import back_to_back, copy_bandwidth, HEIGHT, pictures, WIDTH
from .networks import CLASSES
from .networks import HEIGHT as ROWS
from .networks import WIDTH as COLUMNS

SETS = 12
"""Number of buffers that the kernels use in turn. Together they are larger than the cache."""


class KernelBench:
    """Images on the GPU, and launches of the kernels on them."""

    def __init__(self, memory: GpuAllocator) -> None:
        self.memory = memory
        self.arch = f'sm_{memory.device.arch}'
        self.frames = [as_frame(p) for p in pictures(SETS)]
        self.images = [self.send(f.data) for f in self.frames]

    def send(self, array: Any) -> int:
        """Copy an array to the GPU and return the address of the copy."""
        data = np.ascontiguousarray(array)
        address = self.memory.allocate_on_device(data.nbytes)
        copy_to_device(address, data)
        return address

    def preprocess(self, dtype: str, layout: str = 'nchw') -> tuple[list[Launch], int]:
        """Return launches on different images, and the fewest bytes that a launch must move."""
        image = ImageInput('image', layout, dtype, 3, ROWS, COLUMNS, 1)
        kernel = Preprocess(InputCard(), image, self.arch)
        size = 3 * ROWS * COLUMNS * np.dtype(dtype).itemsize
        launches = []
        for frame, address in zip(self.frames, self.images):
            launch = kernel.make_launch()
            kernel.set_parameters(launch, [Source(frame, address)],
                                  self.memory.allocate_on_device(size))
            launches.append(launch)
        return launches, self.frames[0].size + size

    def postprocess(self, dtype: str, grid: tuple[int, int], overlay: bool,
                    confidence: bool = False) -> tuple[list[Launch], int]:
        """Return launches on different logits, and the fewest bytes that a launch must move."""
        card = ModelCard('bench', Path(), tuple(map(str, range(CLASSES))), spread_palette(CLASSES))
        image = ImageInput('image', 'nchw', dtype, 3, ROWS, COLUMNS, 1)
        shape = (1, CLASSES, *grid)
        output = NetworkOutput('out', OutputKind.LOGITS, 'nchw', dtype, CLASSES)
        kernel = Postprocess(card, image, output, self.send(palette_words(card.palette)),
                             self.arch)
        pixels = HEIGHT * WIDTH
        logits = np.random.default_rng(0).normal(0, 3, shape).astype(dtype)
        launches = []
        for index, (frame, address) in enumerate(zip(self.frames, self.images)):
            target = Target(frame, address, self.memory.allocate_on_device(pixels),
                            self.memory.allocate_on_device(pixels) if confidence else 0,
                            self.memory.allocate_on_device(3 * pixels) if overlay else 0)
            launch = kernel.make_launch()
            kernel.set_parameters(launch, [target], self.send(np.roll(logits, index, axis=1)),
                                  shape, 0.5)
            launches.append(launch)
        moved = logits.nbytes + pixels * (1 + int(confidence)) + overlay * 6 * pixels
        return launches, moved


def measure_kernels(report: FigureReport, quick: bool) -> None:
    memory = GpuAllocator()
    streams = Streams()
    bench = KernelBench(memory)
    copy = copy_bandwidth(memory)
    report.add('copy within the GPU', copy / 1e9, 'GB/s')
    cases: dict[str, tuple[list[Launch], int]] = {
        'preprocess 1080p bgr8 to float16': bench.preprocess('float16'),
        'postprocess 64×128 float16, labels': bench.postprocess('float16', (64, 128), False),
        'postprocess 512×1024 float16, labels': bench.postprocess('float16', (512, 1024), False),
        'postprocess 512×1024 float16, labels + overlay': bench.postprocess(
            'float16', (512, 1024), True)}
    if not quick:
        cases |= {
            'preprocess 1080p bgr8 to float32': bench.preprocess('float32'),
            'preprocess 1080p bgr8 to float16, NHWC': bench.preprocess('float16', 'nhwc'),
            'postprocess 64×128 float16, labels + overlay': bench.postprocess(
                'float16', (64, 128), True),
            'postprocess 512×1024 float32, labels + overlay': bench.postprocess(
                'float32', (512, 1024), True),
            'postprocess 512×1024 float16, all three': bench.postprocess(
                'float16', (512, 1024), True, True)}
    for name, (launches, moved) in cases.items():
        ms = back_to_back(launches, streams.compute[0])
        report.add(name, ms * 1e3, 'µs')
        report.add(f'{name}: bandwidth', moved / ms / 1e6, 'GB/s')
        report.add(f'{name}: of a copy', moved / ms * 1e3 / copy, '×')
    compare_cvcuda(report, bench, streams)
    streams.close()
    memory.close()


def compare_cvcuda(report: FigureReport, bench: KernelBench, streams: Streams) -> None:
    """Measure preprocessing with this package and with CV-CUDA, if CV-CUDA runs here."""
    done = subprocess.run([sys.executable, str(Path(__file__).parent / 'cvcuda_preprocess.py')],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        sys.stderr.write(f'CV-CUDA was not measured: {lines[-1] if lines else "no message"}\n')
        return
    theirs = json.loads(done.stdout.splitlines()[-1])['ms']
    launches, _ = bench.preprocess('float16')
    took = []
    for _ in range(5):
        began = perf_counter()
        for _ in range(20):
            for launch in launches:
                launch.enqueue(streams.compute[0])
        bench.memory.synchronize()
        took.append((perf_counter() - began) * 1e3 / 20 / len(launches))
    own = float(np.median(took))
    report.add('preprocess, called one by one', own, 'ms', f'≤ {theirs:.3g}', own <= theirs)
    report.add('preprocess by CV-CUDA, called one by one', theirs, 'ms')
