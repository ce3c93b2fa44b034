# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A process that measures candidates on a GPU: ``python3 -m trt_segmentation.tuning.trial``.

A candidate is a set of options of ONNX Runtime. The process reads one JSON object from stdin, and
writes one JSON line to stdout for each candidate. The measurements have their own process for
three reasons. If a candidate crashes, the node goes on. When the process has ended, all its GPU
memory is free. In the node's process, measurements could slow down the node's networks; see
:class:`trt_segmentation.gpu.cuda_graph.LaunchGraph`.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import asdict
import json
import math
import os
import sys
from time import perf_counter

import numpy as np
import numpy.typing as npt

from ..engines.cuda_driver import copy_from_device, copy_to_device
from ..engines.onnxruntime_cuda import OnnxRuntimeCuda
from ..errors import EngineError
from ..gpu.allocator import GpuAllocator
from ..gpu.cuda_graph import CudaGraph, Enqueues, Mark
from ..gpu.streams import Streams
from ..model.card import ModelCard
from .candidates import choose, difference, Measured, PLAIN, with_exhaustive_search
from .open_candidate import open_candidate
from .request import make_picture, read_card

WARM_UP, RUNS = 20, 60
"""Number of runs before the measurement, and number of measured runs."""


class CandidateTrial:
    """Measures one network with the options of each candidate. ``gpu`` is the GPU's CUDA index."""

    def __init__(self, card: ModelCard, gpu: int) -> None:
        self._card, self._gpu = card, gpu
        self._memory = GpuAllocator(gpu)
        self._stream = Streams().compute[0]
        self._answer: npt.NDArray[np.generic] | None = None

    def measure(self, name: str) -> Measured:
        """Measure one candidate. The first candidate must be :data:`.candidates.PLAIN`.

        :param name: a key of :data:`.candidates.CANDIDATES`.
        """
        began = perf_counter()
        try:
            with closing(open_candidate(self._card, self._gpu, self._stream, name)) as engine:
                return self._run(name, engine, began)
        except EngineError as error:
            return Measured(name, failed=str(error))

    def _run(self, name: str, engine: OnnxRuntimeCuda, began: float) -> Measured:
        image, output = engine.signature.input, engine.signature.output
        count = image.batch or 1
        picture = make_picture(image, self._card.input)
        shape = engine.output_shape(count)
        blocks = [self._memory.allocate_on_device(size) for size in (
            picture.nbytes, math.prod(shape) * np.dtype(output.dtype).itemsize)]
        try:
            copy_to_device(blocks[0], picture)
            binding = engine.bind(count, *blocks)
            for _ in range(3):
                binding.enqueue(self._stream)
            self._memory.synchronize()
            opened = perf_counter() - began
            ms = self._time(self._capture(binding))
            answer = np.empty(shape, output.dtype)
            copy_from_device(answer, blocks[1])
        finally:
            for block in blocks:
                self._memory.free(block)
        if name == PLAIN:
            self._answer = answer
        assert self._answer is not None
        return Measured(name, ms, opened, difference(self._answer, answer))

    def _capture(self, binding: Enqueues) -> Enqueues:
        try:
            return CudaGraph([binding], self._stream)
        except EngineError:     # the GPU pipeline then runs without a CUDA graph, so measure this
            with suppress(EngineError):     # the first run after a failed capture fails, too
                binding.enqueue(self._stream)
            return binding

    def _time(self, run: Enqueues) -> float:
        began, ended = Mark(), Mark()
        took = []
        for index in range(WARM_UP + RUNS):
            began.record(self._stream)
            run.enqueue(self._stream)
            ended.record(self._stream)
            ended.wait()
            if index >= WARM_UP:
                took.append(ended.ms_since(began))
        if isinstance(run, CudaGraph):
            run.close()
        return float(np.median(took))


def main() -> None:
    """Measure the requested candidates.

    At the end, measure the fastest candidate with an exhaustive search of cuDNN's algorithms.
    """
    asked = json.load(sys.stdin)
    trial = CandidateTrial(read_card(asked['card']), asked['gpu'])
    results = [Measured(**tree) for tree in asked['known'] if tree['name'] != PLAIN]

    def measure(name: str) -> Measured:
        results.append(trial.measure(name))
        sys.stdout.write(json.dumps(asdict(results[-1])) + '\n')
        sys.stdout.flush()
        return results[-1]

    if not measure(PLAIN).failed:
        for name in asked['candidates']:
            measure(name)
        measure(with_exhaustive_search(choose(results).name))
    os._exit(0)     # skips the clean-up of the libraries, which needs seconds


if __name__ == '__main__':
    main()
