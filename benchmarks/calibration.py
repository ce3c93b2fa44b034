# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compares INT8 with ranges from daylight frames and INT8 with ranges from all conditions.

This benchmark tests a claim: with ranges from daylight frames, lane markings and other thin things
get worse labels at night. The set of daylight frames and the set of frames of all conditions have
the same size and show the same streets. Each set is drawn several times, because two draws differ
by as much as the expected effect. The benchmark tests every calibration method, because the method
decides how much the light matters. The rows "spread" give the standard deviation over the draws.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
import multiprocessing
from pathlib import Path
import tempfile
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from precision import scenes
from report import FigureReport, run

from trt_segmentation import street
from trt_segmentation.accuracy.compare import Accuracy, compare_precisions, REFERENCE
from trt_segmentation.accuracy.recordings import Street, STREET_SEED
from trt_segmentation.builder.calibration import measure_activations
from trt_segmentation.builder.feeds import choose_frames
from trt_segmentation.builder.prepare import apply_precision, read_graph
from trt_segmentation.builder.settings import METHODS, Recipe
from trt_segmentation.model.card import load_card
from trt_segmentation.untrusted.output_files import check_file, write_figure

SETS = {'day only': ('day',), 'all conditions': street.CONDITIONS}
DAY, EVERY = SETS
FIGURE = Path(__file__).parent.parent / 'docs' / 'calibration.png'
LANE = 'lane marking'
MARGIN = 0.005
"""Frames of all conditions must raise the mean IoU at night by this, as a mean over the draws."""

Numbers = npt.NDArray[np.float64]


class Size(NamedTuple):
    """How much to measure.

    :param draws: how often each set of frames is drawn.
    :param frames: number of frames in a set.
    :param scenes: number of scenes of each condition that measure the accuracy.
    """

    methods: tuple[str, ...]
    draws: int
    frames: int
    scenes: int


FULL = Size(tuple(METHODS), draws=4, frames=24, scenes=6)
QUICK = Size(('entropy',), draws=2, frames=4, scenes=1)


def measure(report: FigureReport, quick: bool) -> None:
    size = QUICK if quick else FULL
    if not quick:
        check_file(FIGURE, 'the figure')
    # Two processes are faster, because most of a calibration is NumPy in one thread.
    with ProcessPoolExecutor(2, multiprocessing.get_context('spawn')) as pool:
        running = {(draw, name): pool.submit(calibrated_on, draw, name, size)
                   for draw in range(size.draws) for name in SETS}
        found = {key: future.result() for key, future in running.items()}
    classes = load_card('street').classes
    measures: dict[str, Callable[[Accuracy, str, str], float]] = {
        'mean IoU': lambda a, name, where: a.scores(name, where).mean_iou,
        f'{LANE} IoU': lambda a, name, where: float(
            a.scores(name, where).iou[classes.index(LANE)]),
        'boundary IoU': lambda a, name, where: a.boundary_iou(name, where)}

    def values(what: str, method: str, name: str, where: str) -> Numbers:
        return np.array([measures[what](found[draw, name], method, where)
                         for draw in range(size.draws)])

    add_rows(report, size, list(measures), values)
    for method in size.methods:
        for where in street.CONDITIONS:
            won = values('mean IoU', method, EVERY, where) - values('mean IoU', method, DAY, where)
            bar = where == 'night' and not quick
            report.add(f'{method}: mean IoU won by all conditions, {where}', won.mean(), '',
                       f'>= {MARGIN}' if bar else '', won.mean() >= MARGIN if bar else None)
            report.add(f'{method}: spread of mean IoU won, {where}', won.std(ddof=1), '')
    if not quick:
        draw_figure(size, list(measures), values)


def calibrated_on(draw: int, name: str, size: Size) -> Accuracy:
    """Calibrate with every method on one draw of one set, and compare the results with FP32."""
    card = load_card('street')
    graph = read_graph(card, Recipe('int8'))
    frames = Street(size.frames, SETS[name], STREET_SEED + 1000 * draw)
    feeds = choose_frames(card, list(frames), size.frames)
    measured = measure_activations(graph.model, feeds)
    with tempfile.TemporaryDirectory() as folder:
        paths = {REFERENCE: card.model}
        for method in size.methods:
            paths[method] = Path(folder) / f'{method}.onnx'
            model = apply_precision(graph, Recipe('int8'), measured.calibration(method)).model
            onnx.save(model, paths[method])
        return compare_precisions(card, paths, scenes(size.scenes))


Values = Callable[[str, str, str, str], Numbers]


def add_rows(report: FigureReport, size: Size, measures: list[str], values: Values) -> None:
    for where in street.CONDITIONS:
        for what in measures:
            report.add(f'{REFERENCE}: {what}, {where}', values(what, REFERENCE, DAY, where)[0], '')
    for method in size.methods:
        for name in SETS:
            for where in street.CONDITIONS:
                for what in measures:
                    found = values(what, method, name, where)
                    report.add(f'{method}, {name}: {what}, {where}', found.mean(), '')
                    report.add(f'{method}, {name}: spread of {what}, {where}',
                               found.std(ddof=1), '')


def draw_figure(size: Size, measures: list[str], values: Values) -> None:
    from matplotlib.figure import Figure
    figure = Figure(figsize=(14, 4), layout='constrained')
    colors = dict(zip(size.methods, ('tab:red', 'tab:blue', 'tab:green', 'tab:orange')))
    positions = np.arange(len(street.CONDITIONS))
    for axes, what in zip(figure.subplots(1, len(measures)), measures):
        for row, (method, color) in enumerate(colors.items()):
            for name, style in zip(SETS, ('--', '-')):
                lost = np.stack([values(what, REFERENCE, name, where)
                                 - values(what, method, name, where)
                                 for where in street.CONDITIONS])
                shift = 0.12 * row + (0.05 if name == EVERY else 0)
                axes.errorbar(positions + shift, lost.mean(1), lost.std(1, ddof=1),
                              linestyle=style, marker='o', capsize=3, color=color,
                              label=f'{method}, {name}')
        axes.set(title=f'{what} lost to FP32', xticks=positions + 0.15,
                 xticklabels=street.CONDITIONS)
        axes.axhline(0, color='0.8', zorder=0)
    figure.legend(*axes.get_legend_handles_labels(), loc='outside right center',
                  fontsize='small', title_fontsize='small',
                  title=f'mean and spread of\n{size.draws} draws of {size.frames} frames')
    write_figure(FIGURE, figure, dpi=100)


if __name__ == '__main__':
    run('Calibration of the street model', measure)
