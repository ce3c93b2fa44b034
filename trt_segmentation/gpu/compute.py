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

"""Preprocess, engine, postprocess: the part of the work that is one CUDA graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import logging
import math
from typing import Any

from cuda.bindings import driver
import numpy as np
import numpy.typing as npt

from ..engines import EngineError
from ..frame import Wanted
from ..model_card import ModelCard
from .driver import call, GpuError
from .engine import DeviceEngine
from .graph import capture, ComputeGraph, Enqueues, Mark
from .memory import Memory
from .postprocess import palette_words, Postprocess, Target
from .preprocess import Preprocess
from .program import IMAGES
from .slots import Parts, Region, Slot

log = logging.getLogger(__name__)

WARM_UP = 3
"""Runs before a capture: engines allocate and pick algorithms in the first."""


@dataclass
class _Bound:
    """The engine on one batch size; ``recorded`` is its work as a graph, None for plain calls."""

    run: Enqueues
    recorded: Any = None


class Compute:
    """Enqueues batches on one stream; one thread at a time, with the GPU's context current.

    :param stream: the one the engine was opened with.
    :param graph: False to enqueue call by call.
    """

    def __init__(self, memory: Memory, card: ModelCard, engine: DeviceEngine, stream: int,
                 graph: bool = True) -> None:
        self._memory = memory
        self._engine = engine
        self._stream = stream
        self._graph = graph and engine.capturable
        image, output = engine.signature.input, engine.signature.output
        if (image.batch or 1) > IMAGES:
            raise EngineError(
                f'the model takes {image.batch} images a run, and the GPU pipeline at most '
                f'{IMAGES}; export it with a smaller or an open batch')
        arch = f'sm_{memory.device.arch}'
        self._tensor = Region(memory, 'input tensor', pinned=False)
        self._answer = Region(memory, 'output tensor', pinned=False)
        self._palette = memory.on_device(4 * len(card.classes))
        self._palette_sent: npt.NDArray[np.uint8] | None = None
        self._preprocess = Preprocess(card.input, image, arch)
        self._postprocess = Postprocess(card, image, output, self._palette, arch)
        self._bound: dict[int, _Bound] = {}
        self._generation = 0

    @property
    def graphed(self) -> bool:
        """Whether batches run as one graph."""
        return self._graph

    def prepare(self, slot: Slot, count: int) -> Parts:
        """The work of a batch of ``count`` in a slot, built the first time."""
        batch = self._batch(count)
        bound = self._bind(batch)
        parts = slot.parts.get(count)
        if parts is None or parts.generation != self._generation:
            if parts is not None:
                parts.close()
            slot.parts[count] = parts = self._build(bound, -(-count // batch))
        return parts

    def aim(self, slot: Slot, parts: Parts, images: Sequence[int], wanted: Wanted,
            palette: npt.NDArray[np.uint8], alpha: float) -> None:
        """Set what a slot's kernels read and write, where it is not what it was last time.

        :param images: addresses of the lanes' frames, as kernels see them.
        """
        self._send(palette)
        targets = [self._target(lane, address, wanted, itemsize=slot.label_bytes)
                   for lane, address in zip(slot.lanes, images)]
        key = (alpha, [(t.image, t.labels, t.confidence, t.overlay, t.frame.encoding,
                        t.frame.height, t.frame.width, t.frame.step) for t in targets])
        if key == parts.key:
            return
        parts.key = None
        batch = self._batch(len(targets))
        shape = self._engine.answer_shape(batch)
        for index, (before, after) in enumerate(parts.runs):
            some = targets[index * batch:(index + 1) * batch]
            self._preprocess.aim(before, [(t.frame, t.image) for t in some],
                                 self._tensor.address)
            self._postprocess.aim(after, some, self._answer.address, shape, alpha)
        self._put(slot, parts, targets, wanted)
        parts.key = key

    def enqueue(self, parts: Parts) -> None:
        """Put a batch's work on the stream."""
        if parts.graph is not None:
            parts.graph.enqueue(self._stream)
            return
        for step in parts.steps:
            step.enqueue(self._stream)

    def close(self) -> None:
        """Unload the kernels; slots' graphs are theirs."""
        self._forget()
        self._preprocess.close()
        self._postprocess.close()

    def _batch(self, count: int) -> int:
        """Images one run of the engine takes in a batch of that many."""
        return self._engine.signature.input.batch or min(count, IMAGES)

    def _target(self, lane: Any, address: int, wanted: Wanted, itemsize: int) -> Target:
        pixels = lane.read.height * lane.read.width
        return Target(
            lane.read, address, lane.labels.reserve(pixels * itemsize),
            lane.confidence.reserve(pixels) if wanted.confidence else 0,
            lane.overlay.reserve(pixels * 3) if wanted.overlay else 0)

    def _send(self, palette: npt.NDArray[np.uint8]) -> None:
        if palette is self._palette_sent:
            return
        words = palette_words(palette)
        call(driver.cuMemcpyHtoDAsync, self._palette, words.ctypes.data, words.nbytes,
             self._stream)
        # the words are read when the copy runs
        call(driver.cuStreamSynchronize, self._stream)
        self._palette_sent = palette

    def _bind(self, batch: int) -> _Bound:
        if batch in self._bound:
            return self._bound[batch]
        signature = self._engine.signature
        shapes = {self._tensor: (signature.input.shape(batch), signature.input.dtype),
                  self._answer: (self._engine.answer_shape(batch), signature.output.dtype)}
        sizes = {region: math.prod(shape) * np.dtype(dtype).itemsize
                 for region, (shape, dtype) in shapes.items()}
        if any(size > region.capacity for region, size in sizes.items()):
            # what was bound and captured has the old addresses
            call(driver.cuStreamSynchronize, self._stream)
            self._forget()
            self._generation += 1
            for region, size in sizes.items():
                region.reserve(size)
        run = self._engine.bind(batch, self._tensor.address, self._answer.address)
        for _ in range(WARM_UP):
            run.enqueue(self._stream)
        call(driver.cuStreamSynchronize, self._stream)
        self._bound[batch] = _Bound(run, self._recorded(run) if self._graph else None)
        return self._bound[batch]

    def _forget(self) -> None:
        for bound in self._bound.values():
            if bound.recorded is not None:
                call(driver.cuGraphDestroy, bound.recorded)
        self._bound.clear()

    def _recorded(self, run: Enqueues) -> Any:
        try:
            return capture(run, self._stream)
        except EngineError as error:
            self._no_graph(error)
            return None

    def _build(self, bound: _Bound, runs: int) -> Parts:
        parts = Parts([], [], [], bound.recorded, generation=self._generation)
        for _ in range(runs):
            marks = (Mark(), Mark(), Mark(), Mark())
            before, after = self._preprocess.launch(), self._postprocess.launch()
            parts.steps += [marks[0], before, marks[1], bound.run, marks[2], after, marks[3]]
            parts.spans.append(marks)
            parts.runs.append((before, after))
        return parts

    def _put(self, slot: Slot, parts: Parts, targets: Sequence[Target], wanted: Wanted) -> None:
        """Build the graph, or tell the one there is about new kernel parameters."""
        if not self._graph or parts.recorded is None:
            return
        what = ', '.join(dict.fromkeys(
            f'{t.frame.width}x{t.frame.height} {t.frame.encoding}' for t in targets))
        extra = ''.join(f' + {name}' for name in ('overlay', 'confidence')
                        if getattr(wanted, name))
        if parts.graph is not None:
            for launch in [launch for run in parts.runs for launch in run]:
                parts.graph.update(launch)
        else:
            try:
                parts.graph = ComputeGraph(parts.steps, parts.recorded)
            except GpuError as error:
                if error.sticky:
                    raise
                self._no_graph(error)
                return
        if (what, wanted) != parts.said:
            parts.said = (what, wanted)
            log.info('slot %d: CUDA graph for %d × %s to labels%s', slot.number, len(targets),
                     what, extra)

    def _no_graph(self, error: EngineError) -> None:
        self._graph = False
        log.warning('%s %s cannot be captured into a CUDA graph, its work is enqueued call by '
                    'call: %s', self._engine.name, self._engine.version, error)
