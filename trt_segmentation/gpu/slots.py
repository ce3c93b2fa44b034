# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A ring of slots: memory for what is in flight, allocated once and used again."""

from __future__ import annotations

from dataclasses import dataclass, field
import logging
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..frame import Frame, Segmentation, Wanted
from .allocator import GpuAllocator, Pinned
from .cuda_graph import CudaGraph, Enqueues, LaunchGraph, Mark
from .device_engine import DeviceEngine
from .input_pool import InputBuffer
from .kernels.launch import Launch

log = logging.getLogger(__name__)

HEADROOM = 4096
"""Bytes of the same pinned memory before every output array, for a message's header."""

ALIGNED = 256
"""Bytes at whose multiples outputs begin on the GPU."""


class Region:
    """GpuAllocator that is as large as the largest thing it had to hold, on the GPU or pinned."""

    def __init__(self, memory: GpuAllocator, what: str, pinned: bool) -> None:
        self._memory = memory
        self._what = what
        self._pinned = pinned
        self.block: Pinned | None = None
        self.address = 0
        self.capacity = 0

    def reserve(self, nbytes: int) -> None:
        """Have room for that many bytes; what was there is lost when it has to grow.

        The GPU must be done with it. An address once given stays until the region grows.
        """
        if nbytes <= self.capacity:
            return
        if self.capacity:
            self._memory.free(self.block or self.address)
        grown, self.capacity = self.capacity, 0
        if self._pinned:
            self.block = self._memory.pinned(nbytes)
            self.address = self.block.mapped
        else:
            self.address = self._memory.on_device(nbytes)
        self.capacity = nbytes
        log.info('%s: %d bytes %s%s', self._what, nbytes,
                 'pinned' if self._pinned else 'on the GPU',
                 f', grown from {grown}' if grown else '')


class Outputs(NamedTuple):
    """Where kernels write the outputs of one image; 0 where not wanted."""

    labels: int
    confidence: int = 0
    overlay: int = 0


class Lane:
    """One image's place in a slot: the camera image on the GPU, and its outputs.

    :attr:`upload` is (GPU address, host address, bytes), :attr:`download` (host address, GPU
    address, bytes); None where kernels reach the host's memory themselves.

    :param mapped: kernels read the image and write the outputs in host memory.
    """

    def __init__(self, memory: GpuAllocator, name: str, mapped: bool) -> None:
        self._image = None if mapped else Region(memory, f'{name} image', pinned=False)
        self._host = Region(memory, f'{name} outputs', pinned=True)
        self._device = None if mapped else Region(memory, f'{name} outputs', pinned=False)
        self._planes: dict[str, int] = {}
        self.frame: Frame
        self.read: Frame
        self.image = 0
        self.buffer: InputBuffer | None = None
        self.upload: tuple[int, int, int] | None = None
        self.download: tuple[int, int, int] | None = None

    def place(self, frame: Frame, read: Frame, address: int, buffer: InputBuffer) -> None:
        """Take a frame; :attr:`image` is then where kernels read it.

        :param frame: as it came.
        :param read: what the kernels read: the frame, or what it was decoded to.
        :param address: host address of its first byte, in the buffer.
        """
        self.frame, self.read, self.buffer = frame, read, buffer
        if self._image is None:
            self.image = buffer.block.mapped + address - buffer.address
            return
        self._image.reserve(read.size)
        self.image = self._image.address
        self.upload = (self.image, address, read.size)

    def lay_out(self, wanted: Wanted, label_bytes: int) -> Outputs:
        """Make room for what is wanted of the frame, one plane behind the other in one block.

        One block is one download; each copy costs about 10 µs beside its bytes.
        """
        pixels = self.frame.height * self.frame.width
        sizes = {'labels': pixels * label_bytes, 'overlay': 3 * pixels * wanted.overlay,
                 'confidence': pixels * wanted.confidence}
        end = 0
        self._planes = {}
        for name, size in sizes.items():
            if size:
                self._planes[name] = end + HEADROOM
                end = -(-(end + HEADROOM + size) // ALIGNED) * ALIGNED
        self._host.reserve(end)
        base = self._host.address
        assert self._host.block is not None
        if self._device is not None:
            # the same layout without the first plane's headroom
            self._device.reserve(end - HEADROOM)
            base = self._device.address - HEADROOM
            self.download = (self._host.block.address + HEADROOM, self._device.address,
                             end - HEADROOM)
        return Outputs(*(base + self._planes[name] if name in self._planes else 0
                         for name in Outputs._fields))

    def array(self, name: str, dtype: Any, *shape: int) -> npt.NDArray[Any] | None:
        """A plane as an array that starts HEADROOM bytes into its own memory, if wanted."""
        if name not in self._planes:
            return None
        assert self._host.block is not None
        begin = self._planes[name]
        size = math.prod(shape) * np.dtype(dtype).itemsize
        plane = self._host.block.array[begin:begin + size]
        shaped: npt.NDArray[Any] = plane.view(dtype).reshape(shape)
        return shaped


class Run:
    """One run of the network with its kernels, and marks around each.

    :param before: preprocesses.
    :param after: postprocesses.
    :param size: images there is room for.
    :ivar shape: of the answer's tensor; set by who prepares the run.
    """

    def __init__(self, before: Launch, engine: Enqueues, after: Launch, size: int) -> None:
        self.size = size
        self.shape: tuple[int, ...] = ()
        self.before, self.engine, self.after = LaunchGraph(before), engine, LaunchGraph(after)
        self.preparing, self.prepared, self.inferring, self.inferred, self.answering, \
            self.answered = self._marks = [Mark() for _ in range(6)]

    def close(self) -> None:
        """Free marks and launches; the engine is its owner's."""
        for mark in self._marks:
            mark.close()
        self.before.close()
        self.after.close()


@dataclass
class Work:
    """What a slot does for one batch size.

    :param key: what the launches were last aimed at.
    """

    runs: list[Run]
    key: object = None


class Slot:
    """One batch in flight: its images, tensors, outputs, marks and engine bindings.

    :param number: for messages.
    :param blocking: whether waiting for the last mark gives the core away.
    :param mapped: see :class:`Lane`.
    :param engine: the network its batches go through.
    :param stream: the one that network was opened with.
    """

    def __init__(self, memory: GpuAllocator, number: int, mapped: bool, blocking: bool,
                 engine: DeviceEngine, stream: int) -> None:
        self.number = number
        self.engine = engine
        self.stream = stream
        self._memory = memory
        self._mapped = mapped
        self.tensor = Region(memory, f'slot {number} input tensor', pinned=False)
        self.answer = Region(memory, f'slot {number} output tensor', pinned=False)
        self.engines: dict[int, Enqueues] = {}
        self.works: dict[int, Work] = {}
        self.work: Work
        self.lanes: list[Lane] = []
        self.begun, self.done = Mark(), Mark(blocking)
        self.count = 0
        self.lent = 0
        self.staged_ms = 0.0
        self.began = 0.0

    def grow(self, count: int) -> list[Lane]:
        """The first ``count`` lanes, made where there are not so many yet."""
        while len(self.lanes) < count:
            name = f'slot {self.number} image {len(self.lanes)}'
            self.lanes.append(Lane(self._memory, name, self._mapped))
        self.count = count
        return self.lanes[:count]

    def let_go(self) -> None:
        """Let the frames' buffers be lent again."""
        for lane in self.lanes:
            if lane.buffer is not None:
                lane.buffer.release()
                lane.buffer = None

    def close(self) -> None:
        """Free graphs and marks; the GPU must be done with them, and memory is its owner's."""
        for work in self.works.values():
            for run in work.runs:
                run.close()
        for engine in self.engines.values():
            if isinstance(engine, CudaGraph):
                engine.close()
        self.begun.close()
        self.done.close()


@dataclass
class SlotSegmentation(Segmentation):
    """An answer in a slot's pinned memory.

    Every array has :data:`HEADROOM` writable bytes before it, so that a message can be put
    together around it and published from where it is.
    """

    give_back: Any = field(default=None, repr=False)

    def release(self) -> None:
        """Give the arrays back to the pipeline; a second call does nothing."""
        give_back, self.give_back = self.give_back, None
        if give_back is not None:
            give_back()
