# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Prepares the kernels and the network for a batch. A slot is the memory of one batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
import logging
import math

from cuda.bindings import driver
import numpy as np
import numpy.typing as npt

from ..engines.cuda_driver import call, copy_from_device
from ..errors import EngineError, GpuError
from ..frame import Wanted
from ..model.card import ModelCard
from ..trust.tally import tally_size
from ..untrusted.terminal_text import count_noun
from .allocator import GpuAllocator
from .cuda_graph import CudaGraph, Enqueues
from .device_engine import DeviceEngine
from .kernels.postprocess import palette_words, Postprocess, Target, totals_bytes
from .kernels.preprocess import Preprocess, Source
from .kernels.program import IMAGES
from .slots import Lane, Run, Slot, Work
from .viewports import Viewports

log = logging.getLogger(__name__)

WARM_UP = 3
"""Number of runs before a network is captured into a CUDA graph. In these runs, the engine
allocates memory and chooses algorithms."""


class Compute:
    """Prepares the GPU work of every batch.

    The GPU must be current in the thread that calls a method. Only the thread that submits
    batches may call :meth:`prepare`. At the same time, the thread that collects results may call
    :meth:`copy_network_output`, because the two calls use different slots.

    The network is captured into one CUDA graph for each slot and each number of images in a run.
    The kernels before and after the network are not in the graph, for two reasons. First, they
    run on other streams, at the same time as the network of another frame. Second, the graph must
    stay valid if the next frame has another size or lies at another address.

    :param engine: the engine of any slot. The engines of all slots have the same network.
    :param down: the stream on which the postprocessing runs.
    :param graph: see :class:`.settings.GpuSettings`, also for ``max_batch``.
    :raises EngineError: if the network accepts only batches of more than
        :data:`.kernels.program.IMAGES` images.
    """

    def __init__(self, memory: GpuAllocator, card: ModelCard, engine: DeviceEngine, down: int,
                 graph: bool, max_batch: int) -> None:
        self.sizes = run_sizes(engine, max_batch)
        self._down = down
        self._uses_graph = graph and engine.can_be_captured()
        image, output = engine.signature.input, engine.signature.output
        arch = f'sm_{memory.device.arch}'
        self._memory, self._classes = memory, len(card.classes)
        # GPU memory in which kernels add up a tally: counts of sampled pixels, see trust/tally.py.
        self._totals = 0  # 0 until a tally is first wanted
        self._label_bytes = card.label_dtype.itemsize
        self._palette = memory.allocate_on_device(4 * len(card.classes))
        self._palette_sent: npt.NDArray[np.uint8] | None = None
        self._viewports = Viewports(memory, down)
        self._preprocess = Preprocess(card.input, image, arch)
        self._postprocess = Postprocess(card, image, output, self._palette, arch)

    @property
    def uses_graph(self) -> bool:
        """Whether the network runs as a CUDA graph."""
        return self._uses_graph

    def prepare(self, slot: Slot, wanted: Wanted, palette: npt.NDArray[np.uint8],
                alpha: float) -> None:
        """Prepare the GPU work for the frames that were put into a slot.

        :param palette: (classes, 3) uint8 RGB, the colours of the overlay.
        :param alpha: weight of the class colours in the overlay, 0 to 1.
        """
        self._send_palette(palette)
        work = slot.works.get(slot.count)
        if work is None:
            work = slot.works[slot.count] = Work([
                Run(self._preprocess.make_launch(), slot.bindings[size],
                    self._postprocess.make_launch(), size)
                for size in cut_into_runs(slot.count, self.sizes)])
        slot.work = work
        slot.wanted = wanted
        targets = [self._make_target(lane, wanted) for lane in slot.lanes[:slot.count]]
        if wanted.tally and not self._totals:
            self._reserve_totals()
        key = (alpha, [(t.image, t.labels, t.confidence, t.tally, t.overlay, t.overlay_step,
                        t.frame.encoding, t.frame.height, t.frame.width, t.frame.step,
                        t.frame.viewport) for t in targets])
        if key == work.key:
            return
        work.key = None
        for run in work.runs:
            some, targets = targets[:run.size], targets[run.size:]
            self._preprocess.set_parameters(
                run.before.launch, [Source(t.frame, t.image, t.lookup) for t in some],
                slot.input.address)
            run.shape = slot.engine.output_shape(run.size)
            self._postprocess.set_parameters(
                run.after.launch, some, slot.output.address, run.shape, alpha, self._totals)
            run.before.update()
            run.after.update()
        work.key = key

    def _make_target(self, lane: Lane, wanted: Wanted) -> Target:
        outputs = lane.reserve_outputs(wanted, self._label_bytes, 4 * tally_size(self._classes))
        return Target(lane.read, lane.image, overlay_step=wanted.overlay_step,
                      **outputs._asdict(), **self._viewports.find(lane.read.viewport)._asdict())

    def warm_up(self, slot: Slot) -> None:
        """Prepare a slot's network for every run size, before the first frame comes."""
        self._reserve_tensors(slot, self.sizes[-1])  # enough for the smaller sizes too
        for size in self.sizes:
            slot.bindings[size] = self._bind_engine(slot, size)

    def copy_network_output(self, slot: Slot) -> npt.NDArray[np.generic]:
        """Copy the network output of a slot's last run from the GPU.

        The GPU must have finished the batch, and no other batch may use the slot yet.
        """
        *before, last = slot.work.runs
        output = np.empty(last.shape, slot.engine.signature.output.dtype)
        copy_from_device(output, slot.output.address)
        # The last run may have room for more images than were left in the batch.
        return output[:slot.count - sum(run.size for run in before)]

    def close(self) -> None:
        """Unload the kernels. The slots free the graphs."""
        self._preprocess.close()
        self._postprocess.close()

    def _send_palette(self, palette: npt.NDArray[np.uint8]) -> None:
        if palette is self._palette_sent:
            return
        words = palette_words(palette)
        # The kernels of earlier batches use the old colours. These kernels are on the same stream,
        # so the copy begins after them. Python must not free `words` before the copy has ended.
        call(driver.cuMemcpyHtoDAsync, self._palette, words.ctypes.data, words.nbytes,
             self._down)
        call(driver.cuStreamSynchronize, self._down)
        self._palette_sent = palette

    def _reserve_totals(self) -> None:
        # One block is enough, because all launches that use the block are on one stream.
        size = totals_bytes(self._classes)
        self._totals = self._memory.allocate_on_device(size)
        call(driver.cuMemsetD8Async, self._totals, 0, size, self._down)

    def _bind_engine(self, slot: Slot, size: int) -> Enqueues:
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
            log.warning('%s cannot be captured into a CUDA graph, so its work is enqueued call by '
                        'call. The reason: %s', name, error)
            # The engine library stores this error and raises it again in the next run. So the
            # first run after a failed capture may fail, but the second run must succeed.
            with suppress(EngineError):
                binding.enqueue(slot.stream)
            binding.enqueue(slot.stream)
            return binding
        log.info('slot %d has a CUDA graph of %s for %s a run', slot.number, name,
                 count_noun(size, 'image'))
        return graph


def run_sizes(engine: DeviceEngine, most: int) -> list[int]:
    """Return the numbers of images that a run may have, in ascending order.

    These numbers are the powers of two up to ``most``, and ``most`` itself, without the numbers
    that the network does not accept. If no number remains, the result is the smallest number that
    the network accepts.

    :raises EngineError: see :class:`Compute`.
    """
    possible = [count for count in range(1, IMAGES + 1) if engine.takes(count)]
    if not possible:
        raise EngineError(
            f'the model needs {engine.signature.input.batch or "more"} images in one run, but the '
            f'GPU pipeline can give it at most {IMAGES}. Export the model with a smaller batch '
            f'size, or with a dynamic batch size')
    most = min(most, possible[-1])
    return [count for count in possible
            if count <= most and (count == most or not count & (count - 1))] or possible[:1]


def cut_into_runs(count: int, sizes: Sequence[int]) -> list[int]:
    """Return the size of each run for ``count`` images. The last run may be larger than needed.

    :param sizes: the result of :func:`run_sizes`.
    """
    runs: list[int] = []
    while count > 0:
        runs.append(max((size for size in sizes if size <= count), default=sizes[0]))
        count -= runs[-1]
    return runs
