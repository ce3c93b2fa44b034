# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on an NVIDIA GPU: enqueues on the caller's stream, at the caller's addresses."""

from __future__ import annotations

from collections.abc import Mapping
import logging
from typing import Any

import numpy as np
import onnxruntime

from ..errors import EngineError
from ..model.card import ModelCard
from ..model.signature import resolve_signature, Signature
from ..untrusted.onnx_file import summarise
from ..untrusted.onnx_graph import read_endings
from .onnxruntime_cpu import ERROR, give_weights, tensors, useful_line

log = logging.getLogger(__name__)

PROVIDER = 'CUDAExecutionProvider'
WARNING = 2
"""ONNX Runtime's own default severity."""
OPTIONS = {
    'cudnn_conv_algo_search': 'HEURISTIC',
    'arena_extend_strategy': 'kSameAsRequested',
}
"""Provider options that measured best; benchmarks/ort_cuda_options.py tries the others."""


class OnnxRuntimeCuda:
    """A network on one GPU, as :class:`trt_segmentation.gpu.device_engine.DeviceEngine`.

    :param gpu: index of the GPU as CUDA counts.
    :param stream: the CUDA stream everything is enqueued on.
    :param options: CUDA provider options that replace :data:`OPTIONS`.
    :param own_graph: let ONNX Runtime capture and replay a CUDA graph of its own, which then
        cannot be part of the pipeline's.
    :raises EngineError: when the file does not fit the card, and when this ONNX Runtime cannot
        use the GPU.
    """

    name = 'onnxruntime-cuda'
    version = onnxruntime.__version__

    def __init__(self, card: ModelCard, gpu: int, stream: int,
                 options: Mapping[str, str] | None = None, own_graph: bool = False) -> None:
        self._path = card.model
        self._gpu = gpu
        self._session: Any = _open(card, {
            **(OPTIONS if options is None else options), 'device_id': str(gpu),
            'user_compute_stream': str(stream), 'enable_cuda_graph': str(int(own_graph))})
        self.capturable = not own_graph
        inputs, outputs = tensors(self._session)
        self.signature: Signature = resolve_signature(
            inputs, outputs, card.input, card.output, len(card.classes),
            read_endings(card.model))
        (self._answer,) = [t for t in outputs if t.name == self.signature.output.name]
        self.precision = summarise(card.model).precision
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._run_options = onnxruntime.RunOptions()
        # without it every run ends with a wait for the stream
        self._run_options.add_run_config_entry('disable_synchronize_execution_providers', '1')

    def takes(self, count: int) -> bool:
        """Whether that is the file's batch; 1 where it leaves that open.

        CUDA graphs of two batch sizes from one session crashed in the driver (LR-ASPP, 1 and 2),
        most likely as a session plans its convolutions anew for another shape. Nor did batches
        pay on one H200: two frames took 2.2 ms, one 0.96.
        """
        return count == (self.signature.input.batch or 1)

    def answer_shape(self, count: int) -> tuple[int, ...]:
        """Shape of the answer for a batch; runs the network once where the file leaves it open."""
        sides = self._answer.shape
        if None not in sides[1:]:
            return (count, *(side for side in sides[1:] if side is not None))
        if count not in self._shapes:
            image = self.signature.input
            blank = np.zeros(image.shape(count), image.dtype)
            binding = self._session.io_binding()
            binding.bind_ortvalue_input(
                image.name, onnxruntime.OrtValue.ortvalue_from_numpy(blank, 'cuda', self._gpu))
            binding.bind_output(self._answer.name, 'cuda', self._gpu)
            self._call(lambda: self._session.run_with_iobinding(binding))
            self._shapes[count] = tuple(binding.get_outputs()[0].shape())
        return self._shapes[count]

    def bind(self, count: int, tensor: int, answer: int) -> OnnxRuntimeBinding:
        """The network on a batch of ``count`` at fixed addresses."""
        image, output = self.signature.input, self.signature.output
        binding = self._session.io_binding()
        self._call(lambda: binding.bind_input(
            image.name, 'cuda', self._gpu, np.dtype(image.dtype), image.shape(count), tensor))
        self._call(lambda: binding.bind_output(
            output.name, 'cuda', self._gpu, np.dtype(output.dtype), self.answer_shape(count),
            answer))
        return OnnxRuntimeBinding(lambda: self._call(
            lambda: self._session.run_with_iobinding(binding, self._run_options)))

    def _call(self, run: Any) -> None:
        try:
            run()
        except Exception as error:  # ONNX Runtime raises pybind types without a public base
            raise EngineError(f'{self._path.name} failed: {useful_line(error)}') from error

    def close(self) -> None:
        """Free the network; a second call does nothing."""
        self._session = None


class OnnxRuntimeBinding:
    """A network with its tensors; runs on the stream its engine was opened with."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def enqueue(self, stream: int) -> None:
        """Put one run on the engine's stream."""
        self._run()


def _open(card: ModelCard, options: Mapping[str, str]) -> Any:
    if PROVIDER not in onnxruntime.get_available_providers():
        raise EngineError(
            f'this ONNX Runtime {onnxruntime.__version__} was built without CUDA; install '
            f'onnxruntime-gpu instead of onnxruntime, or use engine: onnxruntime-cpu')
    summary = summarise(card.model)
    if hasattr(onnxruntime, 'preload_dlls'):
        # CUDA and cuDNN as Python packages are on no library path
        onnxruntime.preload_dlls(msvc=False)
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.log_severity_level = ERROR
    weights = give_weights(settings, card.model, summary)
    # of every CUDA session it warns that no plugin offers CUDA, though its own provider does;
    # that warning is the library's, not the session's, whose severity is set above
    onnxruntime.set_default_logger_severity(ERROR)
    try:
        session = onnxruntime.InferenceSession(
            str(card.model), settings, providers=[(PROVIDER, dict(options))])
    except Exception as error:  # ONNX Runtime raises pybind types without a public base
        raise EngineError(
            f'{card.model} cannot be loaded by ONNX Runtime {onnxruntime.__version__} on CUDA: '
            f'{useful_line(error)}') from error
    finally:
        del weights     # ONNX Runtime has copied what it needs
        onnxruntime.set_default_logger_severity(WARNING)
    if PROVIDER not in session.get_providers():
        raise EngineError(
            f'ONNX Runtime {onnxruntime.__version__} cannot use the GPU and offers '
            f'{", ".join(session.get_providers())}: its CUDA or cuDNN libraries do not load. '
            f'`python3 -c "import onnxruntime; onnxruntime.preload_dlls()"` says which')
    return session
