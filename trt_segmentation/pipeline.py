# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The two calls every pipeline has, and which one to open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .engines import ENGINES, Identity
from .errors import EngineError
from .frame import Frame, Segmentation, Wanted
from .memory import Allocate
from .model.card import ModelCard

PRECISIONS = ('auto', 'fp32', 'fp16', 'int8', 'mixed')
"""What a pipeline can be asked to compute in."""
Log = Callable[[str], None]


@dataclass(frozen=True)
class EngineSettings:
    """How TensorRT engines are built and kept; means nothing to other engines.

    :param cache: folder they are kept in; '' for trt_segmentation in the XDG cache folder.
    :param workspace: bytes of scratch memory a layer may use.
    :param level: 0 to 5; how long to look for fast kernels.
    """

    cache: str = ''
    workspace: int = 1 << 30
    level: int = 3


class Pipeline(Protocol):
    """Camera bytes in, segmentations out, in the order they went in.

    One thread calls :meth:`submit`, one (the same or another) calls :meth:`collect`.
    """

    identity: Identity
    card: ModelCard
    alpha: float
    """Weight of the class colours in the overlay, 0 to 1; may be set from any thread."""
    palette: npt.NDArray[np.uint8]
    """(classes, 3) uint8 RGB, the overlay's colours; may be set from any thread."""

    @property
    def depth(self) -> int:
        """Batches worth having between submit and collect at once; 1 where nothing is gained."""

    @property
    def batch(self) -> int:
        """Frames of one batch that pay; 1 where a batch takes as long as its frames in turn."""

    @property
    def gives_confidence(self) -> bool:
        """Whether Wanted.confidence may be asked for; not of a model that gives class ids."""

    @property
    def allocate(self) -> Allocate | None:
        """Memory that frames are read from without a copy; None where any memory will do.

        It has to be given up, with all that refers to it, before :meth:`close`.
        """

    def submit(self, frames: Sequence[Frame], wanted: Wanted = Wanted()) -> None:
        """Start a batch; the frames' bytes must stay as they are until it is collected.

        :raises FrameError: when a frame cannot be decoded here; nothing is pending then.
        :raises EngineError: when the engine failed; nothing of the batch is pending then.
        """

    def collect(self) -> list[Segmentation]:
        """Wait for the oldest batch and return its answers, one a frame, in order.

        :raises EngineError: when the engine failed on it; the batch is gone then.
        """

    def close(self) -> None:
        """Free everything; a second call does nothing."""


def open_pipeline(card: ModelCard, engine: str = 'auto', *, gpu: int = 0,
                  precision: str = 'auto', networks: int = 1, max_batch: int = 1,
                  log: Log = lambda line: None,
                  settings: EngineSettings = EngineSettings()) -> Pipeline:
    """Open the pipeline an engine name asks for; ``auto`` takes the best that works here.

    :param engine: one of :data:`.ENGINES`.
    :param gpu: index of the GPU as CUDA counts; means nothing on the CPU.
    :param precision: one of :data:`PRECISIONS`. TensorRT builds what is asked for, ``auto``
        being fp16; ONNX Runtime runs the file as it is, which is ``auto`` there.
    :param networks: copies of the network at work at once on a GPU, see
        ``trt_segmentation.gpu.pipeline``; means nothing on the CPU.
    :param max_batch: frames of one run of the network on a GPU at most, where its file leaves
        the batch open.
    :param log: told what takes long, such as building an engine.
    :param settings: of TensorRT engines; those built before are found with the same ones only.
    :raises EngineError: naming what was asked for, why it cannot be had and what can.
    """
    for what, value, known in (('engine', engine, ENGINES), ('precision', precision, PRECISIONS)):
        if value not in known:
            raise EngineError(f'{what} {value!r}; expected one of {", ".join(known)}')
    openers: dict[str, Callable[[str], Pipeline]] = {
        'tensorrt': lambda why: _tensorrt(card, gpu, precision, log, settings, {
            'networks': networks, 'max_batch': max_batch, 'reason': why}),
        'onnxruntime-cuda': lambda why: _onnxruntime_cuda(card, gpu, precision, {
            'networks': networks, 'max_batch': max_batch, 'reason': why}),
        'onnxruntime-cpu': lambda why: _onnxruntime_cpu(card, precision, why)}
    if engine != 'auto':
        return openers[engine]('asked for')
    without: dict[str, list[str]] = {}
    for name, opener in openers.items():
        why = '; '.join(f'no {" and no ".join(names)}: {error}'
                        for error, names in without.items()) or 'the first choice works'
        try:
            return opener(why)
        except EngineError as error:
            if name == 'onnxruntime-cpu':  # the last: what it says is about the model
                raise
            without.setdefault(str(error), []).append(name)
    raise AssertionError('the last opener returns or raises')


def _tensorrt(card: ModelCard, gpu: int, precision: str, log: Log, settings: EngineSettings,
              rest: dict[str, Any]) -> Pipeline:
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
            gpu, **rest)
    except (GraphError, CacheError) as error:
        raise EngineError(str(error)) from error


def _onnxruntime_cuda(card: ModelCard, gpu: int, precision: str,
                      rest: dict[str, Any]) -> Pipeline:
    _as_the_file(precision)
    try:
        from .engines.onnxruntime_cuda import OnnxRuntimeCuda
        from .gpu.pipeline import GpuPipeline
    except ImportError as error:
        raise EngineError(f'{error}; it needs onnxruntime-gpu and cuda-python') from error
    return GpuPipeline(card, OnnxRuntimeCuda, gpu, **rest)


def _onnxruntime_cpu(card: ModelCard, precision: str, why: str) -> Pipeline:
    _as_the_file(precision)
    from .host.pipeline import HostPipeline
    return HostPipeline(card, reason=why)


def _as_the_file(precision: str) -> None:
    if precision != 'auto':
        raise EngineError(
            f'precision {precision} is for engine tensorrt; ONNX Runtime runs the file as it is: '
            'take precision auto, or a model exported in that precision')
