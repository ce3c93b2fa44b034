# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Opens networks on ONNX Runtime CUDA with the options that are fastest on this GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from ..engines.gpu_identity import gpu_identity, GpuIdentity
from ..engines.onnxruntime_cuda import OnnxRuntimeCuda
from ..errors import CacheError, EngineError
from ..model.card import ModelCard
from .candidates import choose, Measured, PLAIN
from .choice_file import ChoiceFile, make_key
from .measure import measure_candidates
from .open_candidate import choose_first, open_candidate

Log = Callable[[str], None]
MeasureAll = Callable[[ModelCard, int], list[Measured]]


class TunedOpener:
    """Opens a network with the options that are fastest on this GPU.

    When a network is opened on a GPU for the first time, several sets of options are measured, and
    the measurements are stored in the engine cache. If the network cannot be measured, it runs
    with the options that are used without tuning, and the log says why.

    :param cache: folder of the engine cache; empty for :func:`.user_cache_folder`.
    :param log: called with one line of text for each slow operation and for each problem.
    :param measure: measures a network with several sets of options. None if an old network is in
        use and would disturb the measurements. In this case, only stored measurements are used.
    """

    def __init__(self, cache: str = '', log: Log = lambda line: None,
                 measure: MeasureAll | None = measure_candidates,
                 identity: Callable[[int], GpuIdentity] = gpu_identity) -> None:
        self._cache, self._log = cache, log
        self._measure, self._identity = measure, identity
        self._found: tuple[list[Measured], str] | None = None

    def __call__(self, card: ModelCard, gpu: int, stream: int) -> OnnxRuntimeCuda:
        """Open the network of a card. See :data:`trt_segmentation.gpu.device_engine.OpenEngine`.

        All calls of one opener must have the same card and the same GPU.

        :raises EngineError: if the network does not run on the GPU.
        """
        if self._found is None:     # the second network of a pipeline uses the same options
            self._found = self.find(card, gpu)
        results, source = self._found
        best = choose(results) if results else Measured(PLAIN)
        engine = open_candidate(card, gpu, stream, best.name)
        engine.cache = source
        engine.tuning = describe(results) if results else ''
        return engine

    def find(self, card: ModelCard, gpu: int) -> tuple[list[Measured], str]:
        """Return the measurements for a card, and their source.

        The source is ``hit`` if the cache had the measurements, and ``built`` if they are new. If
        the network cannot be measured, both results are empty, and the log gets the reason.
        """
        try:
            kept = ChoiceFile(self._cache, make_key(card, self._identity(gpu)))
            if results := kept.load():
                return results, 'hit'
            if self._measure is None:
                raise EngineError('the old network is still in use and would disturb the '
                                  'measurements. The next start with this model will measure')
            with kept.locked():
                if results := kept.load():      # another process measured during the wait
                    return results, 'hit'
                return self._measure_now(card, gpu, kept), 'built'
        except (EngineError, CacheError, OSError) as error:
            self._log(f'{card.name} is not tuned and runs with the options "{PLAIN}". Reason: '
                      f'{error}')
            return [], ''

    def _measure_now(self, card: ModelCard, gpu: int, kept: ChoiceFile) -> list[Measured]:
        self._log(f'measuring {card.name} on this GPU with {len(choose_first(card)) + 1} sets '
                  'of ONNX Runtime options. Later starts use the result. To skip the measurement, '
                  "set the node's parameter `tune` to false, or use `--no-tune`")
        assert self._measure is not None
        began = monotonic()
        results = self._measure(card, gpu)
        for result in results:
            if result.refused:
                self._log(f'"{result.name}" cannot be used: {result.refused}')
        self._log(f'measured {card.name} in {monotonic() - began:.0f} s. {describe(results)}')
        try:
            kept.store(results)
        except OSError as error:
            self._log(f'{kept.path} could not be written, so the next start measures again: '
                      f'{error}')
        return results


def describe(results: Sequence[Measured]) -> str:
    """Return a text with the fastest options, their time and the time without tuning."""
    best = choose(results)
    plain = next(result for result in results if result.name == PLAIN)
    if best.name == PLAIN:
        return f'"{PLAIN}" takes {best.ms:.2f} ms, and no other options are clearly faster'
    return f'"{best.name}" takes {best.ms:.2f} ms; "{PLAIN}" takes {plain.ms:.2f} ms'
