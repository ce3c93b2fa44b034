# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Simulates the package tensorrt. It runs networks with ONNX Runtime.

The machines that run these tests usually have no GPU, so TensorRT cannot run there. This module
has the part of TensorRT's API that the package uses. test_simulated_tensorrt.py compares each
class, method, argument and enum with the real ``tensorrt_rtx``. The simulation reads and writes
the given addresses on the CPU. With ``PROVIDER = 'cuda'`` it uses the GPU and the caller's stream.
Like TensorRT, it refuses wrong shapes, missing addresses, too little memory and damaged plans.

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

import numpy as np
import onnx
from onnx import helper
import onnxruntime

__version__ = '10.13.0'
PROVIDER = 'cpu'
ACTIVATIONS = 4096
"""Bytes of GPU memory that every simulated engine needs."""

ENVIRONMENT = 'GPU and driver of the test'
"""Kernels are compiled for this environment. A cache of another environment is refused."""

COMPILED: list[tuple[int, ...]] = []
"""Input shapes for which kernels were compiled, in order."""

_MAGIC = b'simulated plan\n'


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
        return not self._errors

    def supports_operator(self, op_name: str) -> bool:
        return bool(onnx.defs.has(op_name))


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

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache:
        return ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        return True


class IHostMemory(bytes):
    pass


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

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
                self._logger.log(ILogger.ERROR, 'Network has dynamic or shape inputs, but no '
                                 'optimization profile has been defined.')
                return None
        assert network._model is not None
        profiles = json.dumps([p._shapes for p in config._profiles]).encode()
        return IHostMemory(_MAGIC + len(profiles).to_bytes(4, 'little') + profiles
                           + network._model.SerializeToString())


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        if not serialized_engine.startswith(_MAGIC):
            self._logger.log(ILogger.ERROR, 'IRuntime::deserializeCudaEngine: Error Code 1: '
                             'Serialization (magicTag is wrong)')
            return None
        body = serialized_engine[len(_MAGIC):]
        size = int.from_bytes(body[:4], 'little')
        return ICudaEngine(self._logger, json.loads(body[4:4 + size]),
                           onnx.load_model_from_string(body[4 + size:]))


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


class ICudaEngine:
    device_memory_size_v2 = ACTIVATIONS

    def __init__(self, logger: ILogger, profiles: list[dict[str, Any]],
                 model: onnx.ModelProto) -> None:
        self._logger, self._profiles, self._model = logger, profiles, model
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
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger
        self._kernels: list[list[int]] = []

    def serialize(self) -> IHostMemory:
        return IHostMemory(json.dumps([ENVIRONMENT, self._kernels]).encode())

    def deserialize(self, blob: bytes) -> bool:
        environment, kernels = json.loads(blob)
        if environment != ENVIRONMENT:
            self._logger.log(ILogger.ERROR, f'IRuntimeCache: made for {environment}')
            return False
        self._kernels = kernels
        return True


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
        return IRuntimeCache(self._engine._logger)

    def set_runtime_cache(self, cache: IRuntimeCache) -> bool:
        self._cache = cache
        return True


class IExecutionContext:
    def __init__(self, engine: ICudaEngine, strategy: ExecutionContextAllocationStrategy,
                 kernels: IRuntimeCache | None = None) -> None:
        self.engine = engine
        self._kernels = kernels
        self._managed = strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        self._memory = 0
        self._profile = -1
        self._shapes: dict[str, Dims] = {}
        self._addresses: dict[str, int] = {}

    def _refuse(self, text: str) -> bool:
        self.engine._logger.log(ILogger.ERROR, f'IExecutionContext: {text}')
        return False

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory and size >= ACTIVATIONS
        self._memory = memory

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        if not 0 <= profile_index < self.engine.num_optimization_profiles:
            return self._refuse(f'no profile {profile_index}')
        self._profile = profile_index
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
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
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        names = [v.name for v in self.engine._io]
        if missing := [n for n in names if not self._addresses.get(n)]:
            return self._refuse(f'no address is set for {missing}')
        if missing := [n for n in names if n not in self._shapes]:
            return self._refuse(f'no shape is known for {missing}')
        if self._managed and not self._memory:
            return self._refuse('no device memory is set')
        self._compile()
        session = self.engine._session(stream_handle)
        (self._run_cuda if PROVIDER == 'cuda' else self._run_cpu)(session)
        return True

    def _compile(self) -> None:
        shape = list(self._shapes[self.engine._input_names[0]])
        if self._kernels is None or shape not in self._kernels._kernels:
            COMPILED.append(tuple(shape))
            if self._kernels is not None:
                self._kernels._kernels.append(shape)

    def _memory_of(self, name: str) -> np.ndarray[Any, Any]:
        dtype = np.dtype(_numpy(self.engine.get_tensor_dtype(name)))
        shape = self._shapes[name]
        block = (ctypes.c_uint8 * (math.prod(shape) * dtype.itemsize)).from_address(
            self._addresses[name])
        return np.frombuffer(block, dtype).reshape(shape)

    def _run_cpu(self, session: Any) -> None:
        feeds = {n: self._memory_of(n) for n in self.engine._input_names}
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


LOADED_WITH_IT = ('trt_segmentation.engines.tensorrt', 'trt_segmentation.builder.build',
                  'trt_segmentation.builder.open_engine')


@contextmanager
def imported(rtx: bool = False) -> Iterator[None]:
    """Import the package's TensorRT modules again. They get this module instead of tensorrt.

    :param rtx: True for TensorRT-RTX. The package recognises TensorRT-RTX by its attributes.
    """
    names = ('tensorrt', *LOADED_WITH_IT)
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    _forget_attributes()
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
