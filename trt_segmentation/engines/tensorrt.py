# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT and TensorRT-RTX: run an engine on the caller's stream and memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
import math
from typing import Any

from ..errors import EngineError
from ..model.card import ModelCard
from ..model.signature import resolve_signature, Signature, Tensor
from ..untrusted.onnx_graph import read_endings
from .kernel_cache import KernelCache
from .plan import Layer, layers_from_inspector, Plan

try:
    import tensorrt as trt
    # mypy's stubs leave an empty namespace of that name behind
    trt.Builder  # noqa: B018
except (ImportError, AttributeError):
    try:
        import tensorrt_rtx as trt  # type: ignore[no-redef]
    except ImportError as error:
        raise EngineError(
            'neither tensorrt nor tensorrt_rtx can be imported here; pip install tensorrt-cu13, '
            'or on GeForce and RTX cards tensorrt-rtx-cu13, or on a Jetson take the one that '
            'JetPack brings') from error

__all__ = ['BACKEND', 'LIBRARY', 'BuildLog', 'TensorRtBinding', 'TensorRtEngine', 'datatype',
           'sides', 'trt']

BACKEND = trt.__name__.rpartition('.')[2]
LIBRARY = f'{"TensorRT-RTX" if BACKEND == "tensorrt_rtx" else "TensorRT"} {trt.__version__}'
_NUMPY = {'FLOAT': 'float32', 'HALF': 'float16'}


class BuildLog(trt.ILogger):
    """Keeps what TensorRT logs; its errors are the only reasons it ever gives.

    :ivar lines: the last lines at INFO or above.
    :ivar listing: the listing of engine layers that ends a build of TensorRT-RTX.
    """

    def __init__(self, warn: Callable[[str], None] = lambda line: None) -> None:
        trt.ILogger.__init__(self)
        self.lines: deque[str] = deque(maxlen=2000)
        self.errors: list[str] = []
        self.listing = ''
        self._warn = warn

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Take a line; called by TensorRT from any thread."""
        if severity == trt.ILogger.Severity.VERBOSE:
            if msg.startswith('Layers:'):
                self.listing = msg
            return
        self.lines.append(msg)
        if severity == trt.ILogger.Severity.WARNING:
            self._warn(msg)
        elif severity != trt.ILogger.Severity.INFO:
            self.errors.append(msg)

    def reason(self) -> str:
        """Every error since the last call."""
        said, self.errors = self.errors, []
        return '; '.join(said) or 'TensorRT gave no reason'


def datatype(dtype: trt.DataType) -> str:
    """fp32, fp16, int8, ….: the short name of a TensorRT type."""
    return {'FLOAT': 'fp32', 'HALF': 'fp16'}.get(dtype.name, dtype.name.lower())


class TensorRtEngine:
    """A deserialised plan, as :class:`trt_segmentation.gpu.device_engine.DeviceEngine`.

    :param plan: from a builder of the same backend, version and GPU, and trusted: it is code.
    :param gpu: index of the GPU as CUDA counts; its context has to be current.
    :param stream: the CUDA stream everything is enqueued on.
    :param allocate: gives the address of so many bytes of GPU memory, and ``free`` takes it
        back; None for CUDA's own.
    :param warn: gets TensorRT's warnings.
    :param kernels: keeps what TensorRT-RTX compiles; TensorRT has nothing to keep. None: compile
        at every start.
    :raises EngineError: with TensorRT's words, where the plan is not for this GPU, driver or
        version, or does not fit the card.
    """

    name = 'tensorrt'
    version = LIBRARY

    def __init__(self, plan: Plan, card: ModelCard, gpu: int, stream: int,
                 allocate: Callable[[int], int] | None = None,
                 free: Callable[[int], None] | None = None,
                 warn: Callable[[str], None] = lambda line: None,
                 kernels: KernelCache | None = None) -> None:
        self.precision = str(plan.about.get('precision', 'fp32'))
        self._stream = stream
        self._allocate, self._free = allocate or _device_memory, free or _free_device_memory
        self._log, self._warn, self._kernels = BuildLog(warn), warn, kernels
        self._runtime: Any = trt.Runtime(self._log)
        # before the node spins: TensorRT 10.3 holds the GIL for all of this
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan.data)
        if self._engine is None:
            raise EngineError(f'{LIBRARY} cannot load the plan: {self._log.reason()}')
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        inputs = [n for n in names
                  if self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        self._outputs = [n for n in names if n not in inputs]
        self.signature: Signature = resolve_signature(
            [self._tensor(n) for n in inputs], [self._tensor(n) for n in self._outputs],
            card.input, card.output, len(card.classes),
            read_endings(card.model))
        self._contexts: dict[int, Any] = {}
        self._memory: dict[str, int] = {}

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph can hold it; only TensorRT-RTX ever says no."""
        smallest = self._engine.get_tensor_profile_shape(self.signature.input.name, 0)[0]
        context = self._context(sides(smallest)[0])
        ask: Callable[[int], bool] | None = getattr(context, 'is_stream_capturable', None)
        return ask is None or ask(self._stream)

    def takes(self, count: int) -> bool:
        """Whether a profile of the plan has room for that batch."""
        return bool(self._profiles(self.signature.input.shape(count))[0])

    def answer_shape(self, count: int) -> tuple[int, ...]:
        """Shape of the answer for a batch.

        :raises EngineError: where no profile of the plan has room for it.
        """
        return sides(self._context(count).get_tensor_shape(self.signature.output.name))

    def bind(self, count: int, tensor: int, answer: int) -> TensorRtBinding:
        """The network on a batch of ``count`` at fixed addresses on the GPU.

        Bindings of one ``count`` share a context, which each run is given its addresses.
        """
        context = self._context(count)
        addresses = {self.signature.input.name: tensor, self.signature.output.name: answer}
        for name in self._outputs:
            if name not in addresses:                   # has to go somewhere too
                size = math.prod(sides(context.get_tensor_shape(name)))
                size *= self._engine.get_tensor_dtype(name).itemsize
                addresses[name] = self._reserve(f'{name} of {count}', size)
        ran = partial(self._kernels.save, count) if self._kernels else lambda: None
        bound = TensorRtBinding(context, self._log, addresses, ran)
        bound.aim()
        return bound

    def memory(self) -> dict[str, int]:
        """Bytes on the GPU: ``activations``, and ``weights`` where TensorRT tells."""
        found = {'activations': int(self._engine.device_memory_size_v2)}
        if hasattr(trt, 'EngineStat'):
            stat = trt.EngineStat.TOTAL_WEIGHTS_SIZE
            found['weights'] = int(self._engine.get_engine_stat(stat))
        return found

    def layers(self) -> list[Layer]:
        """The layers as built, with the precision each got."""
        inspector = self._engine.create_engine_inspector()
        return layers_from_inspector(
            inspector.get_engine_information(trt.LayerInformationFormat.JSON))

    def close(self) -> None:
        """Free everything; a second call does nothing."""
        self._contexts.clear()
        if self._kernels is not None:
            self._kernels.close()
        self._engine = self._runtime = None
        for address in self._memory.values():
            self._free(address)
        self._memory.clear()

    def _context(self, count: int) -> Any:
        """The context for a batch size; all share one block of activations, on one stream."""
        if count in self._contexts:
            return self._contexts[count]
        shape = self.signature.input.shape(count)
        index = self._choose_profile(shape)
        context = self._make_context()
        # its own memory, so that nothing is allocated while a graph is captured
        size = int(self._engine.device_memory_size_v2)
        context.set_device_memory(self._reserve('activations', size), size)
        self._check(context.set_optimization_profile_async(index, self._stream),
                    f'profile {index} cannot be used')
        self._check(context.set_input_shape(self.signature.input.name, shape),
                    f'input shape {shape} is refused')
        if missing := context.infer_shapes():
            raise EngineError(f'{LIBRARY} cannot tell the shapes of {", ".join(missing)}')
        self._contexts[count] = context
        return context

    def _make_context(self) -> Any:
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not hasattr(trt, 'DynamicShapesKernelSpecializationStrategy'):
            context = self._engine.create_execution_context(strategy)
        else:
            config = self._engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(strategy)
            # TensorRT-RTX compiles kernels per shape; lazily, a later frame would stutter
            config.dynamic_shapes_kernel_specialization_strategy = (
                trt.DynamicShapesKernelSpecializationStrategy.EAGER)
            if self._kernels is not None and not self._kernels.attach(config):
                self._warn(f'kernels kept by an earlier start are compiled again, {LIBRARY} '
                           f'refuses them: {self._log.reason()}')
            context = self._engine.create_execution_context(config)
        if context is None:
            raise EngineError(f'{LIBRARY} has no room for a context: {self._log.reason()}')
        return context

    def _choose_profile(self, shape: tuple[int, ...]) -> int:
        fits, offered = self._profiles(shape)
        if not fits:
            raise EngineError(f'input {self.signature.input.name} of {shape} is in no profile of '
                              f'the plan: {", ".join(offered)}; build again with --shapes and '
                              f'--batch that hold it')
        return min(fits)[1]

    def _profiles(self, shape: tuple[int, ...]) -> tuple[list[tuple[float, int]], list[str]]:
        """(distance from what it was built for, index) of those that fit; all in words."""
        name, offered, fits = self.signature.input.name, [], []
        for index in range(max(1, self._engine.num_optimization_profiles)):
            smallest, usual, largest = map(
                sides, self._engine.get_tensor_profile_shape(name, index))
            offered.append(f'{smallest} to {largest}')
            if all(a <= n <= b for a, n, b in zip(smallest, shape, largest)):
                fits.append((sum(abs(n - u) / u for n, u in zip(shape, usual)), index))
        return fits, offered

    def _tensor(self, name: str) -> Tensor:
        dtype = self._engine.get_tensor_dtype(name)
        shape = sides(self._engine.get_tensor_shape(name))
        return Tensor(name, _NUMPY.get(dtype.name, dtype.name.lower()),
                      tuple(side if side >= 0 else None for side in shape))

    def _reserve(self, what: str, size: int) -> int:
        if what not in self._memory:
            self._memory[what] = self._allocate(max(size, 1))
        return self._memory[what]

    def _check(self, done: bool, what: str) -> None:
        if not done:
            raise EngineError(f'{LIBRARY}: {what}: {self._log.reason()}')


class TensorRtBinding:
    """An engine with its tensors; made by :meth:`TensorRtEngine.bind`."""

    def __init__(self, context: Any, log: BuildLog, addresses: Mapping[str, int],
                 ran: Callable[[], None]) -> None:
        self._context = context
        self._ran = ran
        self._log = log
        self._addresses = addresses

    def aim(self) -> None:
        """Give the context this binding's addresses.

        :raises EngineError: when it refuses one.
        """
        for name, address in self._addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise EngineError(f'{LIBRARY}: address {address:#x} of {name} is refused: '
                                  f'{self._log.reason()}')

    def enqueue(self, stream: int) -> None:
        """Put one inference on the stream the engine was opened with.

        :raises EngineError: with TensorRT's words.
        """
        self.aim()
        if not self._context.execute_async_v3(stream):
            raise EngineError(f'{LIBRARY}: inference failed: {self._log.reason()}')
        self._ran()

    def layer_times(self, stream: int, runs: int = 20) -> list[tuple[str, float]]:
        """Mean milliseconds by layer, in order; waits for the GPU, so not for the live path."""
        self._profiler = profiler = _LayerTimes()   # TensorRT keeps no reference of its own
        self._context.profiler = profiler
        self._context.enqueue_emits_profile = True
        for _ in range(runs):
            self.enqueue(stream)
        self._context.enqueue_emits_profile = False
        return [(name, total / runs) for name, total in profiler.totals.items()]


def sides(shape: Any) -> tuple[int, ...]:
    """A shape as numbers; -1 is a side not known yet."""
    return tuple(shape)     # trt.Dims is a sequence, which its stubs do not say


class _LayerTimes(trt.IProfiler):
    def __init__(self) -> None:
        trt.IProfiler.__init__(self)
        self.totals: dict[str, float] = {}

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        self.totals[layer_name] = self.totals.get(layer_name, 0.0) + ms


def _device_memory(size: int) -> int:
    from cuda.bindings import driver

    from .cuda_driver import call
    return int(call(driver.cuMemAlloc, size))


def _free_device_memory(address: int) -> None:
    from cuda.bindings import driver

    from .cuda_driver import call
    call(driver.cuMemFree, address)
