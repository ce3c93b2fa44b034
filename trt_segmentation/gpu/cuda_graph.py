# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What goes onto a stream: marks, kernel launches, and an engine's work as a CUDA graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from cuda.bindings import driver

from ..engines.cuda_driver import call
from ..errors import GpuError
from .kernels.launch import Launch

_NOT_READY = driver.CUresult.CUDA_ERROR_NOT_READY


class Enqueues(Protocol):
    """What puts its work on a stream and returns at once; an engine."""

    def enqueue(self, stream: int) -> None:
        """Put the work on the stream; must neither wait nor allocate once it has run before."""


class Mark:
    """A point of a stream whose time can be read afterwards.

    :param blocking: whether :meth:`wait` gives the core away instead of spinning.
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

    def reached(self) -> bool:
        """Whether it is reached; does not wait."""
        (status,) = driver.cuEventQuery(self.event)
        if status == _NOT_READY:
            return False
        if status != driver.CUresult.CUDA_SUCCESS:
            call(driver.cuEventQuery, self.event)  # once more, for its words
        return True

    def wait(self) -> None:
        """Wait in the calling thread, with Python's lock released."""
        call(driver.cuEventSynchronize, self.event)

    def since(self, earlier: Mark) -> float:
        """Milliseconds from another mark to this; both reached."""
        return float(call(driver.cuEventElapsedTime, earlier.event, self.event))

    def close(self) -> None:
        """Free the event."""
        call(driver.cuEventDestroy, self.event)


class _Executable:
    """A CUDA graph ready to launch; nothing before it is made and after it is closed."""

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
        """Launch on a stream."""
        call(driver.cuGraphLaunch, self._exec, stream)

    def close(self) -> None:
        """Free the graph; a second call does nothing."""
        if self._exec is not None:
            call(driver.cuGraphExecDestroy, self._exec)
        if self._graph is not None:
            call(driver.cuGraphDestroy, self._graph)
        self._exec = self._graph = None


class CudaGraph(_Executable):
    """Steps recorded instead of run, and from then on launched with one call.

    :param steps: in order; what an engine enqueues must be allowed in a capture.
    :param stream: the one they are enqueued on here; as before afterwards.
    :raises EngineError: when a step does what cannot be recorded.
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
    """One launch as a CUDA graph of its own.

    Where a process launches five kernels by themselves beside the stream of a large graph, the
    driver runs that graph, and every later one, up to 7 % slower from then on, as if each of
    its kernels began 0.3 µs later. Launched as graphs they do not have that effect. The row 'after
    60 fills on another stream' of benchmarks/gpu_pipeline.py measures it.

    :param launch: what is launched, as it is at the last :meth:`update`.
    """

    def __init__(self, launch: Launch) -> None:
        super().__init__()
        self.launch = launch
        self._node: Any = None

    def update(self) -> None:
        """Have the next :meth:`enqueue` launch what :attr:`launch` now says.

        What is enqueued already is not changed.
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
