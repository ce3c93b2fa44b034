# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Open networks on ONNX Runtime CUDA with the options that are fastest on this GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from ..engines.gpu_identity import gpu_identity, GpuIdentity
from ..engines.onnxruntime_cuda import OnnxRuntimeCuda
from ..errors import CacheError, EngineError
from ..model.card import ModelCard
from .candidates import CANDIDATES, choose, FIRST, Measured, PLAIN
from .choice_file import ChoiceFile, make_key
from .measure import measure_candidates

Log = Callable[[str], None]
MeasureAll = Callable[[ModelCard, int], list[Measured]]


class TunedOpener:
    """Opens a network. At the first time on a GPU, it measures all candidates before.

    The measurements are kept in the engine cache. If the network cannot be measured, it runs with
    the options of :data:`.candidates.PLAIN`, and the log says why.

    :param cache: folder of the engine cache; empty for the user's cache folder.
    :param log: receives one line for each slow operation and for each problem.
    :param measure: measures the candidates of a card on a GPU.
    :param identity: returns the identity of a GPU.
    """

    def __init__(self, cache: str = '', log: Log = lambda line: None,
                 measure: MeasureAll = measure_candidates,
                 identity: Callable[[int], GpuIdentity] = gpu_identity) -> None:
        self._cache, self._log = cache, log
        self._measure, self._identity = measure, identity
        self._found: tuple[list[Measured], str] | None = None

    def __call__(self, card: ModelCard, gpu: int, stream: int) -> OnnxRuntimeCuda:
        """Open the network of a card: an :data:`trt_segmentation.gpu.device_engine.OpenEngine`.

        One opener must be used for one card and one GPU only.

        :raises EngineError: if the network does not run on the GPU.
        """
        if self._found is None:     # the second network of a pipeline takes the same choice
            self._found = self.find(card, gpu)
        results, source = self._found
        best = choose(results) if results else Measured(PLAIN)
        engine = OnnxRuntimeCuda(card, gpu, stream, CANDIDATES[best.name])
        engine.cache = source
        engine.tuning = describe(results) if results else ''
        return engine

    def find(self, card: ModelCard, gpu: int) -> tuple[list[Measured], str]:
        """Return the measurements of a card, and where they come from.

        :returns: the results, and ``hit`` if they were kept or ``built`` if they are new; no
            results and an empty text if the network cannot be measured.
        """
        try:
            kept = ChoiceFile(self._cache, make_key(card, self._identity(gpu)))
            if results := kept.load():
                return results, 'hit'
            with kept.locked():
                if results := kept.load():      # another process has measured in the meantime
                    return results, 'hit'
                return self._measure_now(card, gpu, kept), 'built'
        except (EngineError, CacheError, OSError) as error:
            self._log(f'{card.name} is not tuned and runs with the options {PLAIN}: {error}')
            return [], ''

    def _measure_now(self, card: ModelCard, gpu: int, kept: ChoiceFile) -> list[Measured]:
        self._log(f'measuring {len(FIRST) + 1} options of ONNX Runtime for {card.name} on this '
                  f'GPU, once; `tune: false` switches this off')
        began = monotonic()
        results = self._measure(card, gpu)
        for result in results:
            if result.refused:
                self._log(f'{result.name}: not used: {result.refused}')
        self._log(f'{card.name}: {describe(results)}; measured in {monotonic() - began:.0f} s')
        try:
            kept.store(results)
        except OSError as error:
            self._log(f'{kept.path} could not be kept, the next start measures again: {error}')
        return results


def describe(results: Sequence[Measured]) -> str:
    """Return the chosen options and their time, and the time of the plain options."""
    best = choose(results)
    plain = next(result for result in results if result.name == PLAIN)
    if best.name == PLAIN:
        return f'{PLAIN}, {best.ms:.2f} ms, the fastest of {len(results)}'
    return f'{best.name}, {best.ms:.2f} ms; {PLAIN} takes {plain.ms:.2f} ms'
