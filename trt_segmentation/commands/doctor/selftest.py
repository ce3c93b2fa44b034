# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The demo model in every engine there is, against the truth and against the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TYPE_CHECKING

from .libraries import absent, BUILDER, tensorrt_or_why_not

if TYPE_CHECKING:
    from ...frame import Segmentation
    from ...pipeline import Pipeline
    from ...street import Scene

CONDITIONS = ('day', 'night', 'rain', 'snow')
SEED = 1_000_000
"""First seed that the demo model was not trained on."""

LEAST_IOU = 0.85
"""The demo model has 0.90 on such scenes; a wrong kernel or a swapped channel far less."""

LEAST_AGREEMENT = 0.99
"""Pixels labelled as the CPU labels them; FP16 keeps 0.9999 of them."""

ORACLE = 'onnxruntime-cpu'
Log = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """One engine on a few scenes.

    :param why_not: why it cannot be had here; '' where it ran.
    :param wrong: what is wrong with its answers; '' where nothing.
    :param built: what was built without being run.
    :param agreement: with the CPU, fraction of pixels.
    :param latency_ms: median by stage.
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
    def good(self) -> bool:
        """Whether it ran rightly or is not for this machine; the CPU always has to run."""
        return not self.wrong and (not self.why_not or self.engine != ORACLE)

    def __str__(self) -> str:
        if self.why_not:
            head = f'{self.engine}: not here: {self.why_not}'
            tail = self.built or self.wrong
            return head + (f'\n  {tail}' if tail else '')
        stages = ', '.join(f'{stage} {ms:.1f}' for stage, ms in self.latency_ms.items())
        oracle = '' if self.engine == ORACLE else f', {self.agreement:.3%} of pixels as the CPU'
        return (f'{self.engine}: {self.wrong or "ok"}: {self.identity}\n'
                f'  {self.images} scenes: mean IoU {self.mean_iou:.4f}{oracle}\n'
                f'  median ms: {stages}')

    def tree(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), 'good': self.good}


def try_engines(gpu: int = 0, log: Log = lambda line: None, each: int = 2) -> list[Trial]:
    """Open the demo model with every engine, the best first, and judge it on street scenes.

    Builds a TensorRT engine where there is TensorRT, which takes up to minutes the first time.

    :param each: scenes of every condition.
    """
    from ...engines import ENGINES
    from ...host.pipeline import HostPipeline
    from ...model.card import load_card
    from ...street import scene
    log('self-test: drawing scenes')
    scenes = [scene(SEED + index, condition) for condition in CONDITIONS for index in range(each)]
    oracle = HostPipeline(load_card('street'))
    expected = [answer.labels for answer in _answers(oracle, scenes)]
    oracle.close()
    trials = []
    for engine in ENGINES[1:]:
        log(f'self-test: {engine}')
        trials.append(_trial(engine, gpu, scenes, expected, log))
    return trials


def _trial(engine: str, gpu: int, scenes: Sequence[Scene], expected: Sequence[Any],
           log: Log) -> Trial:
    from ...errors import EngineError
    from ...model.card import load_card
    from ...pipeline import open_pipeline
    card = load_card('street')
    try:
        pipeline = open_pipeline(card, engine, gpu=gpu, log=log)
    except EngineError as error:
        if engine != 'tensorrt':
            return Trial(engine, str(error))
        return Trial(engine, str(error), *_built(log))
    try:
        return _judged(engine, pipeline, scenes, expected)
    except EngineError as error:
        return Trial(engine, wrong=f'failed: {error}', identity=_named(pipeline))
    finally:
        pipeline.close()


def _built(log: Log) -> tuple[str, str]:
    """What is wrong with a build without a GPU, or what came of it; TensorRT-RTX only."""
    library, _ = tensorrt_or_why_not()
    if 'RTX' not in library or absent(*BUILDER):
        return '', ''
    from ...builder.build import BuildOptions, supported
    from ...builder.open_engine import build_graph
    from ...builder.prepare import give_precision, read_graph, Recipe
    from ...engines.plan import count_precisions, from_json
    from ...errors import SegmentationError
    from ...model.card import load_card
    log(f'self-test: building without a GPU, {library}')
    recipe = Recipe('fp16')
    try:
        graph = give_precision(read_graph(load_card('street'), recipe, supported), recipe)
        plan, _ = build_graph(graph, recipe, BuildOptions())
    except (SegmentationError, ValueError) as error:
        return f'{library} is here but cannot build: {error}', ''
    layers = count_precisions(from_json(plan.about['layers']))
    return '', (f'{library} built the fp16 engine in {plan.about["seconds"]:.1f} s, '
                f'{len(plan.data) / 1e6:.1f} MB, {layers.get("fp16", 0)} layers fp16; not run')


def _judged(engine: str, pipeline: Pipeline, scenes: Sequence[Scene],
            expected: Sequence[Any]) -> Trial:
    import numpy as np

    from ...accuracy.metrics import confusion, Scores
    from ...stats import percentiles
    count = len(pipeline.card.classes)
    matrix = np.zeros((count, count + 1), np.int64)
    same, stages = [], dict[str, list[float]]()
    _answers(pipeline, scenes[:1])      # the first one pays for memory and kernels
    for answer, scene, labels in zip(_answers(pipeline, scenes), scenes, expected):
        matrix += confusion(scene.truth, answer.labels, count)
        same.append(float(np.mean(answer.labels == labels)))
        for stage, ms in answer.timings.items():
            stages.setdefault(stage, []).append(ms)
    iou, agreement = Scores(pipeline.card.classes, matrix, len(scenes)).mean_iou, min(same)
    wrong = (f'WRONG: mean IoU {iou:.4f}, at least {LEAST_IOU} expected' if iou < LEAST_IOU else
             f'WRONG: on one scene only {agreement:.3%} of the pixels are as on the CPU, at '
             f'least {LEAST_AGREEMENT:.0%} expected' if agreement < LEAST_AGREEMENT else '')
    return Trial(engine, '', wrong, '', _named(pipeline), len(scenes), iou, agreement,
                 {stage: percentiles(values)['p50'] for stage, values in stages.items()})


def _answers(pipeline: Pipeline, scenes: Sequence[Scene]) -> list[Segmentation]:
    from dataclasses import replace

    import numpy as np

    from ...frame import Frame
    from ...pipeline import segment_one
    answers = []
    for scene in scenes:
        height, width = scene.image.shape[:2]
        data = np.ascontiguousarray(scene.image).reshape(-1)
        answer = segment_one(pipeline, Frame(data, 'bgr8', height, width, 3 * width))
        answers.append(replace(answer, labels=answer.labels.copy()))
        answer.release()
    return answers


def _named(pipeline: Pipeline) -> str:
    identity = pipeline.identity
    return f'{identity.version}, {identity.precision}, {identity.device}'
