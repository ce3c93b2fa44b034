# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The kernels and the network of one model, made ready for a slot's batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
import logging
import math

from cuda.bindings import driver
import numpy as np
import numpy.typing as npt

from ..engines.cuda_driver import call
from ..errors import EngineError, GpuError
from ..frame import Wanted
from ..model.card import ModelCard
from .allocator import GpuAllocator
from .cuda_graph import CudaGraph, Enqueues
from .device_engine import DeviceEngine
from .kernels.postprocess import palette_words, Postprocess, Target
from .kernels.preprocess import Preprocess
from .kernels.program import IMAGES
from .slots import Run, Slot, Work

log = logging.getLogger(__name__)

WARM_UP = 3
"""Runs before a capture: engines allocate and pick algorithms in the first."""


class Compute:
    """Prepares batches; one thread at a time, with the GPU's context current.

    The network is captured into a CUDA graph once for every slot and size of a run, at the slot's
    own tensors. The kernels before and after it are not part of that graph: on streams of their
    own they run beside the network of another frame, and a frame of another size or address
    needs no new graph.

    :param engine: any of the slots' networks, which are all alike.
    :param down: the stream that postprocesses.
    :param graph: False to enqueue the network call by call.
    :param max_batch: images of one run at most, where the network leaves that open.
    :raises EngineError: when no run of it has few enough images.
    """

    def __init__(self, memory: GpuAllocator, card: ModelCard, engine: DeviceEngine, down: int,
                 graph: bool = True, max_batch: int = 1) -> None:
        self.sizes = run_sizes(engine, max_batch)
        self._down = down
        self._graph = graph and engine.capturable
        image, output = engine.signature.input, engine.signature.output
        arch = f'sm_{memory.device.arch}'
        self._label_bytes = card.label_dtype.itemsize
        self._palette = memory.on_device(4 * len(card.classes))
        self._palette_sent: npt.NDArray[np.uint8] | None = None
        self._preprocess = Preprocess(card.input, image, arch)
        self._postprocess = Postprocess(card, image, output, self._palette, arch)

    @property
    def graphed(self) -> bool:
        """Whether the network runs as a graph."""
        return self._graph

    def prepare(self, slot: Slot, wanted: Wanted, palette: npt.NDArray[np.uint8],
                alpha: float) -> None:
        """Have a slot's work ready for the frames in its lanes."""
        self._send(palette)
        work = slot.works.get(slot.count)
        if work is None:
            work = slot.works[slot.count] = Work([
                Run(self._preprocess.launch(), slot.engines[size],
                    self._postprocess.launch(), size)
                for size in cut(slot.count, self.sizes)])
        slot.work = work
        targets = [Target(lane.read, lane.image, *lane.lay_out(wanted, self._label_bytes))
                   for lane in slot.lanes[:slot.count]]
        key = (alpha, [(t.image, t.labels, t.confidence, t.overlay, t.frame.encoding,
                        t.frame.height, t.frame.width, t.frame.step) for t in targets])
        if key == work.key:
            return
        work.key = None
        for run in work.runs:
            some, targets = targets[:run.size], targets[run.size:]
            self._preprocess.aim(run.before.launch, [(t.frame, t.image) for t in some],
                                 slot.tensor.address)
            run.shape = slot.engine.answer_shape(run.size)
            self._postprocess.aim(run.after.launch, some, slot.answer.address, run.shape, alpha)
            run.before.update()
            run.after.update()
        work.key = key

    def warm_up(self, slot: Slot) -> None:
        """Have a slot's network ready for every size of a run, before any frame comes."""
        self._reserve(slot, self.sizes[-1])  # all have the tensors of the largest
        for size in self.sizes:
            slot.engines[size] = self._bound(slot, size)

    def answer(self, slot: Slot) -> npt.NDArray[np.generic]:
        """The network's answers to the images of a slot's last run, copied from the GPU.

        To be called when the slot's batch is done, and before it is released.
        """
        *before, last = slot.work.runs
        answer = np.empty(last.shape, slot.engine.signature.output.dtype)
        call(driver.cuMemcpyDtoH, answer.ctypes.data, slot.answer.address, answer.nbytes)
        # a run may have room for more images than there were
        return answer[:slot.count - sum(run.size for run in before)]

    def close(self) -> None:
        """Unload the kernels; graphs are their slots'."""
        self._preprocess.close()
        self._postprocess.close()

    def _send(self, palette: npt.NDArray[np.uint8]) -> None:
        if palette is self._palette_sent:
            return
        words = palette_words(palette)
        # behind the kernels of the batches under way, which the old colours are for
        call(driver.cuMemcpyHtoDAsync, self._palette, words.ctypes.data, words.nbytes,
             self._down)
        # the words are read when the copy runs
        call(driver.cuStreamSynchronize, self._down)
        self._palette_sent = palette

    def _bound(self, slot: Slot, batch: int) -> Enqueues:
        """The engine on a slot's tensors, bound, warmed up and captured."""
        engine = slot.engine.bind(batch, slot.tensor.address, slot.answer.address)
        for _ in range(WARM_UP):
            engine.enqueue(slot.stream)
        call(driver.cuStreamSynchronize, slot.stream)
        return self._captured(engine, slot, batch) if self._graph else engine

    def _reserve(self, slot: Slot, batch: int) -> None:
        signature = slot.engine.signature
        for region, shape, dtype in (
                (slot.tensor, signature.input.shape(batch), signature.input.dtype),
                (slot.answer, slot.engine.answer_shape(batch), signature.output.dtype)):
            region.reserve(math.prod(shape) * np.dtype(dtype).itemsize)

    def _captured(self, engine: Enqueues, slot: Slot, batch: int) -> Enqueues:
        name = f'{slot.engine.name} {slot.engine.version}'
        try:
            graph = CudaGraph([engine], slot.stream)
        except EngineError as error:
            if isinstance(error, GpuError) and error.sticky:
                raise
            self._graph = False
            log.warning('%s cannot be captured into a CUDA graph, its work is enqueued call by '
                        'call: %s', name, error)
            # the library keeps the error as its last one and reports it in the next run
            with suppress(EngineError):
                engine.enqueue(slot.stream)
            engine.enqueue(slot.stream)
            return engine
        log.info('slot %d: CUDA graph of %s for %d images a run', slot.number, name, batch)
        return graph


def run_sizes(engine: DeviceEngine, most: int) -> list[int]:
    """How many images a run of the network may have, ascending: powers of two, and the most.

    A network that takes none of those gets the smallest run it does take.

    :raises EngineError: when that is more than a kernel launch has room for.
    """
    possible = [count for count in range(1, IMAGES + 1) if engine.takes(count)]
    if not possible:
        raise EngineError(
            f'the model takes {engine.signature.input.batch or "more"} images a run, and the GPU '
            f'pipeline at most {IMAGES}; export it with a smaller or an open batch')
    most = min(most, possible[-1])
    return [count for count in possible
            if count <= most and (count == most or not count & (count - 1))] or possible[:1]


def cut(count: int, sizes: Sequence[int]) -> list[int]:
    """How many images each run of a batch has; only the last may have room for more.

    :param sizes: what a run may have, ascending.
    """
    runs: list[int] = []
    while count > 0:
        runs.append(max((size for size in sizes if size <= count), default=sizes[0]))
        count -= runs[-1]
    return runs
