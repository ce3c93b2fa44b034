# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Work for a CUDA stream: CUDA graphs, and marks. A mark is a point on a stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cuda.bindings import driver

from ..engines.cuda_driver import call
from ..errors import GpuError
from .kernels.launch import Launch

_NOT_READY = driver.CUresult.CUDA_ERROR_NOT_READY


class Enqueues(Protocol):
    """Work that can be put on a stream, such as a network that is bound to its tensors."""

    def enqueue(self, stream: int) -> None:
        """Put the work on the stream, and do not wait for the GPU.

        The first two calls are an exception: they may wait for the GPU and allocate memory.
        """


class Mark:
    """A point on a stream: a CUDA event that stores when the GPU reaches this point.

    :param blocking: what a thread does in :meth:`wait`. True: the thread sleeps. False: the thread
        polls and keeps a CPU core busy.
    """

    def __init__(self, blocking: bool = True) -> None:
        flags = driver.CUevent_flags.CU_EVENT_BLOCKING_SYNC if blocking else 0
        self.event: Any = call(driver.cuEventCreate, int(flags))

    def record(self, stream: int) -> None:
        """Put the mark on a stream. The GPU reaches the mark after the stream's earlier work."""
        call(driver.cuEventRecord, self.event, stream)

    def block(self, stream: int) -> None:
        """Make a stream wait until the GPU has reached this mark."""
        call(driver.cuStreamWaitEvent, stream, self.event, 0)

    def is_reached(self) -> bool:
        """Return at once whether the GPU has reached the mark."""
        (status,) = driver.cuEventQuery(self.event)
        if status == _NOT_READY:
            return False
        if status != driver.CUresult.CUDA_SUCCESS:
            call(driver.cuEventQuery, self.event)  # raises an error with CUDA's message
        return True

    def wait(self) -> None:
        """Wait until the GPU reaches the mark. Meanwhile, other Python threads can run."""
        call(driver.cuEventSynchronize, self.event)

    def ms_since(self, earlier: Mark) -> float:
        """Return the milliseconds from ``earlier`` to this mark. Both marks must be reached."""
        return float(call(driver.cuEventElapsedTime, earlier.event, self.event))

    def close(self) -> None:
        """Free the event."""
        call(driver.cuEventDestroy, self.event)


class _Executable:
    """A CUDA graph that can be launched. A subclass makes the graph."""

    def __init__(self) -> None:
        self._exec: Any = None
        self._graph: Any = None

    def _instantiate(self) -> None:
        try:
            self._exec = call(driver.cuGraphInstantiate, self._graph, 0)
        except GpuError:
            self.close()
            raise

    def enqueue(self, stream: int) -> None:
        """Launch the graph on a stream."""
        call(driver.cuGraphLaunch, self._exec, stream)

    def close(self) -> None:
        """Free the graph. A second call does nothing."""
        if self._exec is not None:
            call(driver.cuGraphExecDestroy, self._exec)
        if self._graph is not None:
            call(driver.cuGraphDestroy, self._graph)
        self._exec = self._graph = None


class CudaGraph(_Executable):
    """Several steps as one CUDA graph. One call launches all steps.

    The constructor captures the steps on a stream, and does not run them.

    :param steps: the steps, in the order of their execution. CUDA must be able to capture
        everything that a step enqueues.
    :raises EngineError: if a step cannot be captured.
    """

    def __init__(self, steps: Sequence[Enqueues], stream: int) -> None:
        super().__init__()
        call(driver.cuStreamBeginCapture, stream,
             driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
        try:
            for step in steps:
                step.enqueue(stream)
        except BaseException:
            driver.cuStreamEndCapture(stream)
            raise
        self._graph = call(driver.cuStreamEndCapture, stream)
        self._instantiate()


class LaunchGraph(_Executable):
    """One kernel launch as a CUDA graph of its own.

    A direct launch would slow down the network. If a process runs a large graph on one stream, and
    launches five kernels directly on another stream, all graphs of the process run up to 7 %
    slower afterwards. A launch as a graph does not have this effect. The function ``filled`` of
    benchmarks/gpu_bench/rivals.py measures the effect.

    :param launch: the kernel launch. The graph uses the parameters that the launch had at the last
        :meth:`update`.
    """

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self.launch = launch
        self._node: Any = None

    def update(self) -> None:
        """Copy the parameters of :attr:`launch` into the graph for the next :meth:`enqueue`.

        A launch that is already enqueued keeps its parameters.
        """
        launch, node = self.launch, driver.CUDA_KERNEL_NODE_PARAMS()
        node.func = launch.function
        node.gridDimX, node.gridDimY, node.gridDimZ = launch.grid
        node.blockDimX, node.blockDimY, node.blockDimZ = launch.block
        node.kernelParams = launch.pointers
        if self._exec is not None:
            call(driver.cuGraphExecKernelNodeSetParams, self._exec, self._node, node)
            return
        self._graph = call(driver.cuGraphCreate, 0)
        self._node = call(driver.cuGraphAddKernelNode, self._graph, None, 0, node)
        self._instantiate()
