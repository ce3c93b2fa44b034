# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A process that runs one step of the self-test: ``python3 -m ….issue_report.step``.

``trt_seg doctor --out`` runs all steps, each in its own process. So if a library crashes, or if
the GPU cannot be used any more, the other steps still run. The process reads a request from stdin
as JSON, and writes the result of the step to a file as JSON. Everything that the process prints is
the log of the step.

The function of a step gets the request and an empty result, and adds its values one by one. If an
error ends the step, the values from before the error are in the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
import faulthandler
import json
import logging
from pathlib import Path
import re
import sys
from typing import Any, TYPE_CHECKING

from ...engines import ENGINES
from ...engines.nvidia_driver import ask_driver

if TYPE_CHECKING:
    from ...engines.plan import Plan

Found = dict[str, Any]
"""A request or a result, with values that JSON can hold."""

SECONDS = 2.0
"""The latency of an engine is measured for this many seconds."""
SIZE = (1920, 1080)
"""Width and height of the images for the latency, in pixels."""
EACH = 2
"""Number of drawn street scenes for each condition, such as night or rain."""
BEFORE_THE_END = 5.0
"""The process prints the stacks of its threads this many seconds before its time limit."""

log = logging.getLogger('trt_segmentation')


def examine_machine(asked: Found, found: Found) -> None:
    """Collect the facts about this machine."""
    from .machine_facts import collect_facts
    found |= collect_facts()


def run_checks(asked: Found, found: Found) -> None:
    """Run the checks of ``trt_seg doctor``."""
    from ..doctor.choice import choose_engine
    from ..doctor.run import examine
    driver = ask_driver()
    checks = examine(driver, asked['gpu'])
    found['checks'] = [check.tree() for check in checks]
    found['text'] = '\n'.join(map(str, checks))
    choice = choose_engine(driver, asked['gpu'])
    found['auto'], found['why'] = choice.taken, choice.why


def try_one_engine(asked: Found, found: Found) -> None:
    """Check the labels of an engine, and find its latency, its libraries and its TensorRT plan."""
    from ..doctor.choice import choose_engine
    from ..doctor.selftest import draw_scenes, label_on_cpu, try_engine
    engine, gpu = asked['step'], asked['gpu']
    found['why_not'] = choose_engine(ask_driver(), gpu).why_not[engine]
    scenes = draw_scenes(EACH)
    try:
        trial = try_engine(engine, gpu, scenes, label_on_cpu(scenes), log.info)
        found['trial'], found['text'] = trial.tree(), str(trial)
        parts: list[Callable[[], None]] = []
        has_run = not trial.why_not and not trial.wrong.startswith('failed')
        if engine == 'tensorrt' and (has_run or trial.built):
            parts.append(lambda: _describe_plan(gpu, not has_run, found))
        if has_run:
            parts.append(lambda: _measure(engine, gpu, Path(asked['folder']), found))
        if has_run and engine == 'onnxruntime-cuda':
            parts.append(lambda: _read_tuning(gpu, found))
        _run_all(parts)
    finally:
        found['libraries'] = loaded_libraries()


def _run_all(parts: Sequence[Callable[[], None]]) -> None:
    errors = []
    for part in parts:
        try:
            part()
        except Exception as error:
            log.exception('a part of this step failed')
            errors.append(error)
    if errors:
        raise errors[0]


def compare_memory(asked: Found, found: Found) -> None:
    """Measure whether copies are faster than mapped memory, which the GPU uses without a copy.

    The GPU must share its memory with the CPU.
    """
    from ..doctor.memory_choice import measure_memory
    choice = measure_memory(asked['engine'], asked['gpu'], True, log.info)
    found |= choice.tree() | {'text': str(choice)}


STEPS: dict[str, Callable[[Found, Found], None]] = {
    'machine': examine_machine, 'checks': run_checks,
    **dict.fromkeys(ENGINES[1:], try_one_engine), 'memory': compare_memory}
"""Maps the name of each step to its function."""


def _measure(engine: str, gpu: int, folder: Path, found: Found) -> None:
    from ...accuracy.compare import compare_pipelines, REFERENCE
    from ...accuracy.differences import write_differences
    from ...accuracy.samples import draw_street_samples
    from ...frame import Wanted
    from ...host.pipeline import HostPipeline
    from ...model.card import load_card
    from ...pipeline import open_pipeline
    from ...stats import percentiles
    from ..bench.measure import camera_frames, measure_latency, memory_mib
    from ..doctor.selftest import CONDITIONS, ORACLE
    card = load_card('street')
    samples = [sample for condition in CONDITIONS
               for sample in draw_street_samples(card, EACH, condition)]
    with (closing(HostPipeline(card)) as host,
          closing(open_pipeline(card, engine, gpu=gpu, log=log.info)) as pipeline):
        found['second_open'] = asdict(pipeline.identity)
        accuracy = compare_pipelines(card.classes, {REFERENCE: host, engine: pipeline}, samples)
        found['accuracy'] = accuracy.tree()
        if engine != ORACLE and accuracy.differences:
            write_differences(accuracy, card, folder / f'{engine}.png')
        frames = camera_frames(4, *SIZE, 'bgr8', pipeline.allocate)
        latency = measure_latency(pipeline, frames, Wanted(overlay=True), SECONDS,
                                  lambda elapsed: None)
        del frames      # because closing the pipeline frees the memory of the frames
        found['latency_ms'] = {stage: percentiles(times) for stage, times in
                               (*latency.stages.items(), ('total', latency.total))}
        found['images'], found['drift'] = len(latency.total), latency.drift
        found['memory_mib'] = memory_mib(pipeline)


def _read_tuning(gpu: int, found: Found) -> None:
    from ...model.card import load_card
    from ...tuning.open_tuned import TunedOpener
    results, _ = TunedOpener(log=log.info).find(load_card('street'), gpu)
    found['tuning'] = [asdict(result) for result in results]


def _describe_plan(gpu: int, is_only_built: bool, found: Found) -> None:
    from ...view.plan_text import plan_text
    from ..doctor.selftest import build_demo_plan
    plan = build_demo_plan() if is_only_built else _read_cached_plan(gpu)
    found['plan'] = {'bytes': len(plan.data), **plan.about}
    found['plan_text'] = plan_text('plan of the demo model', plan)


def _read_cached_plan(gpu: int) -> Plan:
    from ...builder.cache import EngineCache
    from ...builder.open_engine import make_engine_key
    from ...builder.prepare import find_calibration
    from ...builder.settings import BuildOptions, Recipe
    from ...engines.gpu_identity import gpu_identity
    from ...errors import CacheError
    from ...model.card import load_card
    card, recipe = load_card('street'), Recipe()
    key = make_engine_key(card, recipe, BuildOptions(), find_calibration(card, recipe, log.info),
                          gpu_identity(gpu))
    plan, why_not = EngineCache(log=log.info).find(key)
    if plan is None:
        raise CacheError(f'the engine ran, but its plan is not in the cache: {why_not}')
    return plan


def loaded_libraries(maps: Path = Path('/proc/self/maps')) -> list[str]:
    """Return the paths of NVIDIA's and ONNX Runtime's libraries in this process."""
    try:
        text = maps.read_text(encoding='utf-8', errors='replace')
    except OSError:
        return []
    return sorted(set(re.findall(
        r'(/\S*/(?:lib(?:nv|cu|tensorrt)|onnxruntime)\S*\.so\S*)$', text, re.M)))


def main() -> None:
    """Run the step that the request in stdin names. Write the result, even after an error."""
    asked, found = json.load(sys.stdin), Found()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING,
                        format='%(relativeCreated)8d ms %(levelname)s %(name)s: %(message)s')
    log.setLevel(logging.DEBUG)
    faulthandler.dump_traceback_later(max(asked['seconds'] - BEFORE_THE_END, 1.0))
    try:
        STEPS[asked['step']](asked, found)
    finally:
        Path(asked['answer']).write_text(json.dumps(found), encoding='utf-8')
        faulthandler.cancel_dump_traceback_later()


if __name__ == '__main__':
    main()
