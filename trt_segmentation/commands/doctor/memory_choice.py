# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measure whether mapped memory or pinned memory is faster on this GPU.

Mapped memory is host memory that the GPU kernels read and write without a copy. With pinned host
memory, each image is copied to the GPU, and the result is copied back.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from ...engines.nvidia_driver import Driver
    from .selftest import Log, Trial

SIZE = (1920, 1080)
"""Width and height of the measured images, in pixels."""
ROUNDS, SECONDS = 3, 0.7
"""Number of rounds, and seconds of each measurement. Each round measures both kinds of memory."""
TIE = 1.03
"""The two kinds of memory are equally fast if their times differ by at most this factor."""


@dataclass(frozen=True)
class MemoryChoice:
    """The time of one image with each kind of memory.

    :param auto: the kind of memory that the setting ``memory: auto`` selects on this GPU:
        ``mapped`` or ``pinned``.
    :param mapped_ms: median milliseconds of an image in mapped memory.
    :param pinned_ms: median milliseconds of an image that is copied to the GPU and back.
    """

    engine: str
    auto: str
    mapped_ms: float
    pinned_ms: float

    @property
    def fastest(self) -> str:
        """The faster kind of memory; empty if both kinds are equally fast."""
        fast, slow = sorted((self.mapped_ms, self.pinned_ms))
        if slow <= TIE * fast:
            return ''
        return 'mapped' if self.mapped_ms == fast else 'pinned'

    def __str__(self) -> str:
        verdict = (
            'The times are almost equal, so `auto` is right.' if not self.fastest else
            '`auto` is right.' if self.fastest == self.auto else
            '`auto` is WRONG on this GPU. Please send us this result, so that we correct `auto`.')
        return (f'memory: mapped {self.mapped_ms:.2f} ms, copies (pinned) {self.pinned_ms:.2f} ms '
                f'for an image of {SIZE[0]}x{SIZE[1]} with {self.engine}. `memory: auto` takes '
                f'{self.auto}. {verdict}')

    def tree(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {**asdict(self), 'fastest': self.fastest}


def try_memory(found: Driver, gpu: int, trials: Sequence[Trial], log: Log) -> str:
    """Measure both kinds of memory if the GPU shares its memory with the CPU.

    :param trials: result of :func:`.try_engines`. The first good GPU engine is measured.
    :returns: a text for the user; empty if the GPU has its own memory or if there is no GPU.
    """
    from ...errors import EngineError
    chosen, _ = found.gpu_or_why_not(gpu)
    if chosen is None or not chosen.integrated:
        return ''
    engine = first_gpu_engine(trials)
    if not engine:
        return 'memory: not measured, because no engine runs on this GPU'
    log('self-test: memory')
    try:
        return str(measure_memory(engine, gpu, chosen.integrated, log))
    except EngineError as error:
        return f'memory: not measured, because the engine failed: {error}'


def first_gpu_engine(trials: Sequence[Trial]) -> str:
    """Return the name of the first GPU engine that ran correctly; empty if none did."""
    from .selftest import ORACLE
    return next((trial.engine for trial in trials
                 if trial.engine != ORACLE and not trial.why_not and not trial.wrong), '')


def measure_memory(engine: str, gpu: int, is_integrated: bool, log: Log) -> MemoryChoice:
    """Measure the demo model with both kinds of memory.

    :param is_integrated: whether the GPU shares its memory with the CPU.
    :raises EngineError: if the engine cannot be opened, or if it fails.
    """
    import numpy as np

    from ...frame import Wanted
    from ...model.card import load_card
    from ...pipeline import open_pipeline
    from ..bench.measure import camera_frames, measure_latency
    took: dict[str, list[float]] = {'mapped': [], 'pinned': []}
    with ExitStack() as stack:
        pipelines = {}
        for memory in took:
            pipelines[memory] = open_pipeline(load_card('street'), engine, gpu=gpu, memory=memory,
                                              log=log)
            stack.callback(pipelines[memory].close)
        for _ in range(ROUNDS):
            for memory, pipeline in pipelines.items():
                frames = camera_frames(2, *SIZE, 'bgr8', pipeline.allocate)
                took[memory] += measure_latency(pipeline, frames, Wanted(overlay=True), SECONDS,
                                                lambda elapsed: None).total
                del frames      # because closing the pipeline frees their memory
    mapped, pinned = (float(np.median(took[memory])) for memory in ('mapped', 'pinned'))
    return MemoryChoice(engine, 'mapped' if is_integrated else 'pinned', mapped, pinned)
