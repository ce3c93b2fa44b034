# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Work for a stream: marks, and kernels or a whole network as a CUDA graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cuda.bindings import driver

from ..engines.cuda_driver import call
from ..errors import GpuError
from .kernels.launch import Launch

_NOT_READY = driver.CUresult.CUDA_ERROR_NOT_READY


class Enqueues(Protocol):
    """Work that can be put on a stream, such as a network with fixed tensors."""

    def enqueue(self, stream: int) -> None:
        """Put the work on the stream and return at once.

        From its second run on, this must neither wait nor allocate.
        """


class Mark:
    """A point on a stream: a CUDA event, whose time can be read afterwards.

    :param blocking: whether :meth:`wait` sleeps. False: it keeps its core busy.
    """

    def __init__(self, blocking: bool = True) -> None:
        flags = driver.CUevent_flags.CU_EVENT_BLOCKING_SYNC if blocking else 0
        self.event: Any = call(driver.cuEventCreate, int(flags))

    def record(self, stream: int) -> None:
        """Put the mark on the stream. The GPU reaches it after the work enqueued before it."""
        call(driver.cuEventRecord, self.event, stream)

    def block(self, stream: int) -> None:
        """Let a stream wait until the GPU has reached this mark."""
        call(driver.cuStreamWaitEvent, stream, self.event, 0)

    def is_reached(self) -> bool:
        """Whether the GPU has reached the mark; does not wait."""
        (status,) = driver.cuEventQuery(self.event)
        if status == _NOT_READY:
            return False
        if status != driver.CUresult.CUDA_SUCCESS:
            call(driver.cuEventQuery, self.event)  # the second query raises, with CUDA's message
        return True

    def wait(self) -> None:
        """Wait until the GPU reaches the mark. Python's lock (GIL) is released meanwhile."""
        call(driver.cuEventSynchronize, self.event)

    def ms_since(self, earlier: Mark) -> float:
        """Return the milliseconds from an earlier mark to this mark. Both must be reached."""
        return float(call(driver.cuEventElapsedTime, earlier.event, self.event))

    def close(self) -> None:
        """Free the event."""
        call(driver.cuEventDestroy, self.event)


class _Executable:
    """A CUDA graph that is ready to launch. It holds nothing until a subclass makes the graph."""

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
        """Free the graph; a second call does nothing."""
        if self._exec is not None:
            call(driver.cuGraphExecDestroy, self._exec)
        if self._graph is not None:
            call(driver.cuGraphDestroy, self._graph)
        self._exec = self._graph = None


class CudaGraph(_Executable):
    """Steps that are captured instead of run. From then on one call launches all of them.

    :param steps: in their order. CUDA must allow a capture of everything that they enqueue.
    :param stream: the stream of the capture. Its state is the same afterwards.
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

    If a process launches five kernels directly, beside the stream of a large graph, the driver
    runs that graph and every later graph up to 7 % slower from then on. Each kernel of these
    graphs then seems to begin 0.3 µs later. Launches as graphs do not have this effect. The row
    'after 60 fills on another stream' of benchmarks/gpu_pipeline.py measures the effect.

    :param launch: the launch. The graph has its parameters as of the last :meth:`update`.
    """

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self.launch = launch
        self._node: Any = None

    def update(self) -> None:
        """Copy the parameters of :attr:`launch`; the next :meth:`enqueue` uses them.

        Launches that are enqueued already do not change.
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
