# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run the demo model with every engine, and check the label maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
import logging
from typing import Any, TYPE_CHECKING

from .libraries import absent, BUILDER, tensorrt_or_why_not

if TYPE_CHECKING:
    from ...engines.plan import Plan
    from ...frame import Segmentation
    from ...pipeline import Pipeline
    from ...street import Scene

logger = logging.getLogger(__name__)

CONDITIONS = ('day', 'night', 'rain', 'snow')
SEED = 1_000_000
"""Seed of the first test scene. The training of the demo model used only smaller seeds."""

LEAST_IOU = 0.85
"""Smallest accepted mean IoU. The demo model reaches 0.90 on the test scenes. With a wrong kernel
or swapped channels, the mean IoU is much smaller."""

LEAST_AGREEMENT = 0.99
"""Smallest accepted fraction of pixels with the same label as on the CPU. FP16 reaches 0.9999."""

ORACLE = 'onnxruntime-cpu'
"""Engine that gives the expected label maps."""
Log = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """The result of one engine on a few scenes.

    :param why_not: why the engine cannot run on this machine; empty if the engine ran.
    :param wrong: what is wrong with the engine or with its label maps; empty if nothing is wrong.
    :param built: a sentence about an engine that was built but not run; empty if there is no
        such engine.
    :param identity: library, precision and device of the engine.
    :param agreement: fraction of pixels with the same label as on the CPU, 0 to 1, for the scene
        in which this fraction is smallest.
    :param latency_ms: median milliseconds of each stage.
    """

    engine: str
    why_not: str = ''
    wrong: str = ''
    built: str = ''
    identity: str = ''
    images: int = 0
    mean_iou: float = 0.0
    agreement: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether the engine ran correctly, or is a GPU engine that cannot run here."""
        return not self.wrong and (not self.why_not or self.engine != ORACLE)

    def __str__(self) -> str:
        if self.why_not:
            head = f'{self.engine} cannot run here: {self.why_not}'
            tail = self.built or self.wrong
            return head + (f'\n  {tail}' if tail else '')
        stages = ', '.join(f'{stage} {ms:.1f}' for stage, ms in self.latency_ms.items())
        oracle = '' if self.engine == ORACLE else f', {self.agreement:.3%} of labels as on the CPU'
        return (f'{self.engine}: {self.wrong or "ok"}: {self.identity}\n'
                f'  {self.images} scenes: mean IoU {self.mean_iou:.4f}{oracle}\n'
                f'  median ms: {stages}')

    def tree(self) -> dict[str, Any]:
        """Return the trial for JSON."""
        return {**asdict(self), 'good': self.is_good}


def try_engines(gpu: int = 0, log: Log = lambda line: None, each: int = 2) -> list[Trial]:
    """Run the demo model with every engine. The best engine comes first.

    The label maps are compared with the true labels, and with the label maps of the CPU. If
    TensorRT is installed, this function builds a plan (an engine in a file). The first build may
    take minutes.

    :param gpu: index of the GPU in CUDA's order.
    :param log: function that receives lines about the progress.
    :param each: number of street scenes of every condition.
    """
    from ...engines import ENGINES
    log('self-test: drawing scenes')
    scenes = draw_scenes(each)
    expected = label_on_cpu(scenes)
    trials = []
    for engine in ENGINES[1:]:
        log(f'self-test: {engine}')
        trials.append(try_engine(engine, gpu, scenes, expected, log))
    return trials


def draw_scenes(each: int = 2) -> list[Scene]:
    """Draw ``each`` street scenes of every condition."""
    from ...street import scene
    return [scene(SEED + index, condition) for condition in CONDITIONS for index in range(each)]


def label_on_cpu(scenes: Sequence[Scene]) -> list[Any]:
    """Return the label map of every scene, computed on the CPU."""
    from ...host.pipeline import HostPipeline
    from ...model.card import load_card
    oracle = HostPipeline(load_card('street'))
    expected = [found.labels for found in _segment(oracle, scenes)]
    oracle.close()
    return expected


def try_engine(engine: str, gpu: int, scenes: Sequence[Scene], expected: Sequence[Any],
               log: Log) -> Trial:
    """Run the demo model with one engine, and check the label maps.

    :param expected: result of :func:`label_on_cpu` for the scenes.
    """
    from ...errors import EngineError
    from ...model.card import load_card
    from ...pipeline import open_pipeline
    card = load_card('street')
    try:
        pipeline = open_pipeline(card, engine, gpu=gpu, log=log)
    except EngineError as error:
        logger.debug('%s cannot be opened', engine, exc_info=True)
        if engine != 'tensorrt':
            return Trial(engine, str(error))
        return Trial(engine, str(error), *_build(log))
    try:
        return _judge(engine, pipeline, scenes, expected)
    except EngineError as error:
        logger.debug('%s failed', engine, exc_info=True)
        return Trial(engine, wrong=f'failed: {error}', identity=_identity(pipeline))
    finally:
        pipeline.close()


def _build(log: Log) -> tuple[str, str]:
    """Build a plan without a GPU. Return an error and a summary; at least one text is empty."""
    from ...engines.plan import count_precisions, from_json
    from ...errors import SegmentationError
    library, _ = tensorrt_or_why_not()
    if 'RTX' not in library or absent(*BUILDER):
        return '', ''
    log(f'self-test: building a plan with {library}, without a GPU')
    try:
        plan = build_demo_plan()
    except (SegmentationError, ValueError) as error:
        logger.debug('the plan cannot be built', exc_info=True)
        return f'{library} is installed but cannot build: {error}', ''
    kernels = count_precisions(from_json(plan.about['layers']))
    return '', (f'{library} built the fp16 engine in {plan.about["seconds"]:.1f} s, '
                f'{len(plan.data) / 1e6:.1f} MB, {kernels.get("fp16", 0)} kernels in fp16; '
                'the engine was not run')


def build_demo_plan() -> Plan:
    """Build the fp16 plan of the demo model. TensorRT-RTX needs no GPU for this build.

    :raises SegmentationError: if TensorRT cannot build the plan.
    """
    from ...builder.build import OperatorSupport
    from ...builder.open_engine import build_graph
    from ...builder.prepare import apply_precision, read_graph
    from ...builder.settings import BuildOptions, Recipe
    from ...model.card import load_card
    recipe, supports_operator = Recipe('fp16'), OperatorSupport()
    graph = apply_precision(read_graph(load_card('street'), recipe, supports_operator), recipe)
    return build_graph(graph, recipe, BuildOptions())[0]


def _judge(engine: str, pipeline: Pipeline, scenes: Sequence[Scene],
           expected: Sequence[Any]) -> Trial:
    import numpy as np

    from ...accuracy.metrics import confusion, Scores
    from ...stats import stage_percentiles
    count = len(pipeline.card.classes)
    matrix = np.zeros((count, count + 1), np.int64)
    same = []
    _segment(pipeline, scenes[:1])      # warm-up: the first frame allocates memory and compiles
    results = _segment(pipeline, scenes)
    for found, scene, labels in zip(results, scenes, expected):
        matrix += confusion(scene.truth, found.labels, count)
        same.append(float(np.mean(found.labels == labels)))
    iou, agreement = Scores(pipeline.card.classes, matrix, len(scenes)).mean_iou, min(same)
    wrong = (f'WRONG: mean IoU {iou:.4f}, expected at least {LEAST_IOU}' if iou < LEAST_IOU else
             f'WRONG: on one scene only {agreement:.3%} of the labels are as on the CPU, '
             f'expected at least {LEAST_AGREEMENT:.0%}' if agreement < LEAST_AGREEMENT else '')
    return Trial(engine, '', wrong, '', _identity(pipeline), len(scenes), iou, agreement,
                 {stage: found['p50'] for stage, found in stage_percentiles(
                     result.timings for result in results).items()})


def _segment(pipeline: Pipeline, scenes: Sequence[Scene]) -> list[Segmentation]:
    from dataclasses import replace

    import numpy as np

    from ...frame import Frame
    from ...pipeline import segment_one
    found = []
    for scene in scenes:
        height, width = scene.image.shape[:2]
        data = np.ascontiguousarray(scene.image).reshape(-1)
        segmentation = segment_one(pipeline, Frame(data, 'bgr8', height, width, 3 * width))
        found.append(replace(segmentation, labels=segmentation.labels.copy()))
        segmentation.release()
    return found


def _identity(pipeline: Pipeline) -> str:
    identity = pipeline.identity
    tuned = f', tuned: {identity.tuning}' if identity.tuning else ''
    return (f'{identity.version}, {identity.precision}, {identity.device}, opened in '
            f'{identity.opened_s:.1f} s{tuned}')
