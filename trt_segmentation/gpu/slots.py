# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Slots: the memory of the batches in the pipeline. A slot is allocated once and used often."""

from __future__ import annotations

from dataclasses import dataclass
import logging
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..frame import Frame, Wanted
from .allocator import GpuAllocator, Pinned
from .cuda_graph import CudaGraph, Enqueues, LaunchGraph, Mark
from .device_engine import DeviceEngine
from .input_pool import InputBuffer
from .kernels.launch import Launch

log = logging.getLogger(__name__)

HEADROOM = 4096
"""Number of free bytes before every output array. A message header fits into these bytes."""

ALIGNED = 256
"""On the GPU and in pinned memory, every output begins at a multiple of this many bytes."""


class Region:
    """A block of GPU memory or of pinned memory. The block can grow.

    :param what: name of the content, for log messages.
    :param pinned: True for pinned memory on the host; False for memory on the GPU.
    """

    def __init__(self, memory: GpuAllocator, what: str, pinned: bool) -> None:
        self._memory = memory
        self._what = what
        self._pinned = pinned
        self.block: Pinned | None = None
        self.address = 0
        self.capacity = 0

    def reserve(self, nbytes: int) -> None:
        """Give the region at least this many bytes. No GPU work may still use the region.

        If the region grows, its content is lost, and its address changes.
        """
        if nbytes <= self.capacity:
            return
        if self.capacity:
            self._memory.free(self.block or self.address)
        grown_from, self.capacity = self.capacity, 0
        if self._pinned:
            self.block = self._memory.allocate_pinned(nbytes)
            self.address = self.block.mapped
        else:
            self.address = self._memory.allocate_on_device(nbytes)
        self.capacity = nbytes
        log.info('%s: %d bytes %s%s', self._what, nbytes,
                 'pinned' if self._pinned else 'on the GPU',
                 f', grown from {grown_from}' if grown_from else '')


class Outputs(NamedTuple):
    """The addresses of one image's outputs, for kernels. The address 0 means "not wanted".

    A tally holds counts over sampled pixels of the image; see trust/tally.py.
    """

    labels: int
    confidence: int = 0
    tally: int = 0
    overlay: int = 0


class Lane:
    """The part of a slot for one image: the camera image on the GPU, and its outputs.

    :attr:`upload` is (GPU address, host address, number of bytes). :attr:`download` and
    :attr:`overlay_download` are (host address, GPU address, number of bytes). An attribute is None
    if there is nothing to copy.

    :param name: name of the lane, for log messages.
    :param mapped: whether the kernels read and write host memory.
    :param direct_labels: whether the postprocessing kernel writes the labels into host memory,
        even if ``mapped`` is False.
    """

    def __init__(self, memory: GpuAllocator, name: str, mapped: bool,
                 direct_labels: bool = False) -> None:
        self._direct_labels = direct_labels
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
        self.overlay_download: tuple[int, int, int] | None = None

    def place_frame(self, frame: Frame, read: Frame, address: int, buffer: InputBuffer) -> None:
        """Put a frame into the lane. Kernels then read the frame at the address :attr:`image`.

        :param frame: the frame from the camera.
        :param read: the frame that the kernels read: ``frame`` itself or its decoded copy.
        :param address: host address of the first byte of ``read``, in ``buffer``.
        """
        self.frame, self.read, self.buffer = frame, read, buffer
        if self._image is None:
            self.image = buffer.block.mapped + address - buffer.address
            return
        self._image.reserve(read.size)
        self.image = self._image.address
        self.upload = (self.image, address, read.size)

    def release_frame(self) -> None:
        """Release the buffer of the frame, and drop the frame.

        The frame may be a view of memory that a pipeline lends. While such a view exists, the
        pipeline that lends the memory stays open.
        """
        buffer, self.buffer = self.buffer, None
        if buffer is not None:
            buffer.release()
        vars(self).pop('frame', None)
        vars(self).pop('read', None)

    def reserve_outputs(self, wanted: Wanted, label_bytes: int, tally_bytes: int) -> Outputs:
        """Reserve one block of memory for all wanted outputs.

        Labels, confidence and tally share one download, because even a small download costs about
        10 µs. The overlay is downloaded later, because the labels must not wait for the overlay.
        An overlay of full size has three times as many bytes as labels of 8 bits.

        :param label_bytes: number of bytes of one label.
        """
        pixels = self.frame.height * self.frame.width
        rows, cols = wanted.overlay_size(self.frame)
        sizes = {'labels': pixels * label_bytes, 'confidence': pixels * wanted.confidence,
                 'tally': tally_bytes * wanted.tally,
                 'overlay': 3 * rows * cols * wanted.overlay}
        end = first_end = 0
        self._planes = {}
        for name, size in sizes.items():
            if size:
                self._planes[name] = end + HEADROOM
                end = -(-(end + HEADROOM + size) // ALIGNED) * ALIGNED
            if name != 'overlay':
                first_end = end
        self._host.reserve(end)
        base = mapped = self._host.address
        assert self._host.block is not None
        if self._device is not None:
            # The block on the GPU has the same layout, without the headroom of the first output.
            self._device.reserve(end - HEADROOM)
            base = self._device.address - HEADROOM
            host = self._host.block.address
            begin = HEADROOM
            if self._direct_labels:
                begin = self._planes.get('confidence', self._planes.get('tally', 0))
            self.download = (host + begin, base + begin, first_end - begin) if begin else None
            begin = self._planes.get('overlay', 0)
            self.overlay_download = (host + begin, base + begin, end - begin) if begin else None
        outputs = Outputs(*(base + self._planes[name] if name in self._planes else 0
                            for name in Outputs._fields))
        return outputs._replace(labels=mapped + HEADROOM) if self._direct_labels else outputs

    def output_array(self, name: str, dtype: Any, *shape: int) -> npt.NDArray[Any] | None:
        """Return an output as an array in pinned memory; None if the output is not wanted.

        The :data:`HEADROOM` bytes directly before the array are free.
        """
        if name not in self._planes:
            return None
        assert self._host.block is not None
        begin = self._planes[name]
        size = math.prod(shape) * np.dtype(dtype).itemsize
        plane = self._host.block.array[begin:begin + size]
        shaped: npt.NDArray[Any] = plane.view(dtype).reshape(shape)
        return shaped


class Run:
    """One run of the network, with the preprocessing before it and the postprocessing after it.

    A :class:`.cuda_graph.Mark` before and after each step measures the time of the step.

    :param engine: the network, bound to tensors whose addresses and shapes do not change.
    :ivar shape: shape of the output tensor. The shape is set when the run is prepared.
    """

    def __init__(self, before: Launch, engine: Enqueues, after: Launch, size: int) -> None:
        self.size = size
        self.shape: tuple[int, ...] = ()
        self.before, self.engine, self.after = LaunchGraph(before), engine, LaunchGraph(after)
        self.preprocessing, self.preprocessed, self.inferring, self.inferred, \
            self.postprocessing, self.postprocessed = self._marks = [Mark() for _ in range(6)]

    def close(self) -> None:
        """Free the marks and launches. The slot owns and frees the network."""
        for mark in self._marks:
            mark.close()
        self.before.close()
        self.after.close()


@dataclass
class Work:
    """The runs of a slot for one batch size.

    :param key: the values from which the current parameters of the launches were computed.
    """

    runs: list[Run]
    key: object = None


class Slot:
    """Everything that one batch needs: images, tensors, outputs, marks and engine bindings.

    :param mapped: see :class:`Lane`, also for ``direct_labels``.
    :param blocking: the argument of :class:`.cuda_graph.Mark` for ``labelled`` and ``done``.
    :param stream: the stream on which the network was opened.
    :ivar uploading: the mark at the beginning of the upload.
    :ivar labelled: the mark after the download of labels, confidence and tally.
    :ivar done: the mark after the download of the overlays, if overlays are wanted.
    :ivar count: number of images in the current batch.
    :ivar lent: number of segmentations of the batch that are not released yet.
    :ivar staged_ms: time in milliseconds for copying the frames into pinned memory.
    :ivar began: the value of perf_counter() right before the work of the batch was enqueued.
    """

    def __init__(self, memory: GpuAllocator, number: int, mapped: bool, blocking: bool,
                 engine: DeviceEngine, stream: int, direct_labels: bool = False) -> None:
        self.number = number
        self.engine = engine
        self.stream = stream
        self._memory = memory
        self._mapped, self._direct_labels = mapped, direct_labels
        self.input = Region(memory, f'slot {number} input tensor', pinned=False)
        self.output = Region(memory, f'slot {number} output tensor', pinned=False)
        self.bindings: dict[int, Enqueues] = {}
        self.works: dict[int, Work] = {}
        self.work: Work
        self.lanes: list[Lane] = []
        self.uploading, self.labelled, self.done = Mark(), Mark(blocking), Mark(blocking)
        self.wanted = Wanted()
        self.count = 0
        self.lent = 0
        self.staged_ms = 0.0
        self.began = 0.0

    def use_lanes(self, count: int) -> list[Lane]:
        """Begin a batch of ``count`` images, and return a lane for each image."""
        while len(self.lanes) < count:
            name = f'slot {self.number} image {len(self.lanes)}'
            self.lanes.append(Lane(self._memory, name, self._mapped, self._direct_labels))
        self.count = count
        return self.lanes[:count]

    def release_inputs(self) -> None:
        """Release the frames of the batch, and their buffers."""
        for lane in self.lanes:
            lane.release_frame()

    def close(self) -> None:
        """Free graphs and marks. The GPU must have finished all work of the slot.

        The :class:`.allocator.GpuAllocator` frees the memory.
        """
        for work in self.works.values():
            for run in work.runs:
                run.close()
        for binding in self.bindings.values():
            if isinstance(binding, CudaGraph):
                binding.close()
        # A binding keeps its network's weights on the GPU. While a new pipeline is opened, other
        # objects may still refer to this closed slot. The GPU may lack memory for two networks,
        # so the bindings are dropped now.
        self.bindings.clear()
        self.works.clear()
        vars(self).pop('work', None)
        for mark in (self.uploading, self.labelled, self.done):
            mark.close()
