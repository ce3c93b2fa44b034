# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of every pipeline, and the choice of the pipeline to open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .engines import ENGINES, Identity, PRECISION_CHOICES
from .errors import EngineError
from .frame import Frame, Segmentation, Wanted
from .gpu.settings import GpuSettings
from .memory import Allocate
from .model.card import ModelCard

Log = Callable[[str], None]


@dataclass(frozen=True)
class EngineSettings:
    """How the engines of a GPU are built, tuned and kept. The CPU engine ignores these settings.

    :param cache: folder of the built engines and of the tuned options. Empty: trt_segmentation in
        the XDG cache folder.
    :param workspace: bytes of scratch memory that a layer may use in TensorRT.
    :param level: 0 to 5; at a higher level TensorRT searches longer for fast kernels.
    :param tune: whether ONNX Runtime CUDA measures several options when a network is opened for
        the first time on a GPU, and uses the fastest options.
    """

    cache: str = ''
    workspace: int = 1 << 30
    level: int = 3
    tune: bool = True


class Pipeline(Protocol):
    """Turns camera bytes into segmentations. The segmentations come in the order of the frames.

    Only one thread may call :meth:`submit`, and only one thread may call :meth:`collect`. The two
    threads may be different threads.
    """

    identity: Identity
    card: ModelCard
    alpha: float
    """Weight of the class colours in the overlay, 0 to 1. Any thread may set it."""
    palette: npt.NDArray[np.uint8]
    """(classes, 3) uint8 RGB, the colours of the overlay. Any thread may set it."""

    @property
    def depth(self) -> int:
        """The best number of batches between submit and collect; 1 if more gain no time."""

    @property
    def batch(self) -> int:
        """The most frames that a batch should have; 1 if larger batches gain no time."""

    @property
    def gives_confidence(self) -> bool:
        """Whether a confidence may be wanted. A model that gives class ids has none."""

    @property
    def allocate(self) -> Allocate | None:
        """The function that allocates memory from which the pipeline reads frames without a copy.

        None if the pipeline can read frames from any memory without a copy. Before :meth:`close`,
        the caller must delete every reference to this memory.
        """

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Start a batch. The bytes of the frames must not change until the batch is collected.

        :raises FrameError: if a frame cannot be decoded on this machine. Then no part of the batch
            is pending.
        :raises EngineError: if the engine failed. Then no part of the batch is pending.
        """

    def collect(self) -> list[Segmentation]:
        """Wait for the oldest batch. Return one segmentation for each frame, in order.

        :raises EngineError: if the engine failed on the batch. The batch then has no segmentations
            and is no longer pending.
        """

    def close(self) -> None:
        """Free all memory and the engine. A second call does nothing."""


def segment_one(pipeline: Pipeline, frame: Frame, wanted: Wanted = Wanted()) -> Segmentation:
    """Submit one frame, and wait for its segmentation. No other batch may be pending.

    :raises FrameError: if the frame cannot be decoded on this machine.
    :raises EngineError: if the engine failed.
    """
    pipeline.submit([frame], wanted)
    (segmentation,) = pipeline.collect()
    return segmentation


def open_pipeline(card: ModelCard, engine: str = 'auto', *, gpu: int = 0,
                  precision: str = 'auto', networks: int = 1, max_batch: int = 1,
                  log: Log = lambda line: None,
                  settings: EngineSettings = EngineSettings()) -> Pipeline:
    """Open the pipeline of an engine; ``auto`` chooses the best engine that works on this machine.

    :param engine: one of :data:`.engines.ENGINES`.
    :param gpu: index of the GPU in CUDA's order. The CPU engine ignores this index.
    :param precision: one of :data:`.engines.PRECISION_CHOICES`. TensorRT builds the engine in this
        precision; ``auto`` is fp16. ONNX Runtime runs the ONNX file as it is, and accepts only
        ``auto``.
    :param networks: number of copies of the network that run at the same time on a GPU; see
        ``GpuSettings`` in ``gpu/settings.py``. The CPU engine ignores this number.
    :param max_batch: the most frames in one run of the network on a GPU, if the ONNX file leaves
        the batch size open.
    :param log: a function of one line of text. It is called before work that needs a long time,
        such as building an engine.
    :param settings: how engines are built and tuned. A TensorRT engine in the cache is used only
        if it was built with the same settings.
    :raises EngineError: if the engine cannot be opened. The message names the engine or option
        that was asked for, the reason of the failure, and what can be used instead.
    """
    for what, value, known in (('engine', engine, ENGINES),
                               ('precision', precision, PRECISION_CHOICES)):
        if value not in known:
            raise EngineError(f'{what} {value!r}; expected one of {", ".join(known)}')
    gpu_settings = GpuSettings(networks=networks, max_batch=max_batch)
    openers: dict[str, Callable[[str], Pipeline]] = {
        'tensorrt': lambda reason: _open_tensorrt(
            card, gpu, precision, gpu_settings, settings, log, reason),
        'onnxruntime-cuda': lambda reason: _open_onnxruntime_cuda(
            card, gpu, precision, gpu_settings, settings, log, reason),
        'onnxruntime-cpu': lambda reason: _open_onnxruntime_cpu(card, precision, reason)}
    return openers[engine]('asked for') if engine != 'auto' else _open_first(openers)


def _open_first(openers: Mapping[str, Callable[[str], Pipeline]]) -> Pipeline:
    """Open the first pipeline that works on this machine.

    The reason in its identity names the engines that failed.
    """
    failed: dict[str, list[str]] = {}
    for name, opener in openers.items():
        reason = '; '.join(f'no {" and no ".join(names)}: {error}'
                           for error, names in failed.items()) or 'the first choice works'
        try:
            return opener(reason)
        except EngineError as error:
            if name == 'onnxruntime-cpu':  # no engine is left, so the model is the cause
                raise
            failed.setdefault(str(error), []).append(name)
    raise AssertionError('the last opener returns or raises')


def _open_tensorrt(card: ModelCard, gpu: int, precision: str, gpu_settings: GpuSettings,
                   settings: EngineSettings, log: Log, reason: str) -> Pipeline:
    try:
        from .builder.build import BuildOptions
        from .builder.cache import EngineCache
        from .builder.open_engine import open_engine
        from .builder.prepare import Recipe
        from .errors import CacheError, GraphError
        from .gpu.pipeline import GpuPipeline
    except ImportError as error:
        raise EngineError(f'{error}; it needs tensorrt, cuda-python, onnx, onnxslim and '
                          'filelock') from error
    recipe = Recipe(precision='fp16' if precision == 'auto' else precision)
    options = BuildOptions(settings.workspace, settings.level)
    try:
        cache = EngineCache(settings.cache, log=log)
        return GpuPipeline(
            card, lambda card, gpu, stream: open_engine(card, gpu, stream, recipe, options, cache,
                                                        log),
            gpu, settings=gpu_settings, reason=reason)
    except (GraphError, CacheError) as error:
        raise EngineError(str(error)) from error


def _open_onnxruntime_cuda(card: ModelCard, gpu: int, precision: str, gpu_settings: GpuSettings,
                           settings: EngineSettings, log: Log, reason: str) -> Pipeline:
    _refuse_precision(precision)
    try:
        from .engines.onnxruntime_cuda import OnnxRuntimeCuda
        from .gpu.device_engine import OpenEngine
        from .gpu.pipeline import GpuPipeline
        from .tuning.open_tuned import TunedOpener
    except ImportError as error:
        raise EngineError(f'{error}; it needs onnxruntime-gpu and cuda-python') from error
    opener: OpenEngine = TunedOpener(settings.cache, log) if settings.tune else OnnxRuntimeCuda
    return GpuPipeline(card, opener, gpu, settings=gpu_settings, reason=reason)


def _open_onnxruntime_cpu(card: ModelCard, precision: str, reason: str) -> Pipeline:
    _refuse_precision(precision)
    from .host.pipeline import HostPipeline
    return HostPipeline(card, reason=reason)


def _refuse_precision(precision: str) -> None:
    """Refuse a precision for ONNX Runtime, which cannot change the precision of a file."""
    if precision != 'auto':
        raise EngineError(
            f'precision {precision} is for engine tensorrt; ONNX Runtime runs the file as it is: '
            'take precision auto, or a model exported in that precision')
