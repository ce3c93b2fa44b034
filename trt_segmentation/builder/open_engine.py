# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A card's TensorRT engine, from the cache or built now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from ..engines.gpu_identity import gpu_identity, GpuIdentity
from ..engines.kernel_cache import KernelCache
from ..engines.plan import Plan
from ..engines.tensorrt import BACKEND, TensorRtEngine, trt
from ..model.card import ModelCard
from ..untrusted.output_files import raise_output_errors
from .build import build, BuildOptions, Progress, supported
from .cache import EngineCache, EngineKey
from .calibration import Calibration
from .graph import model_digest
from .prepare import card_calibration, give_precision, PreparedGraph, read_graph, Recipe

Log = Callable[[str], None]


def engine_key(card: ModelCard, recipe: Recipe, options: BuildOptions,
               calibration: Calibration | None, gpu: GpuIdentity) -> EngineKey:
    """Everything the plan of a card depends on.

    :raises GraphError: where the ONNX file cannot be read.
    """
    tools = tuple((name, version(name)) for name in ('onnxslim', 'onnxruntime'))
    return EngineKey(
        model=model_digest(card.model), precision=recipe.precision,
        scales=calibration.digest if calibration else '', keep_fp16=recipe.keep_fp16,
        shapes=(recipe.sizes, recipe.batch, f'{card.input.height}x{card.input.width}'),
        options=(*options.key, ('simplify', str(recipe.simplify)), *tools),
        backend=BACKEND, version=trt.__version__, gpu=gpu.name, arch=gpu.arch,
        driver=gpu.driver)


def build_graph(graph: PreparedGraph, recipe: Recipe, options: BuildOptions, timing: bytes = b'',
                progress: Progress | None = None) -> tuple[Plan, bytes]:
    """Build a graph that has its precision already; see :func:`.build.build`."""
    profiles = [graph.profile] if graph.dynamic else []
    plan, timing = build(graph.model, profiles, options, timing, progress)
    about = {**plan.about, 'precision': recipe.precision}
    if graph.split is not None:
        about['split'] = graph.split.reason
    return replace(plan, about=about), timing


def open_engine(card: ModelCard, gpu: int, stream: int, recipe: Recipe = Recipe(),
                options: BuildOptions = BuildOptions(), cache: EngineCache | None = None,
                log: Log = lambda line: None, progress: Progress | None = None,
                identity: Callable[[int], GpuIdentity] = gpu_identity,
                load: Callable[[Plan, KernelCache], TensorRtEngine] | None = None
                ) -> TensorRtEngine:
    """Load a card's engine, building it first where the cache has none.

    :param gpu: index as CUDA counts; its context has to be current.
    :param stream: as :class:`TensorRtEngine`.
    :param identity: asks a GPU what it is.
    :param load: makes the engine of a plan and the kernels kept with it; None for a
        :class:`TensorRtEngine` on ``stream``.
    :raises EngineError: with TensorRT's words.
    :raises GraphError: where the network cannot become an engine.
    """
    kept = cache or EngineCache(log=log)
    calibration = card_calibration(card) if recipe.calibrated else None
    key = engine_key(card, recipe, options, calibration, identity(gpu))

    def make() -> Plan:
        graph = give_precision(read_graph(card, recipe, supported), recipe, calibration)
        for finding in graph.findings:
            log(str(finding))
        plan, timing = build_graph(graph, recipe, options, kept.timing(key), progress)
        if timing:
            kept.keep_timing(key, timing)
        return plan

    def opened(plan: Plan) -> TensorRtEngine:
        # of each try its own: what a plan that failed has left is not used again
        kernels = KernelCache(partial(kept.kernels, key), partial(kept.keep_kernels, key))
        return load(plan, kernels) if load else TensorRtEngine(
            plan, card, gpu, stream, warn=log, kernels=kernels)

    return kept.get(key, make, opened)


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan and its sidecar where a user asked for them.

    :raises OutputError: if they cannot be written; names the plan.
    """
    from ..untrusted.signed_files import store_signed
    with raise_output_errors(path, '--out'):
        store_signed(path, plan, {})
