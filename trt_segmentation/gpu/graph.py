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

"""A slot's work on the GPU: marks, kernels and the engine, as one graph or call by call."""

from __future__ import annotations

from collections.abc import Sequence
import ctypes
from typing import Any, Protocol

from cuda.bindings import driver

from .driver import call, GpuError


class Enqueues(Protocol):
    """What puts its work on a stream and returns at once; an engine."""

    def enqueue(self, stream: int) -> None:
        """Put the work on the stream; must neither wait nor allocate once it has run before."""


class Mark:
    """A point of a stream whose time can be read afterwards.

    :param blocking: whether waiting for it gives the core away instead of spinning.
    """

    def __init__(self, blocking: bool = True) -> None:
        flags = driver.CUevent_flags.CU_EVENT_BLOCKING_SYNC if blocking else 0
        self.event: Any = call(driver.cuEventCreate, int(flags))

    def enqueue(self, stream: int) -> None:
        """Reach this point when the stream's work so far is done."""
        call(driver.cuEventRecord, self.event, stream)

    def hold(self, stream: int) -> None:
        """Let the stream go on only when this point is reached."""
        call(driver.cuStreamWaitEvent, stream, self.event, 0)

    def wait(self) -> None:
        """Wait in the calling thread, with Python's lock released."""
        call(driver.cuEventSynchronize, self.event)

    def since(self, earlier: Mark) -> float:
        """Milliseconds from another mark to this; both reached."""
        return float(call(driver.cuEventElapsedTime, earlier.event, self.event))

    def close(self) -> None:
        """Free the event."""
        call(driver.cuEventDestroy, self.event)


class Launch:
    """One kernel launch whose parameters are a structure in host memory.

    :param params: read at :meth:`enqueue` and when a graph is built or updated.
    """

    def __init__(self, params: ctypes.Structure) -> None:
        self.params: Any = params
        self.function: Any = None
        self.grid = self.block = (1, 1, 1)
        self._pointers = (ctypes.c_void_p * 1)(ctypes.addressof(params))

    def enqueue(self, stream: int) -> None:
        """Launch on a stream."""
        call(driver.cuLaunchKernel, self.function, *self.grid, *self.block, 0, stream,
             ctypes.addressof(self._pointers), 0)

    def node(self) -> Any:
        """The launch as graphs take it."""
        node = driver.CUDA_KERNEL_NODE_PARAMS()
        node.func = self.function
        node.gridDimX, node.gridDimY, node.gridDimZ = self.grid
        node.blockDimX, node.blockDimY, node.blockDimZ = self.block
        node.kernelParams = ctypes.addressof(self._pointers)
        return node


def capture(engine: Enqueues, stream: int) -> Any:
    """Record what an engine enqueues instead of running it.

    :returns: a ``CUgraph``, the caller's to destroy.
    :raises EngineError: when the engine does what cannot be recorded; the stream is as before.
    """
    call(driver.cuStreamBeginCapture, stream,
         driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
    try:
        engine.enqueue(stream)
    except BaseException:
        driver.cuStreamEndCapture(stream)
        raise
    return call(driver.cuStreamEndCapture, stream)


class ComputeGraph:
    """Marks, launches and the engine one after the other, launched with one call.

    :param steps: in order; whatever is neither Mark nor Launch stands for the engine.
    :param recorded: the engine's work, from :func:`capture`.
    :raises GpuError: naming the call.
    """

    def __init__(self, steps: Sequence[Enqueues], recorded: Any) -> None:
        self._nodes: dict[int, Any] = {}
        self._exec: Any = None
        self._graph: Any = call(driver.cuGraphCreate, 0)
        try:
            last: list[Any] = []
            for step in steps:
                node = self._add(step, last, recorded)
                self._nodes[id(step)] = node
                last = [node]
            self._exec = call(driver.cuGraphInstantiate, self._graph, 0)
        except GpuError:
            self.close()
            raise

    def _add(self, step: Enqueues, after: list[Any], recorded: Any) -> Any:
        if isinstance(step, Mark):
            return call(driver.cuGraphAddEventRecordNode, self._graph, after, len(after),
                        step.event)
        if isinstance(step, Launch):
            return call(driver.cuGraphAddKernelNode, self._graph, after, len(after), step.node())
        return call(driver.cuGraphAddChildGraphNode, self._graph, after, len(after), recorded)

    def update(self, launch: Launch) -> None:
        """Give later launches of the graph a kernel's new parameters."""
        call(driver.cuGraphExecKernelNodeSetParams, self._exec, self._nodes[id(launch)],
             launch.node())

    def enqueue(self, stream: int) -> None:
        """Launch on a stream."""
        call(driver.cuGraphLaunch, self._exec, stream)

    def close(self) -> None:
        """Free the graph; a second call does nothing."""
        if self._exec is not None:
            call(driver.cuGraphExecDestroy, self._exec)
        if self._graph is not None:
            call(driver.cuGraphDestroy, self._graph)
        self._exec = self._graph = None
