# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a network with TensorRT or TensorRT-RTX. The caller gives a CUDA stream and GPU memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import EngineError
from ..model.card import ModelCard
from ..model.signature import Signature
from .loaded_plan import LoadedPlan
from .tensorrt import LIBRARY, sides, trt
from .tensorrt_binding import TensorRtBinding


class TensorRtEngine:
    """A network on one stream: a :class:`trt_segmentation.gpu.device_engine.DeviceEngine`.

    A binding runs the network with fixed addresses of input and output. A context is TensorRT's
    object for such runs. Each binding has its own context, because nothing may change in a context
    after a CUDA graph was captured from this context. All contexts use the same memory for
    activations. The runs of two contexts never overlap, because all runs are on one stream.

    Call :meth:`output_shape` for the largest batch size before the first :meth:`bind`. All batch
    sizes then share one block of memory. Otherwise, a larger batch size gets a block of its own,
    because a captured graph keeps the addresses in the earlier block.

    :param loaded: the plan. Several engines may share the plan.
    :param stream: the CUDA stream of all runs.
    :param allocate: a function that allocates GPU memory. The function gets the number of bytes,
        and returns an address that is a multiple of 256; None for the function of the CUDA driver.
    :param free: a function that frees the memory at an address from ``allocate``; None for the
        function of the CUDA driver.
    """

    name = 'tensorrt'
    version = LIBRARY

    def __init__(self, loaded: LoadedPlan, stream: int,
                 allocate: Callable[[int], int] | None = None,
                 free: Callable[[int], None] | None = None) -> None:
        self.precision = loaded.precision
        self.cache = self.tuning = ''
        self.signature: Signature = loaded.signature
        self._loaded = loaded
        self._stream = stream
        if allocate is None or free is None:
            from . import cuda_driver
            allocate, free = cuda_driver.allocate, cuda_driver.free
        self._allocate, self._free = allocate, free
        self._unbound: dict[int, Any] = {}
        self._bindings: list[TensorRtBinding] = []
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._activations = 0
        self._activations_size = 0
        self._memory: dict[str, int] = {}
        self._old_memory: list[int] = []
        self._is_closed = False
        loaded.add_user()

    def share(self, stream: int) -> TensorRtEngine:
        """Make an engine with the same weights on another stream.

        Runs of the two engines may overlap.
        """
        engine = TensorRtEngine(self._loaded, stream, self._allocate, self._free)
        engine.cache = self.cache
        return engine

    def can_be_captured(self) -> bool:
        """Return whether a CUDA graph can contain the network.

        For TensorRT, the result is always True. TensorRT-RTX needs a context for this check.
        So the first call makes a context for the smallest batch. The first binding of this batch
        size then uses the context.

        :raises EngineError: if there is too little GPU memory for the context.
        """
        if not hasattr(trt.IExecutionContext, 'is_stream_capturable'):
            return True
        with self._loaded.log:
            context = self._find_unbound(self._loaded.smallest_batch())
            context.set_device_memory(self._activations, self._activations_size)
            return bool(context.is_stream_capturable(self._stream))

    def takes(self, count: int) -> bool:
        """Whether a profile (range of input shapes) of the plan allows ``count`` images."""
        return self._loaded.takes(self.signature.input.shape(count))

    def output_shape(self, count: int) -> tuple[int, ...]:
        """Return the output's shape for a batch of ``count`` images.

        :raises EngineError: if no profile of the plan allows the batch.
        """
        if count not in self._shapes:
            with self._loaded.log:
                self._find_unbound(count)
        return self._shapes[count]

    def bind(self, count: int, input_address: int, output_address: int) -> TensorRtBinding:
        """Bind a batch of ``count`` images to fixed GPU addresses of its input and output.

        :raises EngineError: if no profile of the plan allows the batch, or if TensorRT refuses an
            address.
        """
        loaded = self._loaded
        addresses = {self.signature.input.name: input_address,
                     self.signature.output.name: output_address}
        with loaded.log:
            context = self._find_unbound(count)
            context.set_device_memory(self._activations, self._activations_size)
            for name in loaded.outputs:
                if name not in addresses:   # TensorRT also writes outputs that are not used
                    addresses[name] = self._reserve(
                        f'{name} of {count}', loaded.count_bytes(context, name))
            for name, address in addresses.items():
                loaded.check(context.set_tensor_address(name, address),
                             f'address {address:#x} of {name} is refused')
        after_run = partial(loaded.kernels.save, count) if loaded.kernels else lambda: None
        binding = TensorRtBinding(context, loaded.log, loaded.check, after_run)
        del self._unbound[count]
        self._bindings.append(binding)
        return binding

    def close(self) -> None:
        """Free all memory of this engine. The last engine of a plan also frees the weights.

        A second call does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        # The contexts use the memory, the weights and the compiled kernels. So free the contexts
        # first.
        for binding in self._bindings:
            binding.close()
        self._bindings.clear()
        self._unbound.clear()
        self._loaded.remove_user()
        for address in [*self._memory.values(), *self._old_memory, self._activations]:
            if address:
                self._free(address)

    def _find_unbound(self, count: int) -> Any:
        """Return a context that no binding uses yet. Memory for its activations is reserved."""
        if self._is_closed:
            raise EngineError('the engine is closed; open it again')
        if count not in self._unbound:
            context = self._loaded.make_context(self.signature.input.shape(count), self._stream)
            # The memory is allocated now, because the capture of a CUDA graph must not allocate.
            self._reserve_activations(self._loaded.count_activations(context))
            self._shapes[count] = sides(context.get_tensor_shape(self.signature.output.name))
            self._unbound[count] = context
        return self._unbound[count]

    def _reserve_activations(self, size: int) -> None:
        """Make the memory block for activations at least ``size`` bytes large."""
        if size <= self._activations_size:
            return
        old, self._activations, self._activations_size = self._activations, 0, 0
        if old and self._bindings:      # captured graphs use the block
            self._old_memory.append(old)
        elif old:
            self._free(old)
        self._activations, self._activations_size = self._allocate(size), size

    def _reserve(self, what: str, size: int) -> int:
        """Return the address of a named block. The first call allocates the block."""
        if what not in self._memory:
            self._memory[what] = self._allocate(max(size, 1))
        return self._memory[what]


class SharingOpener:
    """Opens an engine for the first stream. The engines of all other streams share its weights.

    :param open_first: opens the engine. Its arguments are the card, the index of the GPU and a
        stream.
    """

    def __init__(self, open_first: Callable[[ModelCard, int, int], TensorRtEngine]) -> None:
        self._open_first = open_first
        self._first: TensorRtEngine | None = None

    def __call__(self, card: ModelCard, gpu: int, stream: int) -> TensorRtEngine:
        """Open an engine on a stream.

        :raises EngineError: if the engine cannot be opened.
        """
        if self._first is not None:
            return self._first.share(stream)
        self._first = self._open_first(card, gpu, stream)
        return self._first
