# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
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

from ..engines import Identity
from ..errors import EngineError, GpuError
from ..frame import Frame, Segmentation, Wanted
from ..host.decode_raw import decode
from ..host.postprocess import Postprocess as HostPostprocess
from ..memory import Allocate
from ..model.card import ModelCard
from ..model.output_watch import NetworkOutputWatch
from .allocator import GpuAllocator
from .compute import Compute
from .device_engine import OpenEngine
from .input_pool import InputPool
from .kernels.image import KERNEL_ENCODINGS
from .slots import HEADROOM, Lane, Slot, SlotSegmentation
from .streams import Streams, timings
from .wait import Wait, WAITS

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
    :param wait: for the GPU, one of :data:`trt_segmentation.gpu.wait.WAITS`.
    :param slots: batches that may be between submit and release; 2 and one for every network
        where not given.
    :param networks: copies of the network that run at once, each on a stream of its own. A
        small network leaves much of a large GPU idle: two finish more frames a second together,
        each of them a little later.
    :param max_batch: images of one run of the network at most, where its file leaves that open.
        It is made ready for 1, 2, 4 and so on up to that, and a batch is cut into these.
    :param graph: False to enqueue the network call by call instead of as a CUDA graph.
    :param write_combined: of :attr:`inputs`, see
        :meth:`trt_segmentation.gpu.allocator.GpuAllocator.pinned`.
    :param reason: why this pipeline was taken, for :attr:`identity`.
    :raises EngineError: when there is no GPU, or the network does not run on it.
    """

    def __init__(self, card: ModelCard, open_engine: OpenEngine, gpu: int = 0,
                 memory: str = 'auto', wait: str = 'timed', slots: int | None = None,
                 graph: bool = True, write_combined: bool = False, networks: int = 1,
                 max_batch: int = 1, reason: str = '') -> None:
        slots = slots or 2 + networks
        for what, value, known in (('memory', memory, MEMORIES), ('wait', wait, WAITS)):
            if value not in known:
                raise EngineError(f'{what}: {value!r}; expected one of {", ".join(known)}')
        self.card = card
        self.alpha = 0.5
        self.palette: npt.NDArray[np.uint8] = card.palette
        self._changed = threading.Condition()
        self._pending: deque[Slot | None] = deque()
        self._dead: GpuError | None = None
        self._closing: list[Callable[[], None]] = []
        self._closed = False
        self.memory = GpuAllocator(gpu)
        device = self.memory.device
        mapped = memory == 'mapped' or (memory == 'auto' and device.properties.integrated)
        self.inputs = InputPool(self.memory, write_combined)
        self.allocate: Allocate | None = self.inputs.allocate
        # the answers of one batch are being read meanwhile
        self.depth = max(slots - 1, 1)
        self._wait = Wait(wait)
        try:
            self._streams = self._owned(Streams(networks))
            engines = [self._owned(open_engine(card, gpu, stream))
                       for stream in self._streams.compute]
            engine = engines[0]
            self._compute = self._owned(
                Compute(self.memory, card, engine, self._streams.down, graph, max_batch))
            self._slots = [
                self._owned(Slot(self.memory, number, mapped, self._wait.blocking,
                                 engines[number % networks],
                                 self._streams.compute[number % networks]))
                for number in range(slots)]
            # now, not at the first frame: algorithms are picked and graphs captured for as long
            # as a camera takes to send twenty
            for slot in self._slots:
                self._compute.warm_up(slot)
        except BaseException:
            self.close()
            raise
        self._free = self._slots[::-1]
        self._turn = 0
        self.signature = engine.signature
        self.batch = self._compute.sizes[-1]
        self.gives_confidence = engine.signature.output.kind != 'labels'
        self._checks = HostPostprocess(
            self.signature.output, len(card.classes), card.output.threshold)
        self._watch = NetworkOutputWatch(card, self.signature)
        self.identity = Identity(card.name, engine.name, engine.version, engine.precision,
                                 device.name, reason)

    @property
    def graphed(self) -> bool:
        """Whether the network runs as a CUDA graph; known once a batch went through."""
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
            slot.lent = slot.count
            # made while the GPU works: they only say where the outputs will be
            answers = [self._answer(slot, lane) for lane in slot.lanes[:slot.count]]
            with self._watched():
                self._wait.wait(slot.done, slot.began)
                taken = timings(slot)
                if not self._watch.is_done:    # the first batches only: a copy of megabytes
                    self._watch.check(self._compute.answer(slot))
        except BaseException:
            self._abandon(slot)
            raise
        self._wait.learn((taken['total'] - taken['stage']) / 1e3)
        for answer in answers:
            answer.timings = dict(taken)
        slot.let_go()
        return answers

    def close(self) -> None:
        """Free everything; a second call does nothing. No array of an answer outlives it."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        if self._dead is not None:
            return  # nothing can be freed any more
        self.memory.enter()
        try:
            for close in [self.memory.synchronize, *reversed(self._closing), self.memory.close]:
                close()
        except GpuError as error:
            log.error('closing the GPU pipeline of %s: %s', self.card.name, error)
            if error.sticky:
                self.memory.lose(error)

    def _owned(self, thing: _Closes) -> _Closes:
        self._closing.append(thing.close)
        return thing

    def _start(self, slot: Slot, frames: Sequence[Frame], wanted: Wanted) -> None:
        began = perf_counter()
        for lane, frame in zip(slot.grow(len(frames)), frames):
            self._stage(lane, frame)
        slot.began = perf_counter()
        slot.staged_ms = (slot.began - began) * 1e3
        self._streams.begin(slot)
        # the rest is made ready while the frames go up
        self._compute.prepare(slot, wanted, self.palette, self.alpha)
        self._streams.run(slot)
        self._streams.end(slot)

    def _stage(self, lane: Lane, frame: Frame) -> None:
        """Have a frame in pinned memory, decoded where the kernels cannot."""
        read = frame
        if frame.encoding not in KERNEL_ENCODINGS:
            if self.inputs.holding(frame.data.ctypes.data) is not None:
                self.inputs.cache()
            pixels = decode(frame)
            data = np.ascontiguousarray(pixels.array).reshape(-1)
            encoding = {'bgr': 'bgr8', 'rgb': 'rgb8', 'gray': 'mono8'}[pixels.order]
            read = Frame(data, encoding, frame.height, frame.width, data.size // frame.height)
        address = read.data.ctypes.data
        buffer = self.inputs.holding(address)
        if buffer is None:
            buffer = self.inputs.take(read.size)
            address = buffer.address
            np.copyto(buffer.array[:read.size], read.data[:read.size])
        else:
            buffer.hold()
        lane.place(frame, read, address, buffer)

    def _answer(self, slot: Slot, lane: Lane) -> Segmentation:
        frame = lane.frame
        size = (frame.height, frame.width)
        labels = lane.array('labels', self.card.label_dtype, *size)
        assert labels is not None
        return SlotSegmentation(
            frame, labels, lane.array('overlay', np.uint8, *size, 3),
            lane.array('confidence', np.uint8, *size), headroom=HEADROOM,
            give_back=lambda: self._released(slot))

    def _take_slot(self) -> Slot:
        with self._changed:
            self._alive()
            if not self._changed.wait_for(lambda: self._free or self._closed, PATIENCE):
                raise EngineError(
                    f'all {len(self._slots)} slots are taken: {len(self._pending)} wait for '
                    f'collect(), {len(self._slots) - len(self._pending)} for release() of their '
                    f'answers. Collect and release, or open the pipeline with more slots')
            self._alive()
            # networks take turns; of a network's slots the one given back last, whose memory is
            # allocated
            stream = self._streams.compute[self._turn % len(self._streams.compute)]
            self._turn += 1
            slot = next((s for s in reversed(self._free) if s.stream == stream), self._free[-1])
            self._free.remove(slot)
            return slot

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
            error = EngineError(
                f'the pipeline ended with an error of the GPU ({self._dead}); this process '
                f'cannot use that GPU again, restart it')
            error.sticky = True
            raise error from self._dead

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Work with the GPU current in this thread; an error it does not get over ends all."""
        try:
            self.memory.enter()
            yield
        except GpuError as error:
            if error.sticky and self._dead is None:
                self._dead = error
                self.memory.lose(error)
                log.error('the GPU pipeline of %s ended: %s', self.card.name, error)
            raise
