# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg build``: calibrate, measure the accuracy of a precision, and build a plan.

A plan is a TensorRT engine in a file. A calibration measures the range of each tensor's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import onnx
from rich.console import Console

from ..accuracy.class_count import load_checked_card
from ..accuracy.held_out import draw_held_out, read_held_out, read_left_out, warn_of_scenes
from ..accuracy.kernels import compare_kernels, KERNELS_FILE
from ..accuracy.label_values import read_label_values
from ..accuracy.limit import (
    compare_models,
    convert_to_precisions,
    find_keep_fp16,
    refuse_loss,
    SEARCH_FRAMES,
)
from ..accuracy.method_choice import calibrate_best, METHODS_FILE
from ..accuracy.recordings import open_recordings
from ..accuracy.report import write_accuracy
from ..accuracy.samples import Sample
from ..builder.build import find_compute_capability, OperatorSupport
from ..builder.cache import EngineCache
from ..builder.calibration import calibrate, Calibration
from ..builder.feeds import choose_frames, Feeds
from ..builder.frame_choice import warn_few_frames, write_choice
from ..builder.graph import model_digest
from ..builder.open_engine import build_graph, make_engine_key, write_plan
from ..builder.prepare import (
    apply_precision,
    calibration_path,
    cuts_resize,
    find_calibration,
    PreparedGraph,
    read_graph,
)
from ..builder.settings import BEST_METHOD, BuildOptions, Recipe
from ..engines import PRECISIONS
from ..engines.gpu_identity import gpu_identity, GpuIdentity
from ..engines.plan import Plan
from ..engines.tensorrt_plugins import load_plugins
from ..errors import EngineError, GraphError
from ..model.card import ModelCard
from ..untrusted.output_files import check_file, check_folder
from ..view.plan_text import summarise_plan
from ..view.progress import ProgressBars
from .build_options import BuildCommandOptions

CUT = 'fp32 without the last Resize'
"""Name that the report gives to the FP32 network without its last Resize."""


def run_build(options: BuildCommandOptions) -> int:
    """Build and write a plan, write the accuracy report, and print a summary.

    :returns: the exit code, 0.
    :raises ModelCardError, GraphError: if the card, the network or an option is refused.
    :raises AccuracyLossError: if the accuracy loss is above ``options.max_miou_drop``.
    :raises EngineError: if TensorRT cannot build the plan, or if there is no GPU and
        ``options.out`` is None.
    """
    options.check()
    card = load_checked_card(options.model)
    if options.arch:
        find_compute_capability(options.arch)
    _check_outputs(options, card)
    identity = _identity(options)
    supports_operator = OperatorSupport()  # keeps TensorRT's kernels in memory for all builds
    with ProgressBars() as bars:
        load_plugins(card.plugins, bars.print_line)
        graph = read_graph(card, _recipe(options), supports_operator)
        for finding in graph.findings:
            bars.print_line(str(finding))
        calibration, given = _give_precision(options, card, graph, bars)
        if options.out is not None:
            plan, _ = build_graph(given, _recipe(options), _build_options(options),
                                  progress=bars.show_phase)
            write_plan(plan, options.out)
        else:
            plan = _build_in_cache(options, card, given, calibration, identity, bars)
        # The ranges are saved last. So an interrupted build saves no ranges beside the ONNX file.
        if calibration is not None and (options.calibrate or options.keep_fp16):
            calibration.save(calibration_path(card))
            bars.print_line(f'ranges: {calibration_path(card)}')
        if given.split is not None:
            _report_kernels(options, card, graph, calibration, plan, given.split.int8, identity,
                            bars)
    print(summarise_plan(plan, options.out))
    return 0


def _report_kernels(options: BuildCommandOptions, card: ModelCard, graph: PreparedGraph,
                    calibration: Calibration | None, plan: Plan, asked: Sequence[str],
                    identity: GpuIdentity | None, bars: ProgressBars) -> None:
    recipe = replace(_recipe(options), precision='fp16')
    bars.print_line('building an fp16 plan too, to compare the kernels of the two plans')
    try:
        given = apply_precision(graph, recipe, calibration)
        if options.out is not None:
            rival, _ = build_graph(given, recipe, _build_options(options),
                                   progress=bars.show_phase)
        else:
            rival = _build_in_cache(replace(options, precision='fp16'), card, given, calibration,
                                    identity, bars)
    except (EngineError, GraphError) as error:
        bars.print_line(f'the kernels are not compared, because no fp16 plan was built: {error}')
        return
    report = compare_kernels(plan, rival, asked)
    if report is None:
        bars.print_line(f'{plan.about["library"]} does not list the kernels of its plans, so it '
                        f'is unknown which graph nodes became int8')
        return
    folder = _report_folder(options, card)
    report.write(folder)
    for line in [*report.lines(), f'→ {folder / KERNELS_FILE}']:
        bars.print_line(line)


def _recipe(options: BuildCommandOptions) -> Recipe:
    # A ROS node finds the plan only with an equal recipe. The node reads keep_fp16 from the file
    # of the calibration, so keep_fp16 is not set here.
    return Recipe(options.precision, options.shapes, options.batch, simplify=options.simplify,
                  cut_resize=options.cut_resize)


def _build_options(options: BuildCommandOptions) -> BuildOptions:
    return BuildOptions(options.workspace, options.level, arch=options.arch)


def _check_outputs(options: BuildCommandOptions, card: ModelCard) -> None:
    if options.precision != 'fp32' or cuts_resize(card, _recipe(options)):
        names = ['contact_sheet.png', 'histogram.png', METHODS_FILE, 'calibration_frames.json']
        check_folder(_report_folder(options, card), '--report', [
            *names * bool(options.calibrate), *[KERNELS_FILE] * _recipe(options).needs_calibration,
            'accuracy.json', 'differences.png'])
    if options.calibrate or options.keep_fp16:
        check_file(calibration_path(card), 'the ranges')


def _identity(options: BuildCommandOptions) -> GpuIdentity | None:
    if options.out is not None:
        return None
    try:
        return gpu_identity(options.gpu)
    except EngineError as error:
        raise EngineError(f'{str(error).rstrip(".")}. Without a GPU, only TensorRT-RTX can build '
                          'a plan, and only with --out FILE. Nodes do not load this plan. To use '
                          'ranges from --calibrate on a robot, copy the file MODEL.scales.json '
                          'to the robot') from error


def _give_precision(options: BuildCommandOptions, card: ModelCard, graph: PreparedGraph,
                    bars: ProgressBars) -> tuple[Calibration | None, PreparedGraph]:
    """Write the accuracy report. Return the calibration and the graph in the chosen precision."""
    recipe = _recipe(options)
    feeds = _choose_frames(options, card, bars) if options.calibrate else None
    calibration = _calibrate(options, card, graph, feeds, bars)
    if recipe.precision == 'fp32' and not cuts_resize(card, recipe):
        return None, graph
    shots, warning = _held_out_samples(options, card, feeds, bars)
    if options.search and calibration is not None and feeds is not None:
        assert options.max_miou_drop is not None
        calibration = find_keep_fp16(
            card, graph, recipe, calibration, list(islice(feeds(), SEARCH_FRAMES)), shots,
            options.max_miou_drop, bars.add_bar)
        names = ', '.join(calibration.keep_fp16) or 'none'
        bars.print_line(f'graph nodes that stay fp16: {names}')
    given = apply_precision(graph, recipe, calibration)
    for finding in given.findings[len(graph.findings):]:
        bars.print_line(str(finding))
    if given.split is not None:
        bars.print_line(f'{recipe.precision}: {len(given.split.int8)} graph nodes become int8 '
                        f'({given.split.reason}); {len(given.split.fp16)} other graph nodes could '
                        f'be int8, but stay fp16')
    accuracy = compare_models(card, _models(options, card, graph, given, calibration, bars),
                              bars.track('accuracy', shots, len(shots)))
    write_accuracy(accuracy, card, _report_folder(options, card), Console(), given.fp32, warning)
    if options.max_miou_drop is not None:
        refuse_loss(accuracy, _compared_name(options), options.max_miou_drop, warning)
    return calibration, given


def _choose_frames(options: BuildCommandOptions, card: ModelCard, bars: ProgressBars) -> Feeds:
    folder = _report_folder(options, card)
    if options.has_workers:
        from .fleet.calibrate import choose_fleet_frames
        return choose_fleet_frames(card, options.model, options, folder, bars)
    source = open_recordings(options.calibrate, options.topic, options.frames)
    counted = bars.track('frames examined', source)
    feeds = replace(choose_frames(card, counted, options.frames), source=source)
    if source.left_out:
        bars.print_line(f'{len(source.left_out)} frames cannot be decoded and are left out. The '
                        f'first is {source.left_out[0]}')
    files = write_choice(feeds.choice, folder)
    bars.print_line(f'calibrating on {len(feeds.choice.chosen)} of {len(feeds.choice.frames)} '
                    f'frames; see {files}')
    return feeds


def _calibrate(options: BuildCommandOptions, card: ModelCard, graph: PreparedGraph,
               feeds: Feeds | None, bars: ProgressBars) -> Calibration | None:
    if feeds is None:
        calibration = find_calibration(card, _recipe(options), bars.print_line)
        if calibration is None:
            return None
    else:
        if few := warn_few_frames(len(feeds.choice.chosen)):
            bars.print_line(few)
        folder = EngineCache(options.cache).folder
        if options.method == BEST_METHOD:
            calibration, choice = calibrate_best(
                card, graph, _recipe(options), feeds, folder, bars.add_bar)
            choice.write(_report_folder(options, card), bars.print_line)
        else:
            step = bars.add_bar('calibration', len(feeds.choice.chosen))
            calibration = calibrate(graph.model, feeds, options.method, folder, step)
            step(len(feeds.choice.chosen))
        calibration = replace(calibration, model=model_digest(card.model))
    if options.keep_fp16:
        keep = (*options.keep_fp16, *(calibration.keep_fp16 if feeds is not None else ()))
        calibration = replace(calibration, keep_fp16=keep)
    return calibration


def _held_out_samples(options: BuildCommandOptions, card: ModelCard, feeds: Feeds | None,
                      bars: ProgressBars) -> tuple[list[Sample], str]:
    """Return the images on which the accuracy is measured, and a warning about these images."""
    count = options.hold_out_frames
    if options.hold_out:
        values = read_label_values(options.ignore, options.label_map)
        return read_held_out(card, options.hold_out, options.hold_out_labels, values, count,
                             options.topic), ''
    if feeds is not None and (samples := read_left_out(feeds, count)):
        bars.print_line(f'accuracy is measured on {len(samples)} frames that calibration did not '
                        'use. To measure on other frames, give --hold-out')
        return samples, ''
    bars.print_line(f'accuracy is measured on {count} street scenes. To measure on your own '
                    'frames, give --hold-out')
    return list(draw_held_out(card, count)), warn_of_scenes(card)


def _models(options: BuildCommandOptions, card: ModelCard, graph: PreparedGraph,
            given: PreparedGraph, calibration: Calibration | None, bars: ProgressBars
            ) -> dict[str, onnx.ModelProto]:
    """Return the models that are compared with FP32. The keys are their names in the report."""
    models = {_compared_name(options): given.model}
    if cuts_resize(card, _recipe(options)):
        models[CUT] = graph.model
    names = [name for name in PRECISIONS[1:] if options.compare and name not in models]
    return models | convert_to_precisions(graph, _recipe(options), calibration, names,
                                          bars.print_line)


def _compared_name(options: BuildCommandOptions) -> str:
    # The report compares models with the fp32 network that has all its nodes. So an fp32 build is
    # in the report only if the build removes the last Resize.
    return CUT if options.precision == 'fp32' else options.precision


def _build_in_cache(options: BuildCommandOptions, card: ModelCard, given: PreparedGraph,
                    calibration: Calibration | None, identity: GpuIdentity | None,
                    bars: ProgressBars) -> Plan:
    assert identity is not None
    cache = EngineCache(options.cache, log=bars.print_line)
    recipe, build_options = _recipe(options), _build_options(options)
    key = make_engine_key(card, recipe, build_options, calibration, identity)

    def make() -> Plan:
        plan, timing = build_graph(given, recipe, build_options, cache.timing(key),
                                   bars.show_phase)
        if timing:
            cache.keep_timing(key, timing)
        return plan

    plan = cache.get(key, make, lambda plan: plan)
    bars.print_line(f'plan: {cache.folder / f"{key.digest}.plan"}')
    if recipe.cut_resize and not card.output.cut_resize:
        bars.print_line(f'Write `cut_resize: true` under `output` in {card.source}, so that ROS '
                        f'nodes use this engine')
    return plan


def _report_folder(options: BuildCommandOptions, card: ModelCard) -> Path:
    # The name of a card may contain slashes.
    name = card.name.replace('/', '_')
    return options.report or Path(f'{name}-{options.precision}-report')
