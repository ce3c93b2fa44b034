# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Open the TensorRT engine of a model card, with a plan from the cache or a new plan.

A plan holds the bytes of an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from ..engines.gpu_identity import gpu_identity, GpuIdentity
from ..engines.kernel_cache import KernelCache
from ..engines.loaded_plan import LoadedPlan
from ..engines.plan import Plan
from ..engines.tensorrt import BACKEND, trt
from ..engines.tensorrt_engine import TensorRtEngine
from ..engines.tensorrt_plugins import load_plugins
from ..model.card import ModelCard
from ..untrusted.output_files import raise_output_errors
from ..untrusted.signed_files import store_signed
from .build import build_plan, OperatorSupport, Progress
from .cache import EngineCache
from .calibration import Calibration
from .engine_key import EngineKey
from .graph import model_digest
from .prepare import apply_precision, cuts_resize, find_calibration, PreparedGraph, read_graph
from .settings import BuildOptions, Recipe

Log = Callable[[str], None]

GRAPH_RULES = '2'
"""Version of the rules that set the precision of a graph. Raise this version if the rules change.
Then no cache loads a plan that was built with the old rules."""


def make_engine_key(card: ModelCard, recipe: Recipe, options: BuildOptions,
                    calibration: Calibration | None, gpu: GpuIdentity) -> EngineKey:
    """Make the key with which the cache finds the plan of a card.

    :raises GraphError: if the ONNX file cannot be read.
    :raises EngineError: if a plugin cannot be loaded.
    """
    plugins = tuple(('plugin', digest) for digest in load_plugins(card.plugins))
    cut = (('cut_resize', 'True'),) if cuts_resize(card, recipe) else ()
    tools = tuple((name, version(name)) for name in ('onnxslim', 'onnxruntime'))
    scales = '' if calibration is None else (
        calibration.digest if recipe.needs_calibration else calibration.fp16_digest)
    return EngineKey(
        model=model_digest(card.model), precision=recipe.precision, scales=scales,
        keep_fp16=recipe.keep_fp16,
        shapes=(recipe.sizes, recipe.batch, f'{card.input.height}x{card.input.width}'),
        options=(*options.key, ('simplify', str(recipe.simplify)), *cut, *plugins, *tools,
                 ('graph_rules', GRAPH_RULES)),
        backend=BACKEND, version=trt.__version__, gpu=gpu.name, arch=gpu.arch,
        driver=gpu.driver)


def build_graph(graph: PreparedGraph, recipe: Recipe, options: BuildOptions, timing: bytes = b'',
                progress: Progress | None = None) -> tuple[Plan, bytes]:
    """Build the plan of a graph that already has the precision of the recipe.

    See :func:`.build.build_plan` for the other arguments and for the results.
    """
    profiles = [graph.profile] if graph.is_dynamic else []
    plan, timing = build_plan(graph.model, profiles, options, timing, progress)
    about = {**plan.about, 'precision': recipe.precision}
    if graph.split is not None:
        about['split'] = graph.split.reason
    if graph.fp32:
        about['fp32'] = list(graph.fp32)
    return replace(plan, about=about), timing


def open_engine(card: ModelCard, gpu: int, stream: int, recipe: Recipe = Recipe(),
                options: BuildOptions = BuildOptions(), cache: EngineCache | None = None,
                log: Log = lambda line: None,
                identity: Callable[[int], GpuIdentity] = gpu_identity,
                load: Callable[[Plan, KernelCache], TensorRtEngine] | None = None
                ) -> TensorRtEngine:
    """Load the engine of a card. If the cache has no plan of the card, build the plan first.

    :param gpu: index of the GPU in CUDA's order. The GPU's CUDA context must be current.
    :param stream: CUDA stream of the engine.
    :param cache: the cache of plans; None for the cache in the default folder.
    :param log: receives one line for each slow operation and for each problem.
    :param load: makes an engine from a plan and the plan's kernel cache; None for a
        :class:`TensorRtEngine` on ``stream``.
    :raises EngineError: if TensorRT cannot build or load the plan.
    :raises GraphError: if the network cannot become an engine.
    :raises CacheError: if the cache folder cannot be used.
    """
    plans = cache or EngineCache(log=log)
    calibration = find_calibration(card, recipe, log)
    load_plugins(card.plugins, log)
    key = make_engine_key(card, recipe, options, calibration, identity(gpu))
    built: list[Plan] = []

    def build() -> Plan:
        supports_operator = OperatorSupport()       # must exist until the plan is built
        graph = apply_precision(read_graph(card, recipe, supports_operator), recipe, calibration)
        built.append(_build_and_keep_timing(graph, recipe, options, key, plans, log))
        return built[-1]

    def load_plan(plan: Plan) -> TensorRtEngine:
        # Each call gets a new kernel cache, without the kernels of a plan that did not load.
        kernels = KernelCache(partial(plans.kernels, key), partial(plans.keep_kernels, key))
        return load(plan, kernels) if load else TensorRtEngine(
            LoadedPlan(plan, card, log, kernels), stream)

    engine = plans.get(key, build, load_plan)
    engine.cache = 'built' if built else 'hit'
    return engine


def _build_and_keep_timing(graph: PreparedGraph, recipe: Recipe, options: BuildOptions,
                           key: EngineKey, plans: EngineCache, log: Log) -> Plan:
    for finding in graph.findings:
        log(str(finding))
    plan, timing = build_graph(graph, recipe, options, plans.timing(key))
    if timing:
        plans.keep_timing(key, timing)
    return plan


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan to a path that the user chose, and its facts to a JSON file beside the plan.

    :raises OutputError: if the plan or the JSON file cannot be written.
    """
    with raise_output_errors(path, '--out'):
        store_signed(path, plan, {})
