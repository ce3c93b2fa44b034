# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Build a plan from an ONNX graph with TensorRT, and explain why a build failed.

A plan holds the bytes of a TensorRT engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
import re
import time
from typing import Any

import onnx

from ..engines.interruption import HeldInterrupt
from ..engines.plan import (
    Layer,
    layers_from_inspector,
    layers_from_log,
    memory_from_log,
    Plan,
    to_json,
)
from ..engines.tensorrt import BACKEND, BuildLog, datatype, LIBRARY, LOGGER, sides, trt
from ..engines.tensorrt_plugins import plugin_names
from ..engines.tensorrt_start import start_tensorrt
from ..errors import EngineError
from .settings import BuildOptions
from .shapes import Profile

Progress = Callable[[str, int, int], None]
"""A function that reports the progress of a build. Its arguments are the name of a phase, the
number of finished steps, and the number of all steps."""

_WORKSPACE = re.compile(r'workspace|sufficient memory|not enough memory|Could not find any '
                        r'implementation', re.IGNORECASE)
_LARGEST_PROTOBUF = 2**31 - 1


class OperatorSupport:
    """Tells whether TensorRT's ONNX parser or a loaded plugin supports an operator.

    The first call creates a TensorRT builder. If no other builder exists, the first call takes
    seconds, because TensorRT loads its kernels. So keep this object until the plan is built. The
    builder of the plan then finds the kernels in memory.
    """

    def __call__(self, operator: str) -> bool:
        """Return whether an operator such as ``Conv`` is supported.

        :raises EngineError: if TensorRT cannot use CUDA on this machine.
        """
        return operator in plugin_names() or bool(self._parser.supports_operator(operator))

    @cached_property
    def _parser(self) -> Any:
        # The builder and the network must live as long as the parser.
        with BuildLog() as log:
            self._builder = start_tensorrt(trt.Builder, LOGGER, log, LIBRARY)
        self._network = self._builder.create_network(0)
        return trt.OnnxParser(self._network, LOGGER)


def build_plan(model: onnx.ModelProto, profiles: Sequence[Mapping[str, Profile]],
               options: BuildOptions = BuildOptions(), timing: bytes = b'',
               progress: Progress | None = None) -> tuple[Plan, bytes]:
    """Build a plan from a graph. A build takes minutes. TensorRT-RTX needs no GPU for a build.

    :param model: the graph. The data types in the graph set the precision of every layer.
    :param profiles: optimization profiles. Each profile maps the name of an input to the range
        of its sizes. Empty if the graph fixes all sizes.
    :param timing: timing cache of an earlier build, which has the measured times of kernels and
        makes this build faster; may be empty.
    :param progress: called during the build, on the calling thread or on a thread of TensorRT. An
        exception of ``progress`` stops the build, and this function raises the exception.
    :returns: the plan and the new timing cache, which is empty for TensorRT-RTX.
    :raises EngineError: if TensorRT cannot build the plan. The message has TensorRT's reason, and
        the ONNX node if TensorRT names it.
    :raises KeyboardInterrupt: if Ctrl-C was pressed. TensorRT then stops at its next step. See
        :class:`.HeldInterrupt` for a second Ctrl-C.
    """
    with HeldInterrupt('the build was interrupted, and its plan was not written') as held, \
            BuildLog() as log:
        return _build(log, model, profiles, options, timing, progress, held)


def _build(log: BuildLog, model: onnx.ModelProto, profiles: Sequence[Mapping[str, Profile]],
           options: BuildOptions, timing: bytes, progress: Progress | None,
           held: HeldInterrupt) -> tuple[Plan, bytes]:
    started = time.monotonic()
    builder = start_tensorrt(trt.Builder, LOGGER, log, LIBRARY)
    network = builder.create_network(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    _parse_model(network, log, model)
    config = builder.create_builder_config()
    _configure_builder(config, options)
    for profile in profiles:
        _add_profile(builder, config, profile, log)
    cache = _attach_timing_cache(config, timing)
    monitor = _ProgressMonitor(progress, held)
    config.progress_monitor = monitor
    layers = _network_layers(network)
    serialised = builder.build_serialized_network(network, config)
    if monitor.error is not None:
        raise monitor.error
    if serialised is None:
        raise EngineError(_explain_failure(log, options))
    seconds = time.monotonic() - started
    data = bytes(memoryview(serialised))
    built = _built_layers(data, log)
    plan = Plan(data, _describe_plan(network, layers, built, profiles, log, seconds))
    return plan, bytes(memoryview(cache.serialize())) if cache is not None else b''


def _parse_model(network: Any, log: BuildLog, model: onnx.ModelProto) -> None:
    if model.ByteSize() > _LARGEST_PROTOBUF:
        raise EngineError(f'the network needs {model.ByteSize() / 1e9:.1f} GB, but a network '
                          f'may need at most 2 GB. Export a smaller network')
    parser = trt.OnnxParser(network, LOGGER)
    if parser.parse(model.SerializeToString()):
        return
    lines = []
    for index in range(parser.num_errors):
        error = parser.get_error(index)
        node = (f'node {error.node_name()} ({error.node_operator()})' if error.node() >= 0
                else 'the file')
        # The member `name` of this enum is a method in TensorRT 10, and a text in TensorRT 11.
        code = str(error.code()).rpartition('.')[2]
        lines.append(f'{node}: {error.desc()} [{code} in {error.func()}]')
    raise EngineError(f"{LIBRARY}'s ONNX parser refuses " + '\n'.join(lines or log.errors))


def _configure_builder(config: trt.IBuilderConfig, options: BuildOptions) -> None:
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    config.builder_optimization_level = options.level
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.max_aux_streams = 0      # auxiliary streams make the latency vary
    if not options.tf32:
        config.clear_flag(trt.BuilderFlag.TF32)
    if (flag := getattr(trt.BuilderFlag, 'REQUIRE_USER_ALLOCATION', None)) is not None:
        # Without this flag, TensorRT-RTX may allocate memory while a CUDA graph is captured.
        config.set_flag(flag)
    if options.arch:
        _set_compute_capability(config, find_compute_capability(options.arch))


def _set_compute_capability(config: Any, capability: Any) -> None:
    if hasattr(trt, 'ComputeCapability'):       # only TensorRT-RTX has this enum
        config.num_compute_capabilities = 1
        config.set_compute_capability(capability, 0)


def find_compute_capability(arch: str) -> Any:
    """Return the member of TensorRT's enum ``ComputeCapability`` for a GPU, such as ``sm_89``.

    :raises EngineError: if TensorRT cannot build for this GPU.
    """
    known = getattr(trt, 'ComputeCapability', None)
    if known is None:
        raise EngineError(f'{LIBRARY} cannot build for {arch}. {LIBRARY} builds only for the GPU '
                          f'of this machine. Build without --arch')
    name = arch.replace('_', '').upper()
    if not hasattr(known, name):
        names = ', '.join(n for n in dir(known) if n.startswith('SM'))
        raise EngineError(f'{LIBRARY} cannot build for {arch}. {LIBRARY} can build for {names}')
    return getattr(known, name)


def _add_profile(builder: trt.Builder, config: trt.IBuilderConfig,
                 profile: Mapping[str, Profile], log: BuildLog) -> None:
    made = builder.create_optimization_profile()
    for name, sizes in profile.items():
        made.set_shape(name, *(trt.Dims(list(shape)) for shape in sizes.shapes))
    if config.add_optimization_profile(made) < 0:
        raise EngineError(f'{LIBRARY} refuses the profile {dict(profile)}: {log.errors[0]}')


def _attach_timing_cache(config: trt.IBuilderConfig, timing: bytes) -> Any:
    if BACKEND == 'tensorrt_rtx':
        return None
    # For a damaged cache, create_timing_cache() returns None. For a cache of another GPU or of
    # another TensorRT version, set_timing_cache() returns False.
    cache = config.create_timing_cache(timing)
    if cache is None or not config.set_timing_cache(cache, False):
        cache = config.create_timing_cache(b'')
        config.set_timing_cache(cache, False)
    return cache


def _network_layers(network: trt.INetworkDefinition) -> list[Layer]:
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
    """Return the layers of a plan; an empty list if TensorRT does not list the layers."""
    # TensorRT-RTX builds without a GPU, but only a GPU can load the plan. So use the log's list.
    listed = layers_from_log(log.listing)
    if BACKEND == 'tensorrt_rtx' or any(layer.precision for layer in listed):
        return listed
    runtime = start_tensorrt(trt.Runtime, LOGGER, log, LIBRARY)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        return []
    text = engine.create_engine_inspector().get_engine_information(
        trt.LayerInformationFormat.JSON)
    try:
        return layers_from_inspector(text)
    except (ValueError, LookupError, TypeError, AttributeError):
        return listed       # the plan is good, but the inspector's text cannot be read


def _describe_plan(network: trt.INetworkDefinition, layers: list[Layer], built: list[Layer],
                   profiles: Sequence[Mapping[str, Profile]], log: BuildLog,
                   seconds: float) -> dict[str, Any]:
    tensors = [network.get_input(i) for i in range(network.num_inputs)]
    outputs = [network.get_output(i) for i in range(network.num_outputs)]
    return {
        'library': LIBRARY, 'seconds': round(seconds, 3),
        # If TensorRT lists no layers of the plan, list the layers of the parsed network. The plan
        # has the same data types, because the network is strongly typed.
        'layers_are': 'built' if built else 'as parsed', 'layers': to_json(built or layers),
        'memory': memory_from_log(log.lines),
        'inputs': [_describe_tensor(t) for t in tensors],
        'outputs': [_describe_tensor(t) for t in outputs],
        'profiles': [{name: [list(shape) for shape in sizes.shapes]
                      for name, sizes in profile.items()} for profile in profiles]}


def _describe_tensor(tensor: trt.ITensor) -> dict[str, Any]:
    return {'name': tensor.name, 'type': datatype(tensor.dtype),
            'shape': list(sides(tensor.shape))}


def _explain_failure(log: BuildLog, options: BuildOptions) -> str:
    reasons = '\n'.join(log.errors) or f'{LIBRARY} gave no reason'
    text = f'{LIBRARY} could not build the engine: {reasons}'
    if not any(_WORKSPACE.search(line) for line in log.errors):
        return text
    requested = [int(n) for line in log.lines
                 for n in re.findall(r'requested (?:size of |amount of memory )?(\d+)', line)]
    proposed = max([2 * options.workspace, *requested])
    # Users choose powers of two. So round up to a power of two, and propose at least 256 MiB.
    proposed = max(1 << (proposed - 1).bit_length(), 256 << 20)
    return (f'{text}\nA workspace of {_format_size(options.workspace)} was not enough. Try '
            f'--workspace {_format_size(proposed)} on the command line, or set the parameter '
            f'workspace_mib of the node to {proposed >> 20}')


def _format_size(count: int) -> str:
    for unit, size in (('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)):
        if count >= size and count % size == 0:
            return f'{count // size}{unit}'
    return str(count)


class _ProgressMonitor(trt.IProgressMonitor):
    """Passes TensorRT's progress on to a callback.

    An exception of the callback must not pass through TensorRT's C++ code. So the monitor stores
    the exception, and :func:`build_plan` raises the exception after TensorRT has returned.
    """

    def __init__(self, progress: Progress | None, held: HeldInterrupt) -> None:
        trt.IProgressMonitor.__init__(self)
        self.error: BaseException | None = None
        self._progress, self._held = progress, held
        self._steps: dict[str, int] = {}

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        self._steps[phase_name] = num_steps
        self._pass_on(phase_name, 0)

    def step_complete(self, phase_name: str, step: int) -> bool:
        self._pass_on(phase_name, step + 1)
        return self.error is None and not self._held.is_requested

    def phase_finish(self, phase_name: str) -> None:
        self._pass_on(phase_name, self._steps.pop(phase_name, 0))

    def _pass_on(self, phase: str, done: int) -> None:
        if self._progress is None or self.error is not None:
            return
        try:
            self._progress(phase, done, self._steps.get(phase, done))
        except BaseException as error:
            self.error = error
