# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A plan that TensorRT has loaded. A plan is a network that TensorRT built for a GPU.

Several engines can share a loaded plan and its weights. A plan has one or more profiles. A profile
is a range of input shapes that the plan allows.
"""

from __future__ import annotations

from collections.abc import Callable
import re
from typing import Any

from ..errors import EngineError, PlanRefused
from ..model.card import ModelCard
from ..model.signature import resolve_signature, Signature, Tensor
from ..untrusted.onnx_graph import read_endings
from .kernel_cache import KernelCache
from .plan import Plan
from .tensorrt import BuildLog, LIBRARY, LOGGER, sides, trt
from .tensorrt_plugins import load_plugins
from .tensorrt_start import start_tensorrt

_NUMPY = {'FLOAT': 'float32', 'HALF': 'float16'}
_OUT_OF_MEMORY = re.compile(r'out\s?of\s?memory', re.IGNORECASE)


class LoadedPlan:
    """One copy of a network's weights on a GPU. One or more :class:`.TensorRtEngine` use the copy.

    Only one thread at a time may call the methods. The GPU must be current in this thread.

    The constructor also loads the plugins of the model card.

    :param plan: a plan for this GPU. The plan must be built by the library that is loaded here, in
        the same version. The plan must come from a trusted source, because a plan is machine code.
    :param warn: a function that is called with the text of each warning from TensorRT.
    :param kernels: a cache for the kernels that TensorRT-RTX compiles; None to compile them at
        every start. The library TensorRT compiles no kernels at a start, so it uses no such cache.
    :ivar log: the log of TensorRT. Call TensorRT only in a ``with`` block of this log.
    :ivar signature: the input and the output of the network.
    :raises PlanRefused: if the plan is damaged, or was built for another GPU, driver or version of
        the library.
    :raises EngineError: if a plugin cannot be loaded, if the GPU has too little memory for the
        weights, or if the plan does not fit the card.
    """

    def __init__(self, plan: Plan, card: ModelCard,
                 warn: Callable[[str], None] = lambda line: None,
                 kernels: KernelCache | None = None) -> None:
        self.precision = str(plan.about.get('precision', 'fp32'))
        self.kernels = kernels
        self.log = BuildLog(warn)
        self._warn = warn
        self._users = 0
        load_plugins(card.plugins, warn)
        with self.log:
            self._runtime: Any = start_tensorrt(trt.Runtime, LOGGER, self.log, LIBRARY)
            # TensorRT 10.13 and newer keep Python's lock (GIL) during this whole call. So the plan
            # must be loaded before the node spins.
            self._engine: Any = self._runtime.deserialize_cuda_engine(plan.data)
        if self._engine is None:
            raise _explain_refusal(self.log.take_reason())
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        inputs = [n for n in names
                  if self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT]
        self.outputs = [n for n in names if n not in inputs]
        self._check_formats(names)
        self.signature: Signature = resolve_signature(
            [self._read_tensor(n) for n in inputs], [self._read_tensor(n) for n in self.outputs],
            card.input, card.output, len(card.classes),
            read_endings(card.model))

    def add_user(self) -> None:
        """Count an engine that uses the plan."""
        self._users += 1

    def remove_user(self) -> None:
        """Count one engine less. If no engine uses the plan any more, free the weights.

        Before this call, all contexts of the engine must be freed.
        """
        self._users -= 1
        if not self._users:
            if self.kernels is not None:
                self.kernels.close()
            self._engine = self._runtime = None

    def smallest_batch(self) -> int:
        """Return the smallest batch size that the first profile allows."""
        smallest = self._engine.get_tensor_profile_shape(self.signature.input.name, 0)[0]
        return sides(smallest)[0]

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether a profile of the plan allows an input shape."""
        return bool(self._fitting_profiles(shape)[0])

    def make_context(self, shape: tuple[int, ...], stream: int) -> Any:
        """Make an ``IExecutionContext`` for an input shape, without memory for activations.

        :raises EngineError: if no profile of the plan allows the shape, or if TensorRT refuses the
            shape.
        """
        index = self.choose_profile(shape)
        context = self._make_context()
        self.check(context.set_optimization_profile_async(index, stream),
                   f'profile {index} cannot be used')
        self.check(context.set_input_shape(self.signature.input.name, shape),
                   f'input shape {shape} is refused')
        if missing := context.infer_shapes():
            raise EngineError(f'{LIBRARY} cannot compute the shapes of {", ".join(missing)}')
        return context

    def choose_profile(self, shape: tuple[int, ...]) -> int:
        """Return the index of the profile that TensorRT optimised for the most similar shape.

        :raises EngineError: if no profile of the plan allows the shape.
        """
        fitting, offered = self._fitting_profiles(shape)
        if not fitting:
            raise EngineError(f'no profile of the plan allows the shape {shape} of input '
                              f'{self.signature.input.name}; the plan allows '
                              f'{", ".join(offered)}. Build the plan again with options --shapes '
                              f'and --batch that include this shape')
        return min(fitting)[1]

    def count_bytes(self, context: Any, name: str) -> int:
        """Return the size of an output tensor, in bytes, for the input shape of a context."""
        size: int = self._engine.get_tensor_dtype(name).itemsize
        for side in sides(context.get_tensor_shape(name)):
            size *= side
        return size

    def count_activations(self, context: Any) -> int:
        """Return the size of the activations, in bytes, for the input shape of a context.

        :raises EngineError: if TensorRT does not know the size.
        """
        # device_memory_size_v2 is the size for the largest batch that any profile allows. The
        # context may need less memory.
        size = int(context.update_device_memory_size_for_shapes())
        self.check(size > 0 or self._engine.device_memory_size_v2 == 0,
                   'the size of the activations is unknown')
        return size

    def check(self, is_done: bool, what: str) -> None:
        """Raise an error with TensorRT's reason if a call of TensorRT failed.

        :param is_done: the result of the call.
        :param what: text for the error; what went wrong if ``is_done`` is False.
        :raises EngineError: if ``is_done`` is False.
        """
        if not is_done:
            raise EngineError(f'{LIBRARY}: {what}: {self.log.take_reason()}')

    def _make_context(self) -> Any:
        strategy = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not hasattr(trt, 'DynamicShapesKernelSpecializationStrategy'):
            context = self._engine.create_execution_context(strategy)
        else:
            config = self._engine.create_runtime_config()
            config.set_execution_context_allocation_strategy(strategy)
            # TensorRT-RTX compiles kernels for each shape. With EAGER, it compiles the kernels
            # while the context is made. A compilation during a run would delay a frame.
            config.dynamic_shapes_kernel_specialization_strategy = (
                trt.DynamicShapesKernelSpecializationStrategy.EAGER)
            if self.kernels is not None and not self.kernels.attach(config):
                self._warn(f'{LIBRARY} refuses the kernels that an earlier start kept, and '
                           f'compiles them again: {self.log.take_reason()}')
            context = self._engine.create_execution_context(config)
        if context is None:
            raise EngineError(f'{LIBRARY} cannot make a context: {self.log.take_reason()}')
        return context

    def _fitting_profiles(
            self, shape: tuple[int, ...]) -> tuple[list[tuple[float, int]], list[str]]:
        """Find the profiles of the plan that allow an input shape.

        :returns: two lists. The first list has the distance and the index of each profile that
            allows ``shape``. A small distance means that TensorRT optimised the profile for a
            similar shape. The second list has a text for each profile of the plan, with the
            smallest and the largest shape.
        """
        name, offered, fitting = self.signature.input.name, [], []
        for index in range(self._count_profiles()):
            smallest, usual, largest = map(
                sides, self._engine.get_tensor_profile_shape(name, index))
            offered.append(f'{smallest} to {largest}')
            if all(a <= n <= b for a, n, b in zip(smallest, shape, largest)):
                fitting.append((sum(abs(n - u) / u for n, u in zip(shape, usual)), index))
        return fitting, offered

    def _count_profiles(self) -> int:
        return max(1, int(self._engine.num_optimization_profiles))

    def _check_formats(self, names: list[str]) -> None:
        """Refuse a tensor whose memory format is not LINEAR.

        The pipeline can read and write only LINEAR tensors.
        """
        for name in names:
            for index in range(self._count_profiles()):
                found = self._engine.get_tensor_format(name, index)
                if found != trt.TensorFormat.LINEAR:
                    raise EngineError(
                        f'tensor {name} of the plan has the format {found.name}, but this package '
                        f'reads and writes only the format LINEAR. Build the plan with `trt_seg '
                        f'build`')

    def _read_tensor(self, name: str) -> Tensor:
        dtype = self._engine.get_tensor_dtype(name)
        shape = sides(self._engine.get_tensor_shape(name))
        return Tensor(name, _NUMPY.get(dtype.name, dtype.name.lower()),
                      tuple(side if side >= 0 else None for side in shape))


def _explain_refusal(reason: str) -> EngineError:
    if _OUT_OF_MEMORY.search(reason):
        return EngineError(f'the GPU has too little free memory for the weights of the plan. End '
                           f'other programs that use the GPU; `nvidia-smi` lists them. {LIBRARY} '
                           f'says: {reason}')
    return PlanRefused(f'{LIBRARY} cannot load the plan: {reason}')
