# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of every pipeline, and the function that opens a pipeline.

A pipeline turns camera images into label maps, on the CPU or on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .builder.settings import BuildOptions, Recipe
from .engines import ENGINES, Identity, PRECISION_CHOICES
from .engines.nvidia_driver import ask_driver
from .errors import EngineError
from .frame import Frame, Segmentation, Wanted
from .gpu.settings import GpuSettings
from .memory import Allocate
from .model.card import ModelCard

Log = Callable[[str], None]


@dataclass(frozen=True)
class EngineSettings:
    """How an engine is built, tuned and cached. The CPU engine uses only the last two settings.

    :param cache: folder for the engines that TensorRT built, and for the measurements of
        ``tune``. If ``cache`` is empty, the folder is ``trt_segmentation`` in the user's cache
        folder (usually ``~/.cache``).
    :param workspace: largest scratch memory of one layer, in bytes.
    :param level: TensorRT's optimization level, 0 to 5. At a higher level, TensorRT searches
        longer for fast kernels.
    :param tune: whether several sets of options of ONNX Runtime CUDA are measured when a network
        is first opened on a GPU. The network then uses the fastest set.
    :param exchange: a node can open a new network while its old network still segments frames.
        The new network then replaces the old network. This replacement is called an exchange.
        ``exchange`` is the number of this exchange, from 1; 0 if no old network is in use. An
        exchange should not slow the old network down. So no options are measured in an exchange,
        even if ``tune`` is true.
    :param wait_for_pause: in an exchange, the CPU engine calls this function before the test run
        of the new network. The function returns when a test run would delay no frame.
    """

    cache: str = ''
    workspace: int = BuildOptions.workspace
    level: int = BuildOptions.level
    tune: bool = True
    exchange: int = 0
    wait_for_pause: Callable[[], None] = field(default=lambda: None, compare=False)


class Pipeline(Protocol):
    """Turns camera bytes into segmentations. The segmentations come in the order of the frames.

    One thread may call :meth:`submit` while another thread calls :meth:`collect`. Two threads must
    not call the same method at the same time.
    """

    identity: Identity
    card: ModelCard
    alpha: float
    """Weight of the class colours in the overlay, 0 to 1. Any thread may set this weight."""
    palette: npt.NDArray[np.uint8]
    """(classes, 3) uint8 RGB, the colours of the overlay. Any thread may set this array."""

    @property
    def depth(self) -> int:
        """Number of batches to submit before the first batch is collected.

        More pending batches do not increase the frame rate.
        """

    @property
    def batch(self) -> int:
        """Largest number of frames that a batch should have.

        Larger batches do not increase the frame rate.
        """

    @property
    def gives_confidence(self) -> bool:
        """Whether the model gives a confidence. A model that outputs class ids gives none."""

    @property
    def allocate(self) -> Allocate | None:
        """Allocates memory from which the pipeline reads frames without a copy.

        If ``allocate`` is None, the pipeline reads frames in any memory without a copy. Before
        :meth:`close`, the caller must delete every reference to memory that this function
        allocated.
        """

    @property
    def lends_memory(self) -> bool:
        """Whether anything still refers to memory that :attr:`allocate` allocated."""

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Start a batch. The bytes of the frames must not change until the batch is collected.

        If this method raises an error, no part of the batch is pending.

        :raises FrameError: if a frame cannot be decoded on this machine.
        :raises EngineError: if the engine failed.
        """

    def collect(self) -> list[Segmentation]:
        """Wait for the oldest batch. Return one segmentation for each frame, in order.

        Each batch is collected once. Call this method only after :meth:`submit` has returned for
        the batch, because this method does not wait for :meth:`submit`. If two threads are used,
        the submitting thread must therefore notify the collecting thread after each batch.

        :raises EngineError: if no batch is pending, if the pipeline is closed, or if the engine
            failed on the batch. A failed batch has no segmentations and is no longer pending.
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
                  precision: str = 'auto', networks: int = GpuSettings.networks,
                  max_batch: int = GpuSettings.max_batch, memory: str = GpuSettings.memory,
                  wait: str = GpuSettings.wait, log: Log = lambda line: None,
                  settings: EngineSettings = EngineSettings()) -> Pipeline:
    """Open the pipeline of an engine.

    The CPU engine ignores ``gpu``, ``networks``, ``max_batch``, ``memory``, ``wait`` and ``log``.

    :param engine: one of :data:`.engines.ENGINES`.
    :param gpu: index of the GPU in CUDA's order.
    :param precision: one of :data:`.engines.PRECISION_CHOICES`. TensorRT builds the engine in this
        precision; ``auto`` means fp16. ONNX Runtime does not change the precision of the ONNX
        file, and accepts only ``auto``.
    :param networks: number of copies of the network that run at the same time; see
        ``GpuSettings`` in ``gpu/settings.py``.
    :param max_batch: largest number of frames in one run of the network. If the ONNX file fixes
        the batch size, this number is ignored.
    :param memory: ``auto``, ``pinned`` or ``mapped``; see ``GpuSettings`` in ``gpu/settings.py``.
    :param wait: how ``collect`` waits for the GPU: ``timed``, ``block`` or ``spin``; see
        ``Wait`` in ``gpu/wait.py``.
    :param log: called with a line of text before long work, such as building an engine.
    :param settings: how engines are built and tuned. A TensorRT engine in the cache is used only
        if it was built with the same ``workspace`` and ``level``.
    :raises EngineError: if the engine cannot be opened.
    """
    for what, value, known in (('engine', engine, ENGINES),
                               ('precision', precision, PRECISION_CHOICES)):
        if value not in known:
            raise EngineError(f'{what} is {value!r}; expected one of {", ".join(known)}')
    gpu_settings = GpuSettings(memory, wait, networks=networks, max_batch=max_batch,
                               exchange=settings.exchange)
    openers: dict[str, Callable[[str], Pipeline]] = {
        'tensorrt': lambda reason: _open_tensorrt(
            card, gpu, precision, gpu_settings, settings, log, reason),
        'onnxruntime-cuda': lambda reason: _open_onnxruntime_cuda(
            card, gpu, precision, gpu_settings, settings, log, reason),
        'onnxruntime-cpu': lambda reason: _open_onnxruntime_cpu(
            card, precision, settings, reason)}
    return openers[engine]('asked for') if engine != 'auto' else _open_first(openers, gpu)


def _open_first(openers: Mapping[str, Callable[[str], Pipeline]], gpu: int) -> Pipeline:
    """Open the first pipeline that works. ``identity.reason`` says why better engines do not work.

    If the driver does not find the GPU, the text gives only this reason, and does not name missing
    GPU packages.
    """
    failed: dict[str, list[str]] = {}
    for name, opener in openers.items():
        reason = '; '.join(f'no {" and no ".join(names)}: {error}'
                           for error, names in failed.items()) or 'the first choice works'
        try:
            return opener(reason)
        except EngineError as error:
            if name == 'onnxruntime-cpu':  # this engine works everywhere, so the model is wrong
                raise
            _, no_gpu = ask_driver().gpu_or_why_not(gpu)
            failed.setdefault(no_gpu or str(error), []).append(name)
    raise AssertionError('the last opener returns or raises')


def _open_tensorrt(card: ModelCard, gpu: int, precision: str, gpu_settings: GpuSettings,
                   settings: EngineSettings, log: Log, reason: str) -> Pipeline:
    try:
        from .builder.cache import EngineCache
        from .builder.open_engine import open_engine
        from .engines.tensorrt_engine import SharingOpener
        from .errors import CacheError, GraphError
        from .gpu.pipeline import GpuPipeline
    except ImportError as error:
        raise EngineError(f'{error}. The engine tensorrt needs the packages tensorrt, '
                          'cuda-python, onnx, onnxslim and filelock') from error
    recipe = Recipe(Recipe.precision if precision == 'auto' else precision)
    options = BuildOptions(settings.workspace, settings.level)
    try:
        cache = EngineCache(settings.cache, log=log)
        return GpuPipeline(
            card, SharingOpener(lambda card, gpu, stream: open_engine(
                card, gpu, stream, recipe, options, cache, log)),
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
        from .tuning.measure import measure_candidates
        from .tuning.open_tuned import TunedOpener
    except ImportError as error:
        raise EngineError(f'{error}. The engine onnxruntime-cuda needs the packages '
                          'onnxruntime-gpu and cuda-python') from error
    opener: OpenEngine = (
        TunedOpener(settings.cache, log, None if settings.exchange else measure_candidates)
        if settings.tune else OnnxRuntimeCuda)
    return GpuPipeline(card, opener, gpu, settings=gpu_settings, reason=reason)


def _open_onnxruntime_cpu(card: ModelCard, precision: str, settings: EngineSettings,
                          reason: str) -> Pipeline:
    _refuse_precision(precision)
    from .host.pipeline import HostPipeline
    pipeline = HostPipeline(card, reason=reason)
    try:
        if settings.exchange:
            pipeline.test_network(settings.wait_for_pause)
        else:
            pipeline.warm_up()
    except EngineError:
        pipeline.close()
        raise
    return pipeline


def _refuse_precision(precision: str) -> None:
    if precision != 'auto':
        raise EngineError(
            f'precision {precision} needs the engine tensorrt. ONNX Runtime runs the ONNX file as '
            f'it is. Use precision auto, or export the model in {precision}')
