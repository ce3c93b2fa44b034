# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The kernels and the network of one model, prepared for a slot's batch."""

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
"""Runs before a capture. In their first runs engines allocate memory and pick algorithms."""


class Compute:
    """Prepares batches.

    Only one thread at a time may call the methods, with the GPU's context current.

    The network is captured into a CUDA graph once for every slot and run size, with the slot's own
    tensors. The kernels before and after the network are not in that graph, for two reasons. They
    have their own streams, so they run at the same time as the network of another frame. And a
    frame of another size or address needs no new graph.

    :param engine: the network of any slot; all slots have the same network.
    :param down: the stream that postprocesses.
    :param graph: False to enqueue the network call by call.
    :param max_batch: the most images in one run, if the network leaves the batch size open.
    :raises EngineError: if every run of the network has more images than a launch has room for.
    """

    def __init__(self, memory: GpuAllocator, card: ModelCard, engine: DeviceEngine, down: int,
                 graph: bool = True, max_batch: int = 1) -> None:
        self.sizes = run_sizes(engine, max_batch)
        self._down = down
        self._uses_graph = graph and engine.capturable
        image, output = engine.signature.input, engine.signature.output
        arch = f'sm_{memory.device.arch}'
        self._label_bytes = card.label_dtype.itemsize
        self._palette = memory.allocate_on_device(4 * len(card.classes))
        self._palette_sent: npt.NDArray[np.uint8] | None = None
        self._preprocess = Preprocess(card.input, image, arch)
        self._postprocess = Postprocess(card, image, output, self._palette, arch)

    @property
    def uses_graph(self) -> bool:
        """Whether the network runs as a CUDA graph."""
        return self._uses_graph

    def prepare(self, slot: Slot, wanted: Wanted, palette: npt.NDArray[np.uint8],
                alpha: float) -> None:
        """Prepare a slot's work for the frames in its lanes."""
        self._send_palette(palette)
        work = slot.works.get(slot.count)
        if work is None:
            work = slot.works[slot.count] = Work([
                Run(self._preprocess.make_launch(), slot.bindings[size],
                    self._postprocess.make_launch(), size)
                for size in cut_into_runs(slot.count, self.sizes)])
        slot.work = work
        targets = [Target(lane.read, lane.image, *lane.reserve_outputs(wanted, self._label_bytes))
                   for lane in slot.lanes[:slot.count]]
        key = (alpha, [(t.image, t.labels, t.confidence, t.overlay, t.frame.encoding,
                        t.frame.height, t.frame.width, t.frame.step) for t in targets])
        if key == work.key:
            return
        work.key = None
        for run in work.runs:
            some, targets = targets[:run.size], targets[run.size:]
            self._preprocess.set_parameters(
                run.before.launch, [(t.frame, t.image) for t in some], slot.input.address)
            run.shape = slot.engine.output_shape(run.size)
            self._postprocess.set_parameters(
                run.after.launch, some, slot.output.address, run.shape, alpha)
            run.before.update()
            run.after.update()
        work.key = key

    def warm_up(self, slot: Slot) -> None:
        """Prepare a slot's network for every run size, before the first frame comes."""
        self._reserve_tensors(slot, self.sizes[-1])  # all sizes use the tensors of the largest
        for size in self.sizes:
            slot.bindings[size] = self._bind_engine(slot, size)

    def copy_network_output(self, slot: Slot) -> npt.NDArray[np.generic]:
        """Copy the network output of a slot's last run from the GPU.

        Call this after the slot's batch is done and before the slot is free again.
        """
        *before, last = slot.work.runs
        output = np.empty(last.shape, slot.engine.signature.output.dtype)
        call(driver.cuMemcpyDtoH, output.ctypes.data, slot.output.address, output.nbytes)
        # the last run may have room for more images than the batch had
        return output[:slot.count - sum(run.size for run in before)]

    def close(self) -> None:
        """Unload the kernels. The slots own the graphs."""
        self._preprocess.close()
        self._postprocess.close()

    def _send_palette(self, palette: npt.NDArray[np.uint8]) -> None:
        if palette is self._palette_sent:
            return
        words = palette_words(palette)
        # On this stream the copy comes after the kernels of earlier batches, which must still
        # use the old colours.
        call(driver.cuMemcpyHtoDAsync, self._palette, words.ctypes.data, words.nbytes,
             self._down)
        # `words` must stay alive until the copy has read it
        call(driver.cuStreamSynchronize, self._down)
        self._palette_sent = palette

    def _bind_engine(self, slot: Slot, size: int) -> Enqueues:
        """Bind the engine to a slot's tensors, warm it up, and capture it if possible."""
        binding = slot.engine.bind(size, slot.input.address, slot.output.address)
        for _ in range(WARM_UP):
            binding.enqueue(slot.stream)
        call(driver.cuStreamSynchronize, slot.stream)
        return self._capture(binding, slot, size) if self._uses_graph else binding

    def _reserve_tensors(self, slot: Slot, size: int) -> None:
        signature = slot.engine.signature
        for region, shape, dtype in (
                (slot.input, signature.input.shape(size), signature.input.dtype),
                (slot.output, slot.engine.output_shape(size), signature.output.dtype)):
            region.reserve(math.prod(shape) * np.dtype(dtype).itemsize)

    def _capture(self, binding: Enqueues, slot: Slot, size: int) -> Enqueues:
        name = f'{slot.engine.name} {slot.engine.version}'
        try:
            graph = CudaGraph([binding], slot.stream)
        except EngineError as error:
            if isinstance(error, GpuError) and error.sticky:
                raise
            self._uses_graph = False
            log.warning('%s cannot be captured into a CUDA graph, its work is enqueued call by '
                        'call: %s', name, error)
            # The library keeps this error as its last error and reports it in the next run.
            with suppress(EngineError):
                binding.enqueue(slot.stream)
            binding.enqueue(slot.stream)
            return binding
        log.info('slot %d: CUDA graph of %s for %d images a run', slot.number, name, size)
        return graph


def run_sizes(engine: DeviceEngine, most: int) -> list[int]:
    """Return the numbers of images that a run may have, ascending: powers of two, and ``most``.

    A network that takes none of these numbers gets the smallest run that it takes.

    :raises EngineError: if the smallest run has more images than a kernel launch has room for.
    """
    possible = [count for count in range(1, IMAGES + 1) if engine.takes(count)]
    if not possible:
        raise EngineError(
            f'the model takes {engine.signature.input.batch or "more"} images a run, and the GPU '
            f'pipeline at most {IMAGES}; export it with a smaller or an open batch')
    most = min(most, possible[-1])
    return [count for count in possible
            if count <= most and (count == most or not count & (count - 1))] or possible[:1]


def cut_into_runs(count: int, sizes: Sequence[int]) -> list[int]:
    """Return the size of each run of a batch. Only the last run may have room to spare.

    :param count: images of the batch.
    :param sizes: the sizes that a run may have, ascending.
    """
    runs: list[int] = []
    while count > 0:
        runs.append(max((size for size in sizes if size <= count), default=sizes[0]))
        count -= runs[-1]
    return runs
