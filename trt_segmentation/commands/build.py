# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg build``: calibrate, choose, report what it costs, refuse or build, and write."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import onnx
from rich.console import Console

from ..accuracy.compare import Shot
from ..accuracy.held_out import held_out, not_chosen, street_shots
from ..accuracy.label_values import label_values
from ..accuracy.limit import compare_models, find_keep_fp16, refuse_loss
from ..accuracy.recordings import open_recordings
from ..accuracy.report import write_accuracy
from ..builder.build import supported
from ..builder.cache import EngineCache
from ..builder.calibration import calibrate, Calibration
from ..builder.feeds import choose_frames, Feeds
from ..builder.frame_choice import write_contact_sheet, write_histogram
from ..builder.graph import model_digest
from ..builder.open_engine import build_graph, engine_key, write_plan
from ..builder.prepare import (
    calibration_path,
    card_calibration,
    give_precision,
    PreparedGraph,
    read_graph,
)
from ..engines import PRECISIONS
from ..engines.gpu_identity import gpu_identity, GpuIdentity
from ..engines.plan import count_precisions, from_json, Plan
from ..errors import EngineError, GraphError
from ..model.card import load_card, ModelCard
from ..untrusted.output_files import check_file, check_folder, make_folder
from ..view.progress import Bars
from .build_options import BuildCommandOptions

__all__ = ['BuildCommandOptions', 'run_build']

RANKING_FRAMES = 4
"""Calibration frames that layers are ranked on by what INT8 does to them."""


def run_build(order: BuildCommandOptions) -> int:
    """Build with progress bars, write the report and the plan, and print what came out.

    :returns: the exit code, 0.
    :raises GraphError: where the network, an option or the accuracy will not do; no plan is
        written then.
    :raises EngineError: with TensorRT's words.
    """
    order.check()
    card = load_card(order.model)
    _check_outputs(order, card)
    identity = _identity(order)
    bars = Bars(Console(stderr=True))
    with bars.shown():
        graph = read_graph(card, order.recipe, supported)
        for finding in graph.findings:
            bars.say(str(finding))
        calibration, given = _given_precision(order, card, graph, bars)
        if calibration is not None and (order.calibrate or order.keep_fp16):
            calibration.save(calibration_path(card))
            bars.say(f'ranges: {calibration_path(card)}')
        if order.out is not None:
            plan, _ = build_graph(given, order.recipe, order.options, progress=bars.phase)
            write_plan(plan, order.out)
        else:
            assert identity is not None
            cache = EngineCache(order.cache, log=bars.say)
            plan = _cached(order, card, given, calibration, identity, cache, bars)
    _tell(plan, order, Console())
    return 0


def _check_outputs(order: BuildCommandOptions, card: ModelCard) -> None:
    """Refuse, before the work, what could not be written or is the user's.

    :raises OutputError: naming it.
    """
    if order.precision != 'fp32':
        names = ['contact_sheet.png', 'histogram.png'] if order.calibrate else []
        check_folder(_report_folder(order, card), '--report',
                     [*names, 'accuracy.json', 'differences.png'])
    if order.calibrate or order.keep_fp16:
        check_file(calibration_path(card), 'the ranges')


def _identity(order: BuildCommandOptions) -> GpuIdentity | None:
    """The GPU a plan for the cache is for.

    :raises EngineError: where there is none.
    """
    if order.out is not None:
        return None
    try:
        return gpu_identity(order.gpu)
    except EngineError as error:
        raise EngineError(f'{str(error).rstrip(".")}. Without one only a plan for elsewhere can '
                          'be built, and only with TensorRT-RTX: --out FILE') from error


def _given_precision(order: BuildCommandOptions, card: ModelCard, graph: PreparedGraph,
                     bars: Bars) -> tuple[Calibration | None, PreparedGraph]:
    """The graph in its precision, within the limit of accuracy; nothing is written before."""
    recipe = order.recipe
    feeds = _choose(order, card, bars) if order.calibrate else None
    calibration = _calibration(order, card, graph, feeds, bars)
    if recipe.precision == 'fp32':
        return None, graph
    shots = _shots(order, card, feeds, bars)
    if order.search and calibration is not None and feeds is not None:
        assert order.max_miou_drop is not None
        calibration = find_keep_fp16(
            card, graph, recipe, calibration, list(islice(feeds(), RANKING_FRAMES)), shots,
            order.max_miou_drop, bars.steps('layers ranked'))
        bars.say(f'kept fp16: {", ".join(calibration.keep_fp16) or "none"}')
    given = give_precision(graph, recipe, calibration)
    for finding in given.findings[len(graph.findings):]:
        bars.say(str(finding))
    if given.split is not None:
        bars.say(f'{recipe.precision}: {len(given.split.int8)} nodes int8, '
                 f'{len(given.split.fp16)} of those that could be stay fp16 '
                 f'({given.split.reason})')
    accuracy = compare_models(card, _models(order, graph, given, calibration, bars),
                              bars.each('accuracy', shots, len(shots)))
    write_accuracy(accuracy, card, _report_folder(order, card), Console())
    if order.max_miou_drop is not None:
        refuse_loss(accuracy, recipe.precision, order.max_miou_drop)
    return calibration, given


def _choose(order: BuildCommandOptions, card: ModelCard, bars: Bars) -> Feeds:
    source = open_recordings(order.calibrate, order.topic, order.frames)
    counted = bars.each('frames looked at', source)
    feeds = replace(choose_frames(card, counted, order.frames), source=source)
    folder = _report_folder(order, card)
    make_folder(folder, '--report')
    write_contact_sheet(feeds.choice, folder / 'contact_sheet.png')
    write_histogram(feeds.choice, folder / 'histogram.png')
    bars.say(f'calibrating on {len(feeds.choice.chosen)} of {len(feeds.choice.looks)} frames: '
             f'{folder / "contact_sheet.png"}, {folder / "histogram.png"}')
    return feeds


def _calibration(order: BuildCommandOptions, card: ModelCard, graph: PreparedGraph,
                 feeds: Feeds | None, bars: Bars) -> Calibration | None:
    if not order.recipe.calibrated:
        return None
    if feeds is None:
        calibration = card_calibration(card)
    else:
        step = bars.steps('calibration', len(feeds.choice.chosen))
        folder = EngineCache(order.cache).folder
        calibration = calibrate(graph.model, feeds, order.method, folder, step)
        calibration = replace(calibration, model=model_digest(card.model))
        step(calibration.frames)
    if order.keep_fp16:
        calibration = replace(calibration, keep_fp16=order.keep_fp16)
    return calibration


def _shots(order: BuildCommandOptions, card: ModelCard, feeds: Feeds | None,
           bars: Bars) -> list[Shot]:
    count = order.hold_out_frames
    if order.hold_out:
        values = label_values(order.ignore, order.label_map)
        return held_out(card, order.hold_out, order.hold_out_labels, values, count, order.topic)
    if feeds is not None and (shots := not_chosen(feeds, count)):
        bars.say(f'accuracy on {len(shots)} frames that calibration left out; give others with '
                 '--hold-out')
        return shots
    bars.say(f'accuracy on {count} street scenes; give frames of your own with --hold-out')
    return list(street_shots(card, count))


def _models(order: BuildCommandOptions, graph: PreparedGraph, given: PreparedGraph,
            calibration: Calibration | None, bars: Bars) -> dict[str, onnx.ModelProto]:
    """What to compare with FP32, by precision."""
    models = {order.precision: given.model}
    for name in PRECISIONS[1:] if order.compare else ():
        recipe = replace(order.recipe, precision=name)
        if name in models or (recipe.calibrated and calibration is None):
            continue
        try:
            models[name] = give_precision(graph, recipe, calibration).model
        except GraphError as error:
            bars.say(f'{name} is not compared: {error}')
    return models


def _cached(order: BuildCommandOptions, card: ModelCard, given: PreparedGraph,
            calibration: Calibration | None, identity: GpuIdentity, cache: EngineCache,
            bars: Bars) -> Plan:
    key = engine_key(card, order.recipe, order.options, calibration, identity)

    def make() -> Plan:
        plan, timing = build_graph(given, order.recipe, order.options, cache.timing(key),
                                   bars.phase)
        if timing:
            cache.keep_timing(key, timing)
        return plan

    plan = cache.get(key, make, lambda plan: plan)
    bars.say(f'in the cache: {cache.folder / f"{key.digest}.plan"}')
    return plan


def _report_folder(order: BuildCommandOptions, card: ModelCard) -> Path:
    # the name is whatever the card says: /etc/x, say
    name = card.name.replace('/', '_')
    return order.report or Path(f'{name}-{order.precision}-report')


def _tell(plan: Plan, order: BuildCommandOptions, console: Console) -> None:
    counts = count_precisions(from_json(plan.about['layers']))
    console.print(
        f'{plan.about["library"]}, {len(plan.data) / 1e6:.1f} MB in {plan.about["seconds"]:.1f} '
        f's; layers: ' + ', '.join(f'{n} {name}' for name, n in counts.items()),
        markup=False, highlight=False, soft_wrap=True)
    if order.out:
        console.print(f'→ {order.out}; `trt_seg inspect {order.out}` lists its layers',
                      markup=False, highlight=False, soft_wrap=True)
