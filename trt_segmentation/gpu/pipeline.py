# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The pipeline for one NVIDIA GPU. Upload, computation and download of batches overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import logging
from time import perf_counter
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..engines import Identity
from ..errors import GpuError
from ..frame import Frame, Segmentation, Wanted
from ..host.decode_raw import decode
from ..memory import Allocate
from ..model.card import ModelCard
from ..model.output_watch import NetworkOutputWatch
from ..tracing.stages import stage
from ..trust.tally import tally_size
from .allocator import GpuAllocator
from .compute import Compute
from .device_engine import DeviceEngine, OpenEngine
from .input_pool import InputPool
from .kernels.image import KERNEL_ENCODINGS
from .settings import GpuSettings
from .slot_ring import SlotRing
from .slot_segmentation import SlotSegmentation
from .slots import HEADROOM, Lane, Slot
from .streams import stage_times, Streams
from .wait import Wait

log = logging.getLogger(__name__)


class _Closable(Protocol):
    def close(self) -> None: ...


_Part = TypeVar('_Part', bound=_Closable)


class GpuPipeline:
    """Turns camera bytes into segmentations in pinned memory.

    One thread may call :meth:`submit`, and the same thread or another thread may call
    :meth:`collect`. Any thread may release a segmentation, or set :attr:`alpha` (weight of the
    class colours in overlays, 0 to 1) and :attr:`palette` for the next batch.

    :param gpu: index of the GPU in CUDA's order.
    :param reason: why this pipeline was chosen. :attr:`identity` reports this text.
    :raises EngineError: if there is no such GPU, or if the network does not run on this GPU.
    """

    def __init__(self, card: ModelCard, open_engine: OpenEngine, gpu: int = 0,
                 settings: GpuSettings = GpuSettings(), reason: str = '') -> None:
        began = perf_counter()
        self.card = card
        self.alpha = 0.5
        self.palette: npt.NDArray[np.uint8] = card.palette
        self._ring = SlotRing()
        self._closing: list[Callable[[], None]] = []
        self.memory = GpuAllocator(gpu)
        self.inputs = InputPool(self.memory, settings.write_combined)
        self.allocate: Allocate | None = self.inputs.allocate
        # A slot is the memory of one batch. The depth is smaller than the number of slots, because
        # the batch whose segmentations are being published also needs a slot.
        self.depth = max(settings.slot_count - 1, 1)
        self._wait = Wait(settings.wait)
        try:
            self._streams = self._own(Streams(settings.networks, settings.exchange))
            engines = [self._own(open_engine(card, gpu, stream))
                       for stream in self._streams.compute]
            self._compute = self._own(
                Compute(self.memory, card, engines[0], self._streams.down, settings.graph,
                        settings.max_batch))
            self._make_slots(engines, settings)
        except BaseException:
            self.close()
            raise
        engine = engines[0]
        self.signature = engine.signature
        self.batch = self._compute.sizes[-1]
        self.gives_confidence = engine.signature.output.has_confidence
        self._watch = NetworkOutputWatch(card, self.signature)
        self.identity = Identity(card.name, engine.name, engine.version, engine.precision,
                                 self.memory.device.name, reason, engine.cache, engine.tuning,
                                 perf_counter() - began)

    @property
    def uses_graph(self) -> bool:
        """Whether the network runs as a CUDA graph."""
        return self._compute.uses_graph

    @property
    def lends_memory(self) -> bool:
        """See :attr:`trt_segmentation.pipeline.Pipeline.lends_memory`."""
        return self.inputs.is_lending

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Start a batch. The frames may differ in size and encoding.

        If a frame lies in a buffer of :attr:`inputs`, the GPU reads the frame from this buffer.
        Any other frame is copied into a buffer before this method returns. After an error, no part
        of the batch is pending.

        :raises FrameError: if a frame has an encoding that this package cannot decode.
        :raises EngineError: if confidence is wanted but the model gives none, if no memory
            for one more batch becomes free in time, or if the GPU failed.
        """
        if wanted.confidence:
            self.signature.output.check_confidence()
        if not frames:
            self._ring.check_usable()
            self._ring.append_pending(None)
            return
        slot = self._ring.take()
        try:
            with self._use_gpu():
                self._start(slot, frames, wanted)
        except BaseException:
            self._abandon(slot)
            raise
        self._ring.append_pending(slot)

    def collect(self) -> list[Segmentation]:
        """Wait for the oldest batch.

        ``timings`` gives the milliseconds of each stage of the whole batch. During ``stage``,
        :meth:`submit` copies the frames into pinned memory. The GPU's clock measures ``upload``,
        ``preprocess``, ``inference``, ``postprocess`` and ``download``. The download of overlays
        is not part of ``download``. ``total`` is ``stage`` plus the time from the beginning of
        ``upload`` to the end of ``download``. When the caller reads an overlay, ``timings`` gets
        the time of the overlay's download as ``overlay``.

        :raises EngineError: if no batch is pending, if the pipeline is closed, or if the GPU
            failed on the batch. The failed batch is no longer pending.
        """
        slot = self._ring.lend_next()
        if slot is None:
            return []
        try:
            # A segmentation refers to the memory of its outputs. So the segmentations can be made
            # while the GPU still computes these outputs.
            segmentations = [self._segmentation(slot, lane) for lane in slot.lanes[:slot.count]]
            with self._use_gpu():
                self._wait.wait_for(slot.labelled, slot.began)
                times = stage_times(slot)
                # Only the outputs of the first batches are checked, because each copy is large.
                if not self._watch.is_done:
                    self._watch.check(self._compute.copy_network_output(slot))
        except BaseException:
            self._abandon(slot)
            raise
        self._wait.add_duration((times['total'] - times['stage']) / 1e3)
        for segmentation in segmentations:
            segmentation.timings = dict(times)
        slot.release_inputs()
        return segmentations

    def close(self) -> None:
        """Free everything, also the arrays of segmentations. A second call does nothing."""
        if not self._ring.close() or self._ring.fatal_error is not None:
            return      # after a fatal error, CUDA frees nothing
        for close in [self.memory.make_current, self.memory.synchronize,
                      *reversed(self._closing), self.memory.close]:
            try:
                close()
            except GpuError as error:
                log.error('the GPU pipeline of %s cannot free all its memory: %s',
                          self.card.name, error)
                if error.sticky:
                    self.memory.mark_lost(error)
                    return

    def _own(self, part: _Part) -> _Part:
        """Let :meth:`close` close this part too. The part that was added last is closed first."""
        self._closing.append(part.close)
        return part

    def _make_slots(self, engines: Sequence[DeviceEngine], settings: GpuSettings) -> None:
        streams, networks = self._streams.compute, settings.networks
        is_mapped = settings.memory == 'mapped' or (
            settings.memory == 'auto' and self.memory.device.properties.integrated)
        slots = [self._own(Slot(self.memory, number, is_mapped, self._wait.is_blocking,
                                engines[number % networks], streams[number % networks],
                                settings.direct_labels))
                 for number in range(settings.slot_count)]
        # The warm-up takes as long as a camera needs to send about 20 frames. So the warm-up is
        # done before the first frame.
        for slot in slots:
            self._compute.warm_up(slot)
        self._ring.fill(slots, streams)

    def _start(self, slot: Slot, frames: Sequence[Frame], wanted: Wanted) -> None:
        began = perf_counter()
        with stage('stage'):
            for lane, frame in zip(slot.use_lanes(len(frames)), frames):
                self._stage(lane, frame)
        slot.began = perf_counter()
        slot.staged_ms = (slot.began - began) * 1e3
        with stage('upload'):
            self._streams.enqueue_upload(slot)
        # While the GPU uploads the frames, this thread prepares the next stages.
        self._compute.prepare(slot, wanted, self.palette, self.alpha)
        self._streams.enqueue_runs(slot)
        with stage('download'):
            self._streams.enqueue_download(slot)

    def _stage(self, lane: Lane, frame: Frame) -> None:
        """Put a frame into pinned memory. Decode it first if kernels cannot read its encoding."""
        read = frame
        if frame.encoding not in KERNEL_ENCODINGS:
            if self.inputs.find_buffer(frame.data.ctypes.data) is not None:
                self.inputs.stop_write_combining()
            pixels = decode(frame)
            data = np.ascontiguousarray(pixels.array).reshape(-1)
            encoding = {'bgr': 'bgr8', 'rgb': 'rgb8', 'gray': 'mono8'}[pixels.order]
            read = Frame(data, encoding, frame.height, frame.width, data.size // frame.height,
                         viewport=frame.viewport)
        address = read.data.ctypes.data
        buffer = self.inputs.find_buffer(address)
        if buffer is None:
            buffer = self.inputs.take(read.size)
            address = buffer.address
            np.copyto(buffer.array[:read.size], read.data[:read.size])
        else:
            buffer.add_holder()
        lane.place_frame(frame, read, address, buffer)

    def _segmentation(self, slot: Slot, lane: Lane) -> Segmentation:
        frame = lane.frame
        size = (frame.height, frame.width)
        labels = lane.output_array('labels', self.card.label_dtype, *size)
        assert labels is not None
        return SlotSegmentation(
            frame, labels,
            lane.output_array('overlay', np.uint8, *slot.wanted.overlay_size(frame), 3),
            lane.output_array('confidence', np.uint8, *size), headroom=HEADROOM,
            tally=lane.output_array('tally', np.uint32, tally_size(len(self.card.classes))),
            give_back=lambda: self._ring.release_one(slot),
            wait_for_overlay=(lambda: self._wait_for_overlay(slot)) if slot.wanted.overlay
            else None)

    def _wait_for_overlay(self, slot: Slot) -> float:
        self._ring.check_usable()
        with self._use_gpu():
            self._wait.wait_soon(slot.done)
            return slot.done.ms_since(slot.labelled)

    def _abandon(self, slot: Slot) -> None:
        """Wait until the GPU no longer uses a failed batch. Then make the slot free."""
        if self._ring.fatal_error is None:
            try:
                with self._use_gpu():
                    self._streams.drain()
            except GpuError as error:
                log.debug('the GPU cannot finish its work after a failed batch: %s', error)
        slot.release_inputs()
        self._ring.put_back(slot)

    @contextmanager
    def _use_gpu(self) -> Iterator[None]:
        """Make the GPU current for a ``with`` block. A sticky CUDA error ends the pipeline.

        After a sticky error, this process cannot use the GPU any more.
        """
        try:
            self.memory.make_current()
            yield
        except GpuError as error:
            if error.sticky and self._ring.fatal_error is None:
                self._ring.record_fatal_error(error)
                self.memory.mark_lost(error)
                log.error('an error ended the GPU pipeline of %s: %s', self.card.name, error)
            raise
