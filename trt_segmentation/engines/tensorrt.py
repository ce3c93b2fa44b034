# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run an engine of TensorRT or TensorRT-RTX on a stream and in GPU memory of the caller."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
import math
from typing import Any

from ..errors import EngineError
from ..model.card import ModelCard
from ..model.signature import resolve_signature, Signature, Tensor
from ..untrusted.onnx_graph import read_endings
from .kernel_cache import KernelCache
from .plan import Plan
from .tensorrt_binding import TensorRtBinding

try:
    import tensorrt as trt
    # The type stubs for mypy can leave an empty package named tensorrt. It has no Builder.
    trt.Builder  # noqa: B018
except (ImportError, AttributeError):
    try:
        import tensorrt_rtx as trt  # type: ignore[no-redef]
    except ImportError as error:
        raise EngineError(
            'neither tensorrt nor tensorrt_rtx can be imported here. Run `pip install '
            'tensorrt-cu13`. For a GeForce or RTX card, `pip install tensorrt-rtx-cu13` works '
            'too. On a Jetson, use the tensorrt that JetPack installs') from error

__all__ = ['BACKEND', 'LIBRARY', 'BuildLog', 'TensorRtEngine', 'datatype', 'sides', 'trt']

BACKEND = trt.__name__.rpartition('.')[2]
"""Name of the imported library: ``tensorrt`` or ``tensorrt_rtx``."""
LIBRARY = f'{"TensorRT-RTX" if BACKEND == "tensorrt_rtx" else "TensorRT"} {trt.__version__}'
"""Name and version of the imported library, for messages."""
_NUMPY = {'FLOAT': 'float32', 'HALF': 'float16'}


class BuildLog(trt.ILogger):
    """Keeps TensorRT's log lines. TensorRT gives the reason of a failure only in its log.

    :param warn: a function that is called with the text of each warning.
    :ivar lines: the last 2000 lines of severity INFO or above.
    :ivar errors: the errors since the last call of :meth:`take_reason`.
    :ivar listing: the list of layers that TensorRT-RTX logs at the end of a build.
    """

    def __init__(self, warn: Callable[[str], None] = lambda line: None) -> None:
        trt.ILogger.__init__(self)
        self.lines: deque[str] = deque(maxlen=2000)
        self.errors: list[str] = []
        self.listing = ''
        self._warn = warn

    def log(self, severity: trt.ILogger.Severity, msg: str) -> None:
        """Keep a line. TensorRT calls this from any thread."""
        if severity == trt.ILogger.Severity.VERBOSE:
            if msg.startswith('Layers:'):
                self.listing = msg
            return
        self.lines.append(msg)
        if severity == trt.ILogger.Severity.WARNING:
            self._warn(msg)
        elif severity != trt.ILogger.Severity.INFO:
            self.errors.append(msg)

    def take_reason(self) -> str:
        """Return all errors since the last call of this method, as one text."""
        errors, self.errors = self.errors, []
        return '; '.join(errors) or 'TensorRT gave no reason'


def datatype(dtype: trt.DataType) -> str:
    """Return the short name of a TensorRT type, such as fp32, fp16 or int8."""
    return {'FLOAT': 'fp32', 'HALF': 'fp16'}.get(dtype.name, dtype.name.lower())


def sides(shape: Any) -> tuple[int, ...]:
    """Return a shape as a tuple of numbers. -1 means that the side is open."""
    return tuple(shape)     # trt.Dims is a sequence, but its stubs do not say so


class TensorRtEngine:
    """A loaded plan: a :class:`trt_segmentation.gpu.device_engine.DeviceEngine`.

    :param plan: a plan that the same library and version built for the same GPU. It must come from
        a trusted place, because a plan is machine code.
    :param gpu: index of the GPU in CUDA's order. Its context must be current in this thread.
    :param stream: the CUDA stream of all runs.
    :param allocate: a function that allocates a number of bytes of GPU memory and returns their
        address; None for the CUDA driver.
    :param free: a function that frees the memory at an address from ``allocate``; None for the
        CUDA driver.
    :param warn: a function that is called with the text of each of TensorRT's warnings.
    :param kernels: stores the kernels that TensorRT-RTX compiles; None to compile them at every
        start. TensorRT compiles no kernels at a start, and ignores this object.
    :raises EngineError: if the plan is not for this GPU, driver or version, or if it does not fit
        the card.
    """

    name = 'tensorrt'
    version = LIBRARY

    def __init__(self, plan: Plan, card: ModelCard, gpu: int, stream: int,
                 allocate: Callable[[int], int] | None = None,
                 free: Callable[[int], None] | None = None,
                 warn: Callable[[str], None] = lambda line: None,
                 kernels: KernelCache | None = None) -> None:
        self.precision = str(plan.about.get('precision', 'fp32'))
        self.cache = self.tuning = ''
        self._stream = stream
        if allocate is None or free is None:
            from . import cuda_driver
            allocate, free = cuda_driver.allocate, cuda_driver.free
        self._allocate, self._free = allocate, free
        self._log, self._warn, self._kernels = BuildLog(warn), warn, kernels
        self._runtime: Any = trt.Runtime(self._log)
        # TensorRT 10.3 keeps Python's lock (GIL) during this whole call. So the engine must be
        # loaded before the node spins.
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan.data)
        if self._engine is None:
            raise EngineError(f'{LIBRARY} cannot load the plan: {self._log.take_reason()}')
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        inputs = [n for n in names
                  if self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        self._outputs = [n for n in names if n not in inputs]
        self.signature: Signature = resolve_signature(
            [self._read_tensor(n) for n in inputs], [self._read_tensor(n) for n in self._outputs],
            card.input, card.output, len(card.classes),
            read_endings(card.model))
        self._contexts: dict[int, Any] = {}
        self._memory: dict[str, int] = {}

    def can_be_captured(self) -> bool:
        """Return whether a CUDA graph can contain the network. This is always so for TensorRT.

        The first call makes a context for the smallest batch, because only a context knows the
        answer. The context is kept for the runs of this batch.

        :raises EngineError: if there is too little GPU memory for the context.
        """
        smallest = self._engine.get_tensor_profile_shape(self.signature.input.name, 0)[0]
        context = self._context(sides(smallest)[0])
        ask: Callable[[int], bool] | None = getattr(context, 'is_stream_capturable', None)
        return ask is None or ask(self._stream)

    def takes(self, count: int) -> bool:
        """Whether a profile of the plan allows a batch of ``count`` images."""
        return bool(self._fitting_profiles(self.signature.input.shape(count))[0])

    def output_shape(self, count: int) -> tuple[int, ...]:
        """Return the output's shape for a batch of ``count`` images.

        :raises EngineError: if no profile of the plan allows the batch.
        """
        return sides(self._context(count).get_tensor_shape(self.signature.output.name))

    def bind(self, count: int, input_address: int, output_address: int) -> TensorRtBinding:
        """Bind a batch of ``count`` images to fixed GPU addresses of its input and output.

        :raises EngineError: if no profile of the plan allows the batch, or if TensorRT refuses an
            address.
        """
        context = self._context(count)
        addresses = {self.signature.input.name: input_address,
                     self.signature.output.name: output_address}
        for name in self._outputs:
            if name not in addresses:       # TensorRT writes this output although nobody uses it
                size = math.prod(sides(context.get_tensor_shape(name)))
                size *= self._engine.get_tensor_dtype(name).itemsize
                addresses[name] = self._reserve(f'{name} of {count}', size)
        after_run = partial(self._kernels.save, count) if self._kernels else lambda: None
        binding = TensorRtBinding(context, addresses, self._check, after_run)
        binding.set_addresses()
        return binding

    def close(self) -> None:
        """Free all memory and the engine. A second call does nothing."""
        self._contexts.clear()
        if self._kernels is not None:
            self._kernels.close()
        self._engine = self._runtime = None
        for address in self._memory.values():
            self._free(address)
        self._memory.clear()

    def _context(self, count: int) -> Any:
        """Return the context for a batch size.

        All contexts use the same memory for activations. Their runs never overlap, because all
        runs are on one stream.
        """
        if count in self._contexts:
            return self._contexts[count]
        shape = self.signature.input.shape(count)
        index = self._choose_profile(shape)
        context = self._make_context()
        # The context gets its memory now, because the capture of a CUDA graph must not allocate.
        size = int(self._engine.device_memory_size_v2)
        context.set_device_memory(self._reserve('activations', size), size)
        self._check(context.set_optimization_profile_async(index, self._stream),
                    f'profile {index} cannot be used')
        self._check(context.set_input_shape(self.signature.input.name, shape),
                    f'input shape {shape} is refused')
        if missing := context.infer_shapes():
            raise EngineError(f'{LIBRARY} cannot compute the shapes of {", ".join(missing)}')
        self._contexts[count] = context
        return context

    def _make_context(self) -> Any:
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not hasattr(trt, 'DynamicShapesKernelSpecializationStrategy'):
            context = self._engine.create_execution_context(strategy)
        else:
            config = self._engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(strategy)
            # TensorRT-RTX compiles kernels for each shape. EAGER compiles them now, because a
            # compilation during a run would delay a frame.
            config.dynamic_shapes_kernel_specialization_strategy = (
                trt.DynamicShapesKernelSpecializationStrategy.EAGER)
            if self._kernels is not None and not self._kernels.attach(config):
                self._warn(f'{LIBRARY} refuses the kernels that an earlier start stored, and '
                           f'compiles them again: {self._log.take_reason()}')
            context = self._engine.create_execution_context(config)
        if context is None:
            raise EngineError(f'{LIBRARY} cannot make a context: {self._log.take_reason()}')
        return context

    def _choose_profile(self, shape: tuple[int, ...]) -> int:
        fitting, offered = self._fitting_profiles(shape)
        if not fitting:
            raise EngineError(f'no profile of the plan allows the shape {shape} of input '
                              f'{self.signature.input.name}; the plan allows '
                              f'{", ".join(offered)}. Build the plan again with options --shapes '
                              f'and --batch that include this shape')
        return min(fitting)[1]

    def _fitting_profiles(
            self, shape: tuple[int, ...]) -> tuple[list[tuple[float, int]], list[str]]:
        """Find the profiles of the plan that allow an input shape.

        :returns: two lists. The first list has the distance and the index of each profile that
            allows ``shape``. A small distance means that TensorRT optimised the profile for a
            similar shape. The second list has a text for each profile of the plan.
        """
        name, offered, fitting = self.signature.input.name, [], []
        for index in range(max(1, self._engine.num_optimization_profiles)):
            smallest, usual, largest = map(
                sides, self._engine.get_tensor_profile_shape(name, index))
            offered.append(f'{smallest} to {largest}')
            if all(a <= n <= b for a, n, b in zip(smallest, shape, largest)):
                fitting.append((sum(abs(n - u) / u for n, u in zip(shape, usual)), index))
        return fitting, offered

    def _read_tensor(self, name: str) -> Tensor:
        dtype = self._engine.get_tensor_dtype(name)
        shape = sides(self._engine.get_tensor_shape(name))
        return Tensor(name, _NUMPY.get(dtype.name, dtype.name.lower()),
                      tuple(side if side >= 0 else None for side in shape))

    def _reserve(self, what: str, size: int) -> int:
        """Return the address of a named block. The first call allocates the block."""
        if what not in self._memory:
            self._memory[what] = self._allocate(max(size, 1))
        return self._memory[what]

    def _check(self, is_done: bool, what: str) -> None:
        if not is_done:
            raise EngineError(f'{LIBRARY}: {what}: {self._log.take_reason()}')
