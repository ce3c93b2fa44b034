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

"""The pipeline of one NVIDIA GPU: upload, compute and download of different frames at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import logging
import threading
from time import perf_counter
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..engines import EngineError, Identity
from ..frame import Frame, Segmentation, Wanted
from ..host.decode import decode
from ..host.postprocess import Postprocess as HostPostprocess
from ..model_card import ModelCard
from .compute import Compute
from .driver import GpuError
from .engine import OpenEngine
from .image import KERNEL_ENCODINGS
from .inputs import InputBuffer, InputPool
from .memory import Memory
from .slots import Lane, Output, Slot, SlotSegmentation
from .streams import Streams, timings

log = logging.getLogger(__name__)

MEMORIES = ('auto', 'pinned', 'mapped')
PATIENCE = 5.0
"""Seconds that submit waits for a slot to come back."""


class _Owned(Protocol):
    def close(self) -> None: ...


_Closes = TypeVar('_Closes', bound=_Owned)


class GpuPipeline:
    """Camera bytes in, segmentations in pinned memory out.

    One thread calls :meth:`submit`, one (the same or another) :meth:`collect`; any thread
    releases. :attr:`alpha` and :attr:`palette` may be set from any thread and count from the
    next batch on.

    :param open_engine: opens the network on (card, gpu, stream).
    :param gpu: index of the GPU as CUDA counts.
    :param memory: ``pinned`` copies between host and GPU memory, ``mapped`` lets the kernels
        read and write host memory, ``auto`` takes mapped where both are one memory.
    :param spin: wait for the GPU by spinning: a little sooner, for one core.
    :param slots: batches that may be between submit and release.
    :param graph: False to enqueue call by call instead of one CUDA graph.
    :param write_combined: see :meth:`trt_segmentation.gpu.memory.Memory.pinned`.
    :param reason: why this pipeline was taken, for :attr:`identity`.
    :raises EngineError: when there is no GPU, or the network does not run on it.
    """

    def __init__(self, card: ModelCard, open_engine: OpenEngine, gpu: int = 0,
                 memory: str = 'auto', spin: bool = False, slots: int = 3, graph: bool = True,
                 write_combined: bool = False, reason: str = '') -> None:
        if memory not in MEMORIES:
            raise EngineError(f'memory: {memory!r}; expected one of {", ".join(MEMORIES)}')
        self.card = card
        self.alpha = 0.5
        self.palette: npt.NDArray[np.uint8] = card.palette
        self._changed = threading.Condition()
        self._pending: deque[Slot | None] = deque()
        self._dead: GpuError | None = None
        self._closing: list[Callable[[], None]] = []
        self._closed = False
        self.memory = Memory(gpu)
        device = self.memory.device
        mapped = memory == 'mapped' or (memory == 'auto' and device.properties.integrated)
        self.inputs = InputPool(self.memory, write_combined)
        try:
            self._streams = self._owned(Streams())
            engine = self._owned(open_engine(card, gpu, self._streams.compute))
            self._compute = self._owned(
                Compute(self.memory, card, engine, self._streams.compute, graph))
            self._slots = [self._owned(Slot(self.memory, number, mapped, not spin,
                                            card.label_dtype.itemsize))
                           for number in range(slots)]
        except BaseException:
            self.close()
            raise
        # the slot given back last is taken first: its memory is allocated and its graph built
        self._free = self._slots[::-1]
        self.signature = engine.signature
        self._checks = HostPostprocess(
            self.signature.output, len(card.classes), card.output.threshold)
        self.identity = Identity(card.name, engine.name, engine.version, engine.precision,
                                 device.name, reason)

    @property
    def graphed(self) -> bool:
        """Whether the compute part is one CUDA graph; known once a batch went through."""
        return self._compute.graphed

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Start a batch; frames may differ in size and encoding.

        A frame in a buffer of :attr:`inputs` is read from there; any other is copied into one,
        and may change as soon as this returns.

        :raises FrameError: when an encoding cannot be decoded here.
        :raises EngineError: when confidence is wanted of a model that gives none, when no slot
            comes back in time, and when the GPU failed; nothing of the batch is pending then.
        """
        if wanted.confidence:
            self._checks.check_confidence()
        if not frames:
            self._queue(None)
            return
        slot = self._take_slot()
        try:
            with self._watched():
                self._start(slot, frames, wanted)
        except BaseException:
            self._abandon(slot)
            raise
        self._queue(slot)

    def collect(self) -> list[Segmentation]:
        """Wait for the oldest batch; waits for one to be submitted where there is none.

        ``timings`` in milliseconds, of the whole batch: ``stage`` (copy into pinned memory,
        by the submitting thread), ``upload``, ``preprocess``, ``inference``, ``postprocess``
        and ``download`` by the GPU's clock, and ``total``: ``stage`` and all from the
        beginning of the upload to the end of the download.

        :raises EngineError: when the GPU failed on it; the batch is gone then.
        """
        slot = self._next()
        if slot is None:
            return []
        try:
            with self._watched():
                slot.done.wait()
                taken = timings(slot)
        except BaseException:
            self._abandon(slot)
            raise
        lanes = slot.lanes[:slot.count]
        slot.lent = len(lanes)
        answers: list[Segmentation] = [self._answer(slot, lane, dict(taken)) for lane in lanes]
        slot.let_go()
        return answers

    def close(self) -> None:
        """Free everything; a second call does nothing. No array of an answer outlives it."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        if self._dead is None:
            self.memory.enter()
        for close in [self.memory.synchronize, *reversed(self._closing)]:
            try:
                close()
            except EngineError as error:
                # after a sticky error every call fails, and the reset below frees what is left
                log.debug('on close: %s', error)
        self.memory.close(reset=self._dead is not None)

    def _owned(self, thing: _Closes) -> _Closes:
        self._closing.append(thing.close)
        return thing

    def _start(self, slot: Slot, frames: Sequence[Frame], wanted: Wanted) -> None:
        began = perf_counter()
        images = [self._stage(lane, frame) for lane, frame in zip(slot.grow(len(frames)), frames)]
        slot.staged_ms = (perf_counter() - began) * 1e3
        slot.wanted = wanted
        parts = self._compute.prepare(slot, len(frames))
        self._compute.aim(slot, parts, images, wanted, self.palette, self.alpha)
        outputs = [output for lane in slot.lanes[:slot.count] for output in _outputs(lane, wanted)]
        self._streams.run(slot, outputs, lambda: self._compute.enqueue(parts))

    def _stage(self, lane: Lane, frame: Frame) -> int:
        """Have a frame in pinned memory, decoded where the kernels cannot; its address to them."""
        read = frame
        if frame.encoding not in KERNEL_ENCODINGS:
            pixels = decode(frame)
            data = np.ascontiguousarray(pixels.array).reshape(-1)
            encoding = {'bgr': 'bgr8', 'rgb': 'rgb8', 'gray': 'mono8'}[pixels.order]
            read = Frame(data, encoding, frame.height, frame.width, data.size // frame.height)
        address = read.data.ctypes.data
        buffer: InputBuffer | None = self.inputs.holding(address)
        if buffer is None:
            buffer = self.inputs.take(read.size)
            address = buffer.address
            np.copyto(buffer.array[:read.size], read.data[:read.size])
        else:
            buffer.hold()
        return lane.place(frame, read, address, buffer)

    def _answer(self, slot: Slot, lane: Lane, taken: dict[str, float]) -> SlotSegmentation:
        frame, wanted = lane.frame, slot.wanted
        size = (frame.height, frame.width)
        return SlotSegmentation(
            frame, lane.labels.array(self.card.label_dtype, *size),
            lane.overlay.array(np.uint8, *size, 3) if wanted.overlay else None,
            lane.confidence.array(np.uint8, *size) if wanted.confidence else None,
            taken, lambda: self._released(slot))

    def _take_slot(self) -> Slot:
        with self._changed:
            self._alive()
            if not self._changed.wait_for(lambda: self._free or self._closed, PATIENCE):
                raise EngineError(
                    f'all {len(self._slots)} slots are taken: {len(self._pending)} wait for '
                    f'collect(), {len(self._slots) - len(self._pending)} for release() of their '
                    f'answers. Collect and release, or open the pipeline with more slots')
            self._alive()
            return self._free.pop()

    def _queue(self, slot: Slot | None) -> None:
        with self._changed:
            self._pending.append(slot)
            self._changed.notify_all()

    def _next(self) -> Slot | None:
        with self._changed:
            self._changed.wait_for(lambda: self._pending or self._closed)
            self._alive()
            return self._pending.popleft()

    def _released(self, slot: Slot) -> None:
        with self._changed:
            slot.lent -= 1
            if not slot.lent:
                self._free.append(slot)
                self._changed.notify_all()

    def _abandon(self, slot: Slot) -> None:
        """Take a slot back whose batch failed, once nothing of it runs any more."""
        if self._dead is None:
            try:
                with self._watched():
                    self._streams.drain()
            except GpuError as error:
                log.debug('after a failed batch: %s', error)
        slot.let_go()
        with self._changed:
            self._free.append(slot)
            self._changed.notify_all()

    def _alive(self) -> None:
        if self._closed:
            raise EngineError('the pipeline is closed; open a new one')
        if self._dead is not None:
            raise EngineError(
                f'the pipeline ended with an error of the GPU ({self._dead}); close it and open '
                f'a new one') from self._dead

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Work with the GPU current in this thread; an error it does not get over ends all."""
        try:
            self.memory.enter()
            yield
        except GpuError as error:
            if error.sticky and self._dead is None:
                self._dead = error
                log.error('the GPU pipeline of %s ended: %s', self.card.name, error)
            raise


def _outputs(lane: Lane, wanted: Wanted) -> list[Output]:
    """What of an image's outputs is to be downloaded."""
    return [lane.labels, *([lane.overlay] if wanted.overlay else []),
            *([lane.confidence] if wanted.confidence else [])]
