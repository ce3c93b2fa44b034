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

"""A ring of slots: memory for what is in flight, allocated once and used again."""

from __future__ import annotations

from dataclasses import dataclass, field
import logging
from typing import Any

import numpy.typing as npt

from ..frame import Frame, Segmentation, Wanted
from .graph import ComputeGraph, Launch, Mark
from .inputs import InputBuffer
from .memory import Memory, Pinned

log = logging.getLogger(__name__)

HEADROOM = 4096
"""Bytes of the same pinned memory before every output array, for a message's header."""


class Region:
    """Memory that is as large as the largest thing it had to hold, on the GPU or pinned."""

    def __init__(self, memory: Memory, what: str, pinned: bool) -> None:
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


class Output:
    """One output plane of one image: where kernels write it and where the caller reads it.

    :param mapped: kernels write host memory, and there is nothing to download.
    """

    def __init__(self, memory: Memory, what: str, mapped: bool) -> None:
        self._host = Region(memory, what, pinned=True)
        self._device = None if mapped else Region(memory, what, pinned=False)
        self.nbytes = 0

    def reserve(self, nbytes: int) -> int:
        """Make room; returns the address kernels write to."""
        self.nbytes = nbytes
        self._host.reserve(HEADROOM + nbytes)
        if self._device is None:
            return self._host.address + HEADROOM
        self._device.reserve(nbytes)
        return self._device.address

    @property
    def copy(self) -> tuple[int, int, int]:
        """(host address, GPU address, bytes) of the download."""
        assert self._host.block is not None and self._device is not None
        return self._host.block.address + HEADROOM, self._device.address, self.nbytes

    def array(self, dtype: Any, *shape: int) -> npt.NDArray[Any]:
        """The plane as an array that starts HEADROOM bytes into its memory."""
        assert self._host.block is not None
        plane = self._host.block.array[HEADROOM:HEADROOM + self.nbytes]
        array: npt.NDArray[Any] = plane.view(dtype).reshape(shape)
        return array


class Lane:
    """One image's place in a slot."""

    def __init__(self, memory: Memory, name: str, mapped: bool) -> None:
        self._device = None if mapped else Region(memory, f'{name} image', pinned=False)
        self.labels = Output(memory, f'{name} labels', mapped)
        self.confidence = Output(memory, f'{name} confidence', mapped)
        self.overlay = Output(memory, f'{name} overlay', mapped)
        self.frame: Frame
        self.read: Frame
        self.source: tuple[int, InputBuffer] | None = None

    def place(self, frame: Frame, read: Frame, address: int, buffer: InputBuffer) -> int:
        """Take a frame; returns the address kernels read it at.

        :param frame: as it came.
        :param read: what the kernels read: the frame, or what it was decoded to.
        :param address: host address of its first byte, in the buffer.
        """
        self.frame, self.read, self.source = frame, read, (address, buffer)
        if self._device is None:
            return buffer.block.mapped + address - buffer.address
        self._device.reserve(read.size)
        return self._device.address

    @property
    def upload(self) -> tuple[int, int, int]:
        """(GPU address, host address, bytes) of the upload."""
        assert self._device is not None and self.source is not None
        return self._device.address, self.source[0], self.read.size


@dataclass
class Parts:
    """The work of one batch size of a slot, in order.

    :param steps: marks, launches and the engine.
    :param spans: marks (before, between, between, after) each run's three stages.
    :param runs: (preprocess, postprocess) launches of each run of the engine.
    :param recorded: the engine's captured work, or None.
    :param graph: all steps at once, or None where they are enqueued one by one.
    :param key: what the launches were last aimed at.
    :param said: what was last logged about it.
    :param generation: of the tensors the engine was bound to.
    """

    steps: list[Any]
    spans: list[tuple[Mark, Mark, Mark, Mark]]
    runs: list[tuple[Launch, Launch]]
    recorded: Any = None
    graph: ComputeGraph | None = None
    key: object = None
    said: object = None
    generation: int = 0

    def close(self) -> None:
        """Free graph and marks."""
        if self.graph is not None:
            self.graph.close()
        for span in self.spans:
            for mark in span:
                mark.close()


class Slot:
    """One batch in flight: its images, outputs, marks and graphs.

    :param number: for messages.
    :param blocking: whether waiting for the last mark gives the core away.
    :param label_bytes: of one pixel of a label map.
    """

    def __init__(self, memory: Memory, number: int, mapped: bool, blocking: bool,
                 label_bytes: int) -> None:
        self.number = number
        self.label_bytes = label_bytes
        self._memory = memory
        self.mapped = mapped
        self.lanes: list[Lane] = []
        self.parts: dict[int, Parts] = {}
        self.begun, self.uploaded, self.computed = Mark(), Mark(), Mark()
        self.downloading, self.done = Mark(), Mark(blocking)
        self.count = 0
        self.lent = 0
        self.wanted = Wanted()
        self.staged_ms = 0.0

    def grow(self, count: int) -> list[Lane]:
        """The first ``count`` lanes, made where there are not so many yet."""
        while len(self.lanes) < count:
            name = f'slot {self.number} image {len(self.lanes)}'
            self.lanes.append(Lane(self._memory, name, self.mapped))
        self.count = count
        return self.lanes[:count]

    def let_go(self) -> None:
        """Let the frames' buffers be lent again."""
        for lane in self.lanes:
            if lane.source is not None:
                lane.source[1].release()
                lane.source = None

    def close(self) -> None:
        """Free graphs and marks; memory is its owner's."""
        for parts in self.parts.values():
            parts.close()
        self.parts.clear()
        for mark in (self.begun, self.uploaded, self.computed, self.downloading, self.done):
            mark.close()


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
