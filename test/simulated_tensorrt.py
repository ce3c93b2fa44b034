# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Simulates the package tensorrt. It runs networks with ONNX Runtime.

The machines that run these tests usually have no GPU, so TensorRT cannot run there. This module
has the part of TensorRT's API that the package uses. test_simulated_tensorrt.py compares each
class, method, argument and enum with the real ``tensorrt_rtx``. The simulation reads and writes
the given addresses on the CPU. With ``PROVIDER = 'cuda'`` it uses the GPU and the caller's stream.
As TensorRT does, it refuses wrong shapes, missing addresses, too little memory and damaged plans.
It also behaves as TensorRT does in these cases, in which a mistake of the caller stays unseen:

- TensorRT has one logger in a process: the first one that lives. It swallows what a logger raises.
- The plugin registry keeps a pointer to its logger. The simulation raises an error if the registry
  uses a freed logger. TensorRT would crash.
- A captured CUDA graph contains a context. A change of this context raises an AssertionError. With
  TensorRT the graph would compute nonsense.
- The runtime cache must live longer than the contexts that use it.

With ``imported(rtx=True)`` the module simulates TensorRT-RTX, which has runtime configs and keeps
compiled kernels in a runtime cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
import enum
import json
import math
import sys
from typing import Any
import weakref

import numpy as np
import onnx
from onnx import helper
import onnxruntime

__version__ = '10.13.0'
PROVIDER = 'cpu'
ENVIRONMENT = 'GPU and driver of the test'
"""Kernels are compiled for this environment. A cache of another environment is refused."""

COMPILED: list[tuple[int, ...]] = []
"""Input shapes for which kernels were compiled, in order."""

REFUSAL = ''
"""An error with which TensorRT refuses every plan; empty to refuse only damaged plans."""

FORMATS: dict[str, TensorFormat] = {}
"""Formats of tensors by their names. All other tensors are linear."""

LIBRARIES: dict[str, list[str]] = {}
"""Names of the plugins in each shared library, by the name of the library's file."""

STANDARD_PLUGINS = ('ROIAlign_TRT', 'ScatterElements')
"""Plugins that exist only after :func:`init_libnvinfer_plugins`."""

_NEEDS_PLUGIN = {'ScatterElements': 'ScatterElements', 'Blur': 'Blur'}
"""Operators that the parser knows only as a plugin."""

_MAGIC = b'simulated plan\n'


class _Process:
    """What TensorRT keeps until the process ends."""

    def __init__(self) -> None:
        self.logger: Any = lambda: None
        self.swallowed: list[BaseException] = []
        self.plugins: list[str] = []
        self.registry_logger: Any = None
        self.builders: weakref.WeakSet[Builder] = weakref.WeakSet()
        self.kernel_loads = 0
        self.engines: weakref.WeakSet[ICudaEngine] = weakref.WeakSet()
        self.caches_freed_too_early = 0


PROCESS = _Process()
"""The state of the process. :func:`imported` begins a new process."""


def _use_logger(logger: ILogger) -> None:
    first = PROCESS.logger()
    if first is None:
        PROCESS.logger = weakref.ref(logger)
    elif first is not logger:
        _call(logger, ILogger.WARNING, 'The logger passed into createInferBuilder differs from '
              'one already registered for an existing builder, runtime, or refitter.')


def _log(severity: Any, text: str) -> None:
    logger = PROCESS.logger()
    if logger is not None:
        _call(logger, severity, text)


def _call(logger: ILogger, severity: Any, text: str) -> None:
    try:
        logger.log(severity, text)
    except BaseException as error:
        PROCESS.swallowed.append(error)


def _plugin_is_missing(model: onnx.ModelProto) -> bool:
    """Log an error if a node needs a plugin that is not registered."""
    for node in model.graph.node:
        wanted = _NEEDS_PLUGIN.get(node.op_type)
        if wanted is not None and wanted not in get_plugin_registry()._names():
            _log(ILogger.ERROR, f'IPluginRegistry::getCreator: Error Code 4: API Usage Error '
                 f'(Cannot find plugin: {wanted}, version: 1, namespace:.)')
            return True
    return False


def init_libnvinfer_plugins(logger: ILogger, namespace: str) -> bool:
    _use_logger(logger)
    PROCESS.registry_logger = weakref.ref(logger)
    PROCESS.plugins += [n for n in STANDARD_PLUGINS if n not in PROCESS.plugins]
    return True


def get_plugin_registry() -> IPluginRegistry:
    return IPluginRegistry()


class IPluginCreator:
    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name


class IPluginRegistry:
    def _names(self) -> list[str]:
        if PROCESS.registry_logger is not None and PROCESS.registry_logger() is None:
            raise SystemError('the plugin registry uses a logger that was freed')
        return PROCESS.plugins

    @property
    def all_creators(self) -> list[IPluginCreator]:
        return [IPluginCreator(name) for name in self._names()]

    def load_library(self, plugin_path: str) -> object:
        names = LIBRARIES.get(plugin_path.rpartition('/')[2])
        if names is None or set(names) & set(self._names()):
            _log(ILogger.ERROR, f'IPluginRegistry::loadLibrary: Error Code 6: API Usage Error '
                 f'(Unable to load library: {plugin_path})')
            return None
        PROCESS.plugins += names
        return object()


class ILogger:
    class Severity(enum.IntEnum):
        INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = Severity

    def __init__(self) -> None:
        pass

    def log(self, severity: Any, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    def __init__(self) -> None:
        pass


class DataType(enum.IntEnum):
    FLOAT, HALF, INT8, INT32, BOOL, UINT8 = range(6)
    INT64 = 8

    @property
    def itemsize(self) -> int:
        return np.dtype(_numpy(self)).itemsize


class TensorIOMode(enum.IntEnum):
    NONE, INPUT, OUTPUT = range(3)


class TensorFormat(enum.IntEnum):
    LINEAR, CHW2, HWC8 = range(3)


class ExecutionContextAllocationStrategy(enum.IntEnum):
    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class DynamicShapesKernelSpecializationStrategy(enum.IntEnum):
    LAZY, EAGER, NONE = range(3)


class LayerInformationFormat(enum.IntEnum):
    ONELINE, JSON = range(2)


class MemoryPoolType(enum.IntEnum):
    WORKSPACE = 0


class ProfilingVerbosity(enum.IntEnum):
    LAYER_NAMES_ONLY, NONE, DETAILED = range(3)


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 1


class LayerType(enum.IntEnum):
    CONVOLUTION = 0
    ACTIVATION = 2
    IDENTITY = 20


class BuilderFlag(enum.Enum):
    TF32 = 'TF32'


class Dims(tuple):  # type: ignore[type-arg]
    def __new__(cls, shape: Any = ()) -> Dims:
        return super().__new__(cls, shape)


def _numpy(dtype: DataType) -> Any:
    return {'FLOAT': np.float32, 'HALF': np.float16, 'INT8': np.int8, 'INT32': np.int32,
            'BOOL': np.bool_, 'UINT8': np.uint8, 'INT64': np.int64}[dtype.name]


def _datatype(kind: int) -> DataType:
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind))
    return next(d for d in DataType if np.dtype(_numpy(d)) == dtype)


def _shape(value: onnx.ValueInfoProto) -> Dims:
    return Dims(d.dim_value if d.HasField('dim_value') else -1
                for d in value.type.tensor_type.shape.dim)


class ITensor:
    def __init__(self, name: str, dtype: DataType, shape: Dims) -> None:
        self.name, self.dtype, self.shape = name, dtype, shape


class ILayer:
    def __init__(self, node: onnx.NodeProto) -> None:
        self.name = node.name
        self.type = {'Conv': LayerType.CONVOLUTION, 'Relu': LayerType.ACTIVATION}.get(
            node.op_type, LayerType.IDENTITY)
        self._inputs = [ITensor(n, DataType.FLOAT, Dims()) for n in node.input]
        self._outputs = [ITensor(n, DataType.FLOAT, Dims()) for n in node.output]
        self.num_inputs, self.num_outputs = len(self._inputs), len(self._outputs)

    def get_input(self, index: int) -> ITensor:
        return self._inputs[index]

    def get_output(self, index: int) -> ITensor:
        return self._outputs[index]


class INetworkDefinition:
    def __init__(self) -> None:
        self._model: onnx.ModelProto | None = None

    def _io(self, side: str) -> list[ITensor]:
        assert self._model is not None
        weights = {t.name for t in self._model.graph.initializer}
        return [ITensor(v.name, _datatype(v.type.tensor_type.elem_type), _shape(v))
                for v in getattr(self._model.graph, side) if v.name not in weights]

    @property
    def num_inputs(self) -> int:
        return len(self._io('input'))

    @property
    def num_outputs(self) -> int:
        return len(self._io('output'))

    @property
    def num_layers(self) -> int:
        assert self._model is not None
        return len(self._model.graph.node)

    def get_input(self, index: int) -> ITensor:
        return self._io('input')[index]

    def get_output(self, index: int) -> ITensor:
        return self._io('output')[index]

    def get_layer(self, index: int) -> ILayer:
        assert self._model is not None
        return ILayer(self._model.graph.node[index])


class ParserError:
    def __init__(self, text: str) -> None:
        self._text = text

    def code(self) -> Any:
        ErrorCode: Any = enum.Enum('ErrorCode', ['MODEL_DESERIALIZE_FAILED'])
        return ErrorCode.MODEL_DESERIALIZE_FAILED

    def desc(self) -> str:
        return self._text

    def node(self) -> int:
        return -1

    def node_name(self) -> str:
        return ''

    def node_operator(self) -> str:
        return ''

    def func(self) -> str:
        return 'parse'


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        _use_logger(logger)
        self._network = network
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse(self, model: bytes, path: str | None = None) -> bool:
        try:
            self._network._model = onnx.load_model_from_string(model)
            onnx.checker.check_model(self._network._model)
        except Exception as error:
            self._errors.append(ParserError(str(error)))
            return False
        if _plugin_is_missing(self._network._model):
            self._errors.append(ParserError('Plugin not found, are the plugin name, version, and '
                                            'namespace correct?'))
        return not self._errors

    def supports_operator(self, op_name: str) -> bool:
        return bool(onnx.defs.has(op_name))     # false for a plugin, as of TensorRT's parser


class IOptimizationProfile:
    def __init__(self) -> None:
        self._shapes: dict[str, list[Dims]] = {}

    def set_shape(self, input: str, min: Dims, opt: Dims, max: Dims) -> None:
        self._shapes[input] = [min, opt, max]


class ITimingCache:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> IHostMemory:
        return IHostMemory(self._data or b'simulated timings')


class IBuilderConfig:
    def __init__(self) -> None:
        self.builder_optimization_level = 3
        self.profiling_verbosity = ProfilingVerbosity.LAYER_NAMES_ONLY
        self.max_aux_streams = -1
        self.progress_monitor: IProgressMonitor | None = None
        self._profiles: list[IOptimizationProfile] = []

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        assert pool is MemoryPoolType.WORKSPACE and pool_size > 0

    def clear_flag(self, flag: BuilderFlag) -> None:
        assert flag is BuilderFlag.TF32

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        if serialized_timing_cache not in (b'', b'simulated timings'):
            _log(ILogger.ERROR, 'createTimingCache: Error Code 3: API Usage Error (damaged)')
            return None
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        if cache is None:
            raise TypeError('set_timing_cache(): incompatible function arguments')
        return True


class IHostMemory(bytes):
    pass


class Builder:
    def __init__(self, logger: ILogger) -> None:
        _use_logger(logger)
        self._logger = logger
        # TensorRT loads its kernel library, in seconds, if no other builder lives.
        PROCESS.kernel_loads += not PROCESS.builders
        PROCESS.builders.add(self)

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        return IBuilderConfig()

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition,
                                 config: IBuilderConfig) -> IHostMemory | None:
        monitor: Any = config.progress_monitor
        monitor.phase_start('Building engine', None, 1)
        if not monitor.step_complete('Building engine', 0):
            return None
        monitor.phase_finish('Building engine')
        for tensor in (network.get_input(i) for i in range(network.num_inputs)):
            if -1 in tensor.shape and not config._profiles:
                _log(ILogger.ERROR, 'Network has dynamic or shape inputs, but no '
                     'optimization profile has been defined.')
                return None
        assert network._model is not None
        profiles = json.dumps([p._shapes for p in config._profiles]).encode()
        return IHostMemory(_MAGIC + len(profiles).to_bytes(4, 'little') + profiles
                           + network._model.SerializeToString())


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        _use_logger(logger)
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if REFUSAL or not serialized_engine.startswith(_MAGIC):
            _log(ILogger.ERROR, REFUSAL or 'IRuntime::deserializeCudaEngine: Error Code 1: '
                 'Serialization (magicTag is wrong)')
            return None
        body = serialized_engine[len(_MAGIC):]
        size = int.from_bytes(body[:4], 'little')
        model = onnx.load_model_from_string(body[4 + size:])
        if _plugin_is_missing(model):
            return None
        return ICudaEngine(self, json.loads(body[4:4 + size]), model)


class EngineInspector:
    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine

    def get_engine_information(self, format: LayerInformationFormat) -> str:
        assert format is LayerInformationFormat.JSON
        return json.dumps({'Layers': [
            {'Name': node.name, 'LayerType': node.op_type,
             'Inputs': [{'Format/Datatype': 'Row major linear FP32 format'}],
             'Outputs': [{'Format/Datatype': 'Row major linear FP32 format'}],
             'Metadata': f'[ONNX Layer: {node.name}]'} for node in self._engine._model.graph.node],
            'Bindings': []})


def _activations(shape: tuple[int, ...]) -> int:
    """Bytes of GPU memory that one run needs beside its inputs and outputs."""
    return -(-math.prod(shape) // 256) * 256


class ICudaEngine:
    def __init__(self, runtime: Runtime, profiles: list[dict[str, Any]],
                 model: onnx.ModelProto) -> None:
        self._runtime, self._profiles, self._model = runtime, profiles, model
        PROCESS.engines.add(self)
        weights = {t.name for t in model.graph.initializer}
        self._io = [*(v for v in model.graph.input if v.name not in weights),
                    *model.graph.output]
        self._input_names = [v.name for v in self._io[:len(self._io) - len(model.graph.output)]]
        self._sessions: dict[int, Any] = {}

    @property
    def num_io_tensors(self) -> int:
        return len(self._io)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self._profiles))

    @property
    def device_memory_size_v2(self) -> int:
        return max(map(self.get_device_memory_size_for_profile_v2,
                       range(self.num_optimization_profiles)))

    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int:
        return sum(_activations(self.get_tensor_profile_shape(name, profile_index)[2])
                   for name in self._input_names)

    def _value(self, name: str) -> onnx.ValueInfoProto:
        return next(v for v in self._io if v.name == name)

    def get_tensor_name(self, index: int) -> str:
        return str(self._io[index].name)

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self._input_names else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return _datatype(self._value(name).type.tensor_type.elem_type)

    def get_tensor_shape(self, name: str) -> Dims:
        return _shape(self._value(name))

    def get_tensor_format(self, name: str, profile_index: int) -> TensorFormat:
        return FORMATS.get(name, TensorFormat.LINEAR)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        if not self._profiles:
            return [self.get_tensor_shape(name)] * 3
        return [Dims(shape) for shape in self._profiles[profile_index][name]]

    def create_engine_inspector(self) -> EngineInspector:
        return EngineInspector(self)

    def create_runtime_config(self) -> IRuntimeConfig:
        return IRuntimeConfig(self)

    def create_execution_context(
            self, strategy: ExecutionContextAllocationStrategy | IRuntimeConfig
            ) -> IExecutionContext:
        if isinstance(strategy, IRuntimeConfig):
            return IExecutionContext(self, strategy._strategy, strategy._cache)
        return IExecutionContext(self, strategy)

    def _session(self, stream: int) -> Any:
        if stream not in self._sessions:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            cuda = ('CUDAExecutionProvider', {
                'device_id': '0', 'user_compute_stream': str(stream), 'use_tf32': '0'})
            self._sessions[stream] = onnxruntime.InferenceSession(
                self._model.SerializeToString(), options,
                providers=[cuda if PROVIDER == 'cuda' else 'CPUExecutionProvider'])
        return self._sessions[stream]


class IRuntimeCache:
    def __init__(self) -> None:
        self._kernels: list[list[int]] = []
        self._contexts: weakref.WeakSet[IExecutionContext] = weakref.WeakSet()

    def serialize(self) -> IHostMemory:
        return IHostMemory(json.dumps([ENVIRONMENT, self._kernels]).encode())

    def deserialize(self, blob: bytes) -> bool:
        environment, kernels = json.loads(blob)
        if environment != ENVIRONMENT:
            _log(ILogger.ERROR, f'IRuntimeCache: made for {environment}')
            return False
        self._kernels = kernels
        return True

    def __del__(self) -> None:
        PROCESS.caches_freed_too_early += bool(self._contexts)


class IRuntimeConfig:
    def __init__(self, engine: ICudaEngine) -> None:
        self.dynamic_shapes_kernel_specialization_strategy = (
            DynamicShapesKernelSpecializationStrategy.LAZY)
        self._engine = engine
        self._strategy = ExecutionContextAllocationStrategy.STATIC
        self._cache: IRuntimeCache | None = None

    def set_execution_context_allocation_strategy(
            self, strategy: ExecutionContextAllocationStrategy) -> None:
        self._strategy = strategy

    def create_runtime_cache(self) -> IRuntimeCache:
        return IRuntimeCache()

    def set_runtime_cache(self, cache: IRuntimeCache) -> bool:
        self._cache = cache
        return True


class _Capture:
    """A capture of a CUDA graph on the CPU: it keeps runs, and can do them later."""

    def __init__(self) -> None:
        self._runs: list[tuple[IExecutionContext, dict[str, int]]] = []

    def add(self, context: IExecutionContext) -> None:
        self._runs.append((context, dict(context._addresses)))

    def launch(self) -> None:
        """Run the graph with the addresses of its capture."""
        for context, addresses in self._runs:
            now, context._addresses = context._addresses, addresses
            context._run_cpu(context.engine._session(0))
            context._addresses = now


_capture: _Capture | None = None


@contextmanager
def capture() -> Iterator[_Capture]:
    """Capture all runs in the block, instead of doing them."""
    global _capture
    _capture = _Capture()
    try:
        yield _capture
    finally:
        _capture = None


class IExecutionContext:
    def __init__(self, engine: ICudaEngine, strategy: ExecutionContextAllocationStrategy,
                 kernels: IRuntimeCache | None = None) -> None:
        self.engine = engine
        # TensorRT's context does not keep the runtime cache alive.
        self._kernels_of = weakref.ref(kernels) if kernels else lambda: None
        if kernels is not None:
            kernels._contexts.add(self)
        self._managed = strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        self._memory = self._memory_size = 0
        self._profile = -1
        self._shapes: dict[str, Dims] = {}
        self._addresses: dict[str, int] = {}
        self._is_captured = False

    def _refuse(self, text: str) -> bool:
        _log(ILogger.ERROR, f'IExecutionContext: {text}')
        return False

    def _change(self, what: str) -> None:
        assert not self._is_captured, f'{what} changes a context that a CUDA graph contains'

    def _needed(self) -> int:
        return sum(_activations(self._shapes[name]) for name in self.engine._input_names)

    def update_device_memory_size_for_shapes(self) -> int:
        if self._profile < 0 or not all(n in self._shapes for n in self.engine._input_names):
            self._refuse('not all input shapes are specified')
            return 0
        return self._needed()

    def set_device_memory(self, memory: int, size: int) -> None:
        self._change('set_device_memory')
        assert memory and memory % 256 == 0
        self._memory, self._memory_size = memory, size

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._change('set_optimization_profile_async')
        if not 0 <= profile_index < self.engine.num_optimization_profiles:
            return self._refuse(f'no profile {profile_index}')
        self._profile = profile_index
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._change('set_input_shape')
        low, _, high = self.engine.get_tensor_profile_shape(name, max(self._profile, 0))
        if len(shape) != len(low) or not all(a <= n <= b for a, n, b in zip(low, shape, high)):
            return self._refuse(f'shape {shape} of {name} is outside profile {self._profile}')
        self._shapes = {name: Dims(shape)}
        return True

    def infer_shapes(self) -> list[str]:
        missing = [n for n in self.engine._input_names if n not in self._shapes]
        if not missing:
            # the CPU is enough, because only the shapes are needed
            session = onnxruntime.InferenceSession(
                self.engine._model.SerializeToString(), providers=['CPUExecutionProvider'])
            feeds = {n: np.zeros(self._shapes[n], _numpy(self.engine.get_tensor_dtype(n)))
                     for n in self.engine._input_names}
            for output, values in zip(session.get_outputs(), session.run(None, feeds)):
                self._shapes[output.name] = Dims(values.shape)
        return missing

    def get_tensor_shape(self, name: str) -> Dims:
        return self._shapes.get(name, self.engine.get_tensor_shape(name))

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._change(f'set_tensor_address of {name}')
        if memory % 256:
            return self._refuse(f'address {memory:#x} of {name} is not a multiple of 256')
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        names = [v.name for v in self.engine._io]
        if missing := [n for n in names if not self._addresses.get(n)]:
            return self._refuse(f'no address is set for {missing}')
        if missing := [n for n in names if n not in self._shapes]:
            return self._refuse(f'no shape is known for {missing}')
        if self._managed and (not self._memory or self._memory_size < self._needed()):
            return self._refuse(f'{self._memory_size} bytes of device memory are set; '
                                f'{self._needed()} are needed')
        if _capture is not None or _is_capturing(stream_handle):
            self._is_captured = True
        if _capture is not None:
            _capture.add(self)
            return True
        self._compile()
        session = self.engine._session(stream_handle)
        (self._run_cuda if PROVIDER == 'cuda' else self._run_cpu)(session)
        return True

    def _compile(self) -> None:
        shape = list(self._shapes[self.engine._input_names[0]])
        kernels = self._kernels_of()
        if kernels is None or shape not in kernels._kernels:
            COMPILED.append(tuple(shape))
            if kernels is not None:
                kernels._kernels.append(shape)

    def _memory_of(self, name: str) -> np.ndarray[Any, Any]:
        dtype = np.dtype(_numpy(self.engine.get_tensor_dtype(name)))
        shape = self._shapes[name]
        block = (ctypes.c_uint8 * (math.prod(shape) * dtype.itemsize)).from_address(
            self._addresses[name])
        return np.frombuffer(block, dtype).reshape(shape)

    def _run_cpu(self, session: Any) -> None:
        feeds = {n: self._memory_of(n) for n in self.engine._input_names}
        ctypes.memset(self._memory, 0xA5, self._needed() if self._managed else 0)
        for output, values in zip(session.get_outputs(), session.run(None, feeds)):
            self._memory_of(output.name)[...] = values

    def _run_cuda(self, session: Any) -> None:
        binding = session.io_binding()
        for value in self.engine._io:
            name, is_input = value.name, value.name in self.engine._input_names
            (binding.bind_input if is_input else binding.bind_output)(
                name, 'cuda', 0, _numpy(self.engine.get_tensor_dtype(name)),
                list(self._shapes[name]), self._addresses[name])
        options = onnxruntime.RunOptions()
        options.add_run_config_entry('disable_synchronize_execution_providers', '1')
        session.run_with_iobinding(binding, options)


def _is_capturing(stream: int) -> bool:
    """Return whether a stream of the GPU is being captured."""
    if PROVIDER != 'cuda':
        return False
    from cuda.bindings import driver
    _, status = driver.cuStreamIsCapturing(stream)
    return bool(status == driver.CUstreamCaptureStatus.CU_STREAM_CAPTURE_STATUS_ACTIVE)


LOADED_WITH_IT = ('trt_segmentation.engines.tensorrt', 'trt_segmentation.engines.loaded_plan',
                  'trt_segmentation.engines.tensorrt_plugins',
                  'trt_segmentation.engines.tensorrt_engine', 'trt_segmentation.builder.build',
                  'trt_segmentation.builder.open_engine')


@contextmanager
def imported(rtx: bool = False) -> Iterator[None]:
    """Import the package's TensorRT modules again. They get this module instead of tensorrt.

    :param rtx: True for TensorRT-RTX. The package recognises TensorRT-RTX by its attributes.
    """
    names = ('tensorrt', *LOADED_WITH_IT)
    global PROCESS
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    _forget_attributes()
    PROCESS = _Process()
    here: Any = sys.modules[__name__]
    sys.modules['tensorrt'] = here
    only_rtx = DynamicShapesKernelSpecializationStrategy
    if not rtx:
        del here.DynamicShapesKernelSpecializationStrategy
    try:
        yield
    finally:
        here.DynamicShapesKernelSpecializationStrategy = only_rtx
        for name in names:
            sys.modules.pop(name, None)
        _forget_attributes()
        sys.modules.update(before)
        for name in set(before) & set(LOADED_WITH_IT):
            package, _, child = name.rpartition('.')
            setattr(sys.modules[package], child, before[name])


def _forget_attributes() -> None:
    # `from package import module` takes the attribute of the package before sys.modules
    for name in LOADED_WITH_IT:
        package, _, child = name.rpartition('.')
        if package in sys.modules and hasattr(sys.modules[package], child):
            delattr(sys.modules[package], child)
