# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX to plan: parse, build, and say what went wrong in words that lead somewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import re
import time
from typing import Any

import onnx

from ..engines.plan import (
    Layer,
    layers_from_inspector,
    layers_from_log,
    memory_from_log,
    Plan,
    to_json,
)
from ..engines.tensorrt import BACKEND, BuildLog, datatype, LIBRARY, sides, trt
from ..errors import EngineError
from .shapes import Profile

Progress = Callable[[str, int, int], None]
"""Called with a phase, the steps of it done, and how many it has."""

_WORKSPACE = re.compile(r'workspace|sufficient memory|not enough memory|Could not find any '
                        r'implementation', re.IGNORECASE)
_LARGEST_PROTOBUF = 2**31 - 1


@dataclass(frozen=True)
class BuildOptions:
    """What the builder is told besides the network.

    :param workspace: bytes of scratch memory a layer may use.
    :param level: 0 to 5; how long to look for fast kernels.
    :param tf32: let FP32 layers round their inputs to 10 bits of mantissa.
    :param arch: compute capability to build for, such as ``sm_89``, with TensorRT-RTX only;
        '' for the GPU here or, with TensorRT-RTX and none here, every one it knows.
    """

    workspace: int = 1 << 30
    level: int = 3
    tf32: bool = False
    arch: str = ''

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """For an engine key."""
        return tuple(sorted((name, str(value)) for name, value in vars(self).items()))


def supported(operator: str) -> bool:
    """Whether TensorRT's ONNX parser knows an operator."""
    log = BuildLog()
    builder = trt.Builder(log)
    network = builder.create_network(0)
    return bool(trt.OnnxParser(network, log).supports_operator(operator))


def build(model: onnx.ModelProto, profiles: Sequence[Mapping[str, Profile]],
          options: BuildOptions = BuildOptions(), timing: bytes = b'',
          progress: Progress | None = None) -> tuple[Plan, bytes]:
    """Turn a graph into a plan; needs no GPU with TensorRT-RTX. Blocks for up to minutes.

    :param model: the precision of every layer is the one the graph has.
    :param profiles: for every profile the range of every input; [] where all sizes are fixed.
    :param timing: what an earlier build returned, to be faster by; b'' to start anew.
    :param progress: called from the building thread; an exception of its own ends the build.
    :returns: the plan, and the timing cache (b'' of TensorRT-RTX, which has none).
    :raises EngineError: with TensorRT's words, the ONNX node and what to do.
    """
    started = time.monotonic()
    log = BuildLog()
    builder = trt.Builder(log)
    network = builder.create_network(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse(network, log, model)
    config = builder.create_builder_config()
    _configure(config, options)
    for profile in profiles:
        _add_profile(builder, config, profile, log)
    cache = _attach_timing(config, timing)
    monitor = _Monitor(progress)
    config.progress_monitor = monitor
    layers = network_layers(network)
    serialised = builder.build_serialized_network(network, config)
    if monitor.error is not None:
        raise monitor.error
    if serialised is None:
        raise EngineError(_build_failure(log, options))
    seconds = time.monotonic() - started
    data = bytes(memoryview(serialised))
    plan = Plan(data, _about(network, layers, _built_layers(data, log), profiles, log, seconds))
    return plan, bytes(memoryview(cache.serialize())) if cache is not None else b''


def _parse(network: Any, log: BuildLog, model: onnx.ModelProto) -> None:
    if model.ByteSize() > _LARGEST_PROTOBUF:
        raise EngineError(f'the network has {model.ByteSize() / 1e9:.1f} GB; 2 GB is the most '
                          f'that one ONNX message can hold')
    parser = trt.OnnxParser(network, log)
    if parser.parse(model.SerializeToString()):
        return
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        node = (f'node {error.node_name()} ({error.node_operator()})' if error.node() >= 0
                else 'the file')
        lines.append(f'{node}: {error.desc()} [{error.code().name} in {error.func()}]')
    raise EngineError(f"{LIBRARY}'s ONNX parser refuses " + '\n'.join(lines or log.errors))


def _configure(config: trt.IBuilderConfig, options: BuildOptions) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    config.builder_optimization_level = options.level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.max_aux_streams = 0      # helper streams make latency jump
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if (flag := getattr(trt.BuilderFlag, 'REQUIRE_USER_ALLOCATION', None)) is not None:
        config.set_flag(flag)       # TensorRT-RTX: no allocation while a graph is captured
    if not options.arch:
        return
    known = getattr(trt, 'ComputeCapability', None)
    if known is None:
        raise EngineError(f'{LIBRARY} builds for the GPU at hand only, not for {options.arch}')
    name = options.arch.replace('_', '').upper()
    if not hasattr(known, name):
        names = ', '.join(n for n in dir(known) if n.startswith('SM'))
        raise EngineError(f'{LIBRARY} cannot build for {options.arch}; it knows {names}')
    settings: Any = config
    settings.num_compute_capabilities = 1
    settings.set_compute_capability(getattr(known, name), 0)


def _add_profile(builder: trt.Builder, config: trt.IBuilderConfig,
                 profile: Mapping[str, Profile], log: BuildLog) -> None:
    made = builder.create_optimization_profile()
    for name, sizes in profile.items():
        made.set_shape(name, *(trt.Dims(list(shape)) for shape in sizes.shapes))
    if config.add_optimization_profile(made) < 0:
        raise EngineError(f'{LIBRARY} refuses the profile {dict(profile)}: {log.errors[0]}')


def _attach_timing(config: trt.IBuilderConfig, timing: bytes) -> Any:
    if BACKEND == 'tensorrt_rtx':
        return None
    cache = config.create_timing_cache(timing)
    config.set_timing_cache(cache, False)
    return cache


def network_layers(network: trt.INetworkDefinition) -> list[Layer]:
    """Layers of a network before the build, with the types the graph gives them."""
    found = []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        inputs = [layer.get_input(i) for i in range(layer.num_inputs)]
        outputs = [layer.get_output(i) for i in range(layer.num_outputs)]
        found.append(Layer(
            layer.name, layer.type.name.lower(),
            tuple(datatype(t.dtype) for t in inputs if t is not None),
            tuple(datatype(t.dtype) for t in outputs if t is not None), (layer.name,)))
    return found


def _built_layers(plan: bytes, log: BuildLog) -> list[Layer]:
    """Layers as TensorRT built them; [] where it does not tell."""
    if log.listing or BACKEND == 'tensorrt_rtx':    # which may have no GPU to load a plan on
        return layers_from_log(log.listing)
    engine = trt.Runtime(log).deserialize_cuda_engine(plan)
    if engine is None:
        return []
    text = engine.create_engine_inspector().get_engine_information(
        trt.LayerInformationFormat.JSON)
    return layers_from_inspector(text)


def _about(network: trt.INetworkDefinition, layers: list[Layer], built: list[Layer],
           profiles: Sequence[Mapping[str, Profile]], log: BuildLog,
           seconds: float) -> dict[str, Any]:
    tensors = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    return {
        'library': LIBRARY, 'seconds': round(seconds, 3),
        # where TensorRT does not tell, the network's own types hold: it is strongly typed
        'layers_are': 'built' if built else 'as parsed', 'layers': to_json(built or layers),
        'memory': memory_from_log(log.lines),
        'inputs': [_tensor(t) for t in tensors], 'outputs': [_tensor(t) for t in outputs],
        'profiles': [{name: [list(shape) for shape in sizes.shapes]
                      for name, sizes in profile.items()} for profile in profiles]}


def _tensor(tensor: trt.ITensor) -> dict[str, Any]:
    return {'name': tensor.name, 'type': datatype(tensor.dtype),
            'shape': list(sides(tensor.shape))}


def _build_failure(log: BuildLog, options: BuildOptions) -> str:
    words = '\n'.join(log.errors) or 'no reason was given'
    text = f'{LIBRARY} could not build the engine: {words}'
    if not any(_WORKSPACE.search(line) for line in log.errors):
        return text
    asked = [int(n) for line in log.lines
             for n in re.findall(r'requested (?:size of |amount of memory )?(\d+)', line)]
    following = max([2 * options.workspace, *asked])
    # sizes people write: the next power of two from 256 MB up
    following = max(1 << (following - 1).bit_length(), 256 << 20)
    return (f'{text}\nA workspace of {_size(options.workspace)} was not enough; try '
            f'--workspace {_size(following)}, which is workspace_mib {following >> 20} of a node')


def _size(count: int) -> str:
    for unit, size in (('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)):
        if count >= size and count % size == 0:
            return f'{count // size}{unit}'
    return str(count)


class _Monitor(trt.IProgressMonitor):
    """Hands TensorRT's progress on; what the receiver raises is kept until TensorRT returned."""

    def __init__(self, progress: Progress | None) -> None:
        trt.IProgressMonitor.__init__(self)
        self.error: BaseException | None = None
        self._progress = progress
        self._steps: dict[str, int] = {}

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        self._steps[phase_name] = num_steps
        self._tell(phase_name, 0)

    def step_complete(self, phase_name: str, step: int) -> bool:
        self._tell(phase_name, step + 1)
        return self.error is None

    def phase_finish(self, phase_name: str) -> None:
        self._tell(phase_name, self._steps.pop(phase_name, 0))

    def _tell(self, phase: str, done: int) -> None:
        if self._progress is None or self.error is not None:
            return
        try:
            self._progress(phase, done, self._steps.get(phase, done))
        except BaseException as error:      # must not unwind through TensorRT's C++ frames
            self.error = error
