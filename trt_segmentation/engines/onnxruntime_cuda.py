# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a network with ONNX Runtime on an NVIDIA GPU, in the caller's stream and GPU memory."""

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
from .onnxruntime_cpu import ERROR, give_weights, read_network, read_tensors, useful_line

log = logging.getLogger(__name__)

PROVIDER = 'CUDAExecutionProvider'
WARNING = 2
"""ONNX Runtime's default log severity."""
OPTIONS = {
    'cudnn_conv_algo_search': 'HEURISTIC',
    'arena_extend_strategy': 'kSameAsRequested',
}
"""The CUDA provider options of a network for which no faster options were measured."""


class OnnxRuntimeCuda:
    """A network on one GPU. See :class:`trt_segmentation.gpu.device_engine.DeviceEngine`.

    :param gpu: index of the GPU in CUDA's order.
    :param stream: the network runs on this CUDA stream.
    :param options: CUDA provider options; None for :data:`OPTIONS`.
    :param own_graph: whether ONNX Runtime captures and replays a CUDA graph of its own. If so, the
        pipeline cannot capture the network.
    :param network: the bytes of an ONNX file that runs instead of the ONNX file of the card. The
        networks in the two files must have the same inputs and outputs. If ``network`` is empty,
        the file of the card runs.
    :raises EngineError: if the network does not fit the model card, or if this ONNX Runtime cannot
        use the GPU.
    """

    name = 'onnxruntime-cuda'
    version = onnxruntime.__version__

    def __init__(self, card: ModelCard, gpu: int, stream: int,
                 options: Mapping[str, str] | None = None, own_graph: bool = False,
                 network: bytes = b'') -> None:
        self._path = card.model
        self._gpu = gpu
        self._session: Any = _open(card, network or read_network(card), {
            **(OPTIONS if options is None else options), 'device_id': str(gpu),
            'user_compute_stream': str(stream), 'enable_cuda_graph': str(int(own_graph))})
        self._own_graph = own_graph
        inputs, outputs = read_tensors(self._session)
        self.signature: Signature = resolve_signature(
            inputs, outputs, card.input, card.output, len(card.classes),
            read_endings(card.model))
        (self._output,) = [t for t in outputs if t.name == self.signature.output.name]
        self.precision = summarise(card.model).precision
        self.cache = self.tuning = ''
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._run_options = onnxruntime.RunOptions()
        # Without this entry, every run waits until its stream has no work left.
        self._run_options.add_run_config_entry('disable_synchronize_execution_providers', '1')

    def can_be_captured(self) -> bool:
        """Return whether a CUDA graph can contain the network."""
        return not self._own_graph

    def takes(self, count: int) -> bool:
        """Return whether ``count`` is the batch size of the ONNX file. A dynamic size means 1.

        Other batch sizes are refused for two reasons. First, two CUDA graphs of one session
        crashed in the driver. The network was LR-ASPP, and the batches had 1 and 2 images. The
        probable cause is that a session plans its convolutions again for another shape. Second,
        one run with two frames was slower than two runs with one frame each. On an H200, the run
        with two frames took 2.2 ms, and the two runs together took 1.92 ms. These times were
        measured before the package tuned the provider options. They say nothing about an ONNX file
        with a fixed batch size. README has times of such files with a batch size of four.
        """
        return count == (self.signature.input.batch or 1)

    def output_shape(self, count: int) -> tuple[int, ...]:
        """Return the output's shape for a batch of ``count`` images.

        If the ONNX file does not give the shape, the network runs once to find the shape.
        """
        sides = self._output.shape
        if None not in sides[1:]:
            return (count, *(side for side in sides[1:] if side is not None))
        if count not in self._shapes:
            image = self.signature.input
            blank = np.zeros(image.shape(count), image.dtype)
            binding = self._session.io_binding()
            binding.bind_ortvalue_input(
                image.name, onnxruntime.OrtValue.ortvalue_from_numpy(blank, 'cuda', self._gpu))
            binding.bind_output(self._output.name, 'cuda', self._gpu)
            self._call(lambda: self._session.run_with_iobinding(binding))
            self._shapes[count] = tuple(binding.get_outputs()[0].shape())
        return self._shapes[count]

    def bind(self, count: int, input_address: int, output_address: int) -> OnnxRuntimeBinding:
        """Bind the network to a batch of ``count`` images at fixed GPU addresses."""
        image, output = self.signature.input, self.signature.output
        binding = self._session.io_binding()
        self._call(lambda: binding.bind_input(
            image.name, 'cuda', self._gpu, np.dtype(image.dtype), image.shape(count),
            input_address))
        self._call(lambda: binding.bind_output(
            output.name, 'cuda', self._gpu, np.dtype(output.dtype), self.output_shape(count),
            output_address))
        return OnnxRuntimeBinding(lambda: self._call(
            lambda: self._session.run_with_iobinding(binding, self._run_options)))

    def _call(self, run: Any) -> None:
        try:
            run()
        except Exception as error:  # ONNX Runtime's errors have no public base class
            raise EngineError(f'{self._path.name} failed: {useful_line(error)}') from error

    def close(self) -> None:
        """Free the network. A second call does nothing."""
        self._session = None


class OnnxRuntimeBinding:
    """A network with fixed tensors. It runs on the stream of its engine.

    :param run: a function that enqueues one run.
    """

    def __init__(self, run: Any) -> None:
        self._run = run

    def enqueue(self, stream: int) -> None:
        """Put one run on ``stream``, which must be the engine's stream."""
        self._run()


def _open(card: ModelCard, network: str | bytes, options: Mapping[str, str]) -> Any:
    if PROVIDER not in onnxruntime.get_available_providers():
        raise EngineError(
            f'this ONNX Runtime {onnxruntime.__version__} was built without CUDA. Install '
            f'onnxruntime-gpu instead of onnxruntime, or use the engine onnxruntime-cpu')
    summary = summarise(card.model)
    if hasattr(onnxruntime, 'preload_dlls'):
        # If pip installed CUDA and cuDNN, their folders are not in the library path.
        onnxruntime.preload_dlls(msvc=False)
    settings = onnxruntime.SessionOptions()
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    settings.log_severity_level = ERROR
    weights = give_weights(settings, card.model, summary)
    # For every CUDA session, ONNX Runtime warns that no plugin offers CUDA, although ONNX Runtime
    # itself offers CUDA. settings.log_severity_level does not stop this warning.
    onnxruntime.set_default_logger_severity(ERROR)
    try:
        session = onnxruntime.InferenceSession(
            network, settings, providers=[(PROVIDER, dict(options))])
    except Exception as error:  # ONNX Runtime's errors have no public base class
        raise EngineError(
            f'{card.model} cannot be loaded by ONNX Runtime {onnxruntime.__version__} on CUDA: '
            f'{useful_line(error)}') from error
    finally:
        del weights     # ONNX Runtime has its own copy now
        onnxruntime.set_default_logger_severity(WARNING)
    if PROVIDER not in session.get_providers():
        raise EngineError(
            f'ONNX Runtime {onnxruntime.__version__} cannot use the GPU. Probably, its CUDA or '
            f'cuDNN libraries do not load. To see which library does not load, run `python3 -c '
            f'"import onnxruntime; onnxruntime.preload_dlls()"`')
    return session
