# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a GPU pipeline. This module can be imported without CUDA."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import EngineError

MEMORIES = ('auto', 'pinned', 'mapped')
"""How frames and outputs move between host and GPU; see :class:`GpuSettings`."""
WAITS = ('timed', 'block', 'spin')
"""How :meth:`.pipeline.GpuPipeline.collect` waits for the GPU; see :class:`.wait.Wait`."""


@dataclass(frozen=True)
class GpuSettings:
    """How a GPU pipeline uses memory, threads and streams.

    :param memory: one of :data:`MEMORIES`. With ``pinned``, frames and outputs are copied between
        host memory and GPU memory. With ``mapped``, the kernels read and write host memory.
        ``auto`` means ``mapped`` if the GPU and the host share one memory, and ``pinned``
        otherwise.
    :param wait: one of :data:`WAITS`.
    :param slots: largest number of batches that are submitted and not yet released. None means two
        more than ``networks``.
    :param networks: number of copies of the network. The copies run at the same time, each on its
        own stream. A small network leaves much of a large GPU idle. Two copies then finish more
        frames per second, but each frame needs a little more time.
    :param max_batch: largest number of images in one run of the network, if the ONNX file has a
        dynamic batch size. The network is prepared for runs of 1, 2, 4 and so on, up to this
        number. A batch is cut into such runs.
    :param graph: True to run the network as a CUDA graph. False to enqueue each step of the
        network with a call of its own.
    :param direct_labels: whether the postprocessing kernel writes the labels directly into host
        memory, even if ``memory`` is ``pinned``.
    :param write_combined: whether input buffers bypass the CPU's caches; see
        :meth:`.allocator.GpuAllocator.allocate_pinned`.
    :param exchange: 1 if this network is the first that replaces a network in use, 2 for the next
        such network, and so on; 0 if this network replaces none. This number sets the priority
        of the streams; see :class:`.streams.Streams`.
    :raises EngineError: if ``memory`` or ``wait`` has an unknown value.
    """

    memory: str = 'auto'
    wait: str = 'timed'
    slots: int | None = None
    networks: int = 1
    max_batch: int = 1
    graph: bool = True
    write_combined: bool = False
    direct_labels: bool = False
    exchange: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (('memory', self.memory, MEMORIES), ('wait', self.wait, WAITS)):
            if value not in known:
                raise EngineError(f'`{name}` is {value!r}; expected one of {", ".join(known)}')

    @property
    def slot_count(self) -> int:
        """Number of slots. A slot is the memory of one batch."""
        return self.slots or 2 + self.networks
