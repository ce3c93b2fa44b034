# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures whether the drift shows a change of the scenes, and how much time the tally costs.

The tally of a frame is the counts from which the health figures are computed. The reference comes
from scenes by day only. Then frames of other scenes by day, at night, in rain and in snow are
compared with the reference. A window is a group of consecutive frames. The AUC (area under the ROC
curve) is the probability that a window of another condition has a larger drift than a window by
day. With ``--data``, the photographs of CamVid at dusk are compared with its photographs by day
too.

If there is an NVIDIA GPU, the last rows measure how much longer a frame takes with the tally.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
import sys
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
from report import FigureReport, run

from trt_segmentation.accuracy.samples import (
    closing_segmentation,
    draw_street_samples,
    FIRST_SEED,
    make_frame,
    SCENE_SIZE,
)
from trt_segmentation.accuracy.temperature import fit_temperature
from trt_segmentation.errors import EngineError
from trt_segmentation.frame import Segmentation, Wanted
from trt_segmentation.host.pictures import read_picture
from trt_segmentation.host.pipeline import HostPipeline
from trt_segmentation.model.card import load_card, ModelCard
from trt_segmentation.pipeline import open_pipeline, Pipeline
from trt_segmentation.street import scene
from trt_segmentation.trust.drift import Drift
from trt_segmentation.trust.reference import make_reference, Reference
from trt_segmentation.trust.tally import FrameFigures, read_tally

Image = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]

REFERENCE_SEED = FIRST_SEED + 100_000
"""Seed of the first scene of the reference. The other scenes have smaller seeds."""
WARN = 1.2
"""The default of the parameter ``drift_warn``."""
CONDITIONS = {'night': True, 'rain': False, 'snow': False}
"""The conditions that are compared with the day. True if the rows of a condition have goals."""
DAY, DUSK = 'Seq05VD', '0001TP'
"""First parts of the names of CamVid's images by day and at dusk."""
CAMVID_WINDOW = 20
"""Number of frames of a window. A reference needs at least three times this number of frames, and
the reference of CamVid has 85 frames."""
EXTRA_MS = 0.02
BLOCK, SET_UP = 20, 5
"""Number of frames in a block, and number of frames at its start that are not measured. Either all
frames of a block have the tally, or none has. During the frames that are not measured, the slots
of the GPU pipeline change between the kernels with and without the tally."""

parser = argparse.ArgumentParser(add_help=False)
parser.add_argument('--data', type=Path, metavar='DIR',
                    help='folder of CamVid, with the folders train, val and test')
parser.add_argument('--only-gpu', action='store_true', help='measure only the rows of the GPU')


def measure(report: FigureReport, quick: bool) -> None:
    card, options = load_card('street'), parser.parse_known_args()[0]
    if not options.only_gpu:
        with closing(HostPipeline(card)) as pipeline:
            measure_street(report, pipeline, quick)
            measure_camvid(report, pipeline, options.data)
            measure_host(report, pipeline, 20 if quick else 60)
        measure_calibration(report, card, 4 if quick else 40)
    measure_gpu(report, card, quick)


def measure_street(report: FigureReport, pipeline: Pipeline, quick: bool) -> None:
    many, few, window = (90, 40, 20) if quick else (300, 150, 60)
    reference = make_reference(pipeline.card, [
        figures_of(pipeline, scene(seed, 'day', *SCENE_SIZE).image)
        for seed in range(REFERENCE_SEED, REFERENCE_SEED + many)])
    figures = {condition: [figures_of(pipeline, scene(seed, condition, *SCENE_SIZE).image)
                           for seed in range(FIRST_SEED, FIRST_SEED + few)]
               for condition in ('day', *CONDITIONS)}
    day = figures.pop('day')
    for condition, others in figures.items():
        compare(report, f'street, {condition} against day', reference, day, others, 1, False)
        compare(report, f'street, {condition} against day', reference, day, others, window,
                CONDITIONS[condition] and not quick)


def measure_camvid(report: FigureReport, pipeline: Pipeline, folder: Path | None) -> None:
    if folder is None:
        sys.stderr.write('CamVid is not measured. To measure it, give its folder as --data DIR\n')
        return
    day, dusk = ([figures_of(pipeline, read_picture(path)) for path in paths]
                 for paths in (camvid_paths(folder, DAY), camvid_paths(folder, DUSK)))
    half = len(day) // 2
    reference = make_reference(pipeline.card, day[:half])
    compare(report, 'CamVid, dusk against day', reference, day[half:], dusk, 1, False)
    compare(report, 'CamVid, dusk against day', reference, day[half:], dusk, CAMVID_WINDOW, True)


def camvid_paths(folder: Path, sequence: str) -> list[Path]:
    """Return the paths of the images of a sequence from all folders of CamVid, sorted by time."""
    found = sorted((path for part in ('train', 'val', 'test')
                    for path in (folder / part).glob(f'{sequence}*.png')), key=lambda p: p.name)
    if not found:
        sys.exit(f'{folder} has no images {sequence}*.png in train, val and test. Give the '
                 'folder of CamVid')
    return found


def compare(report: FigureReport, name: str, reference: Reference, day: Iterable[FrameFigures],
            others: Iterable[FrameFigures], window: int, has_bar: bool) -> None:
    """Add the AUC, and the fractions of the windows whose drift is above :data:`WARN`."""
    usual, unusual = drifts(reference, day, window), drifts(reference, others, window)
    area = float((unusual[:, None] > usual).mean() + (unusual[:, None] == usual).mean() / 2)
    name = f'{name}, {window} frame{"s" * (window > 1)}'
    bars: list[tuple[str, float, Any, Any]] = [
        ('AUC', area, '≥ 0.99', area >= 0.99),
        ('warned by day', float((usual > WARN).mean()), '≤ 0.02', (usual > WARN).mean() <= 0.02),
        ('warned otherwise', float((unusual > WARN).mean()), '≥ 0.95',
         (unusual > WARN).mean() >= 0.95)]
    for what, value, *bar in bars:
        report.add(f'{name}: {what}', value, '', *(bar if has_bar else ()))


def drifts(reference: Reference, frames: Iterable[FrameFigures], window: int) -> Numbers:
    drift = Drift(reference, window)
    return np.array([found for figures in frames if (found := drift.add(figures)) is not None])


def figures_of(pipeline: Pipeline, image: Image) -> FrameFigures:
    with closing_segmentation(pipeline, image, Wanted(tally=True)) as segmentation:
        assert segmentation.tally is not None
        return read_tally(segmentation.tally)


def measure_calibration(report: FigureReport, card: ModelCard, count: int) -> None:
    samples = (sample for condition in ('day', *CONDITIONS)
               for sample in draw_street_samples(card, count, condition))
    found = fit_temperature(card, samples)
    report.add('calibration error of the street model', found.before, '')
    report.add(f'calibration error with the temperature {found.temperature:.3f}', found.after, '',
               '< before', found.after < found.before)


def measure_host(report: FigureReport, pipeline: Pipeline, count: int) -> None:
    frame = make_frame(scene(FIRST_SEED, 'day', *SCENE_SIZE).image)
    without, with_tally = (float(np.median(times)) for times in alternate(
        pipeline, frame, count, lambda segmentation, _: segmentation.timings['postprocess']))
    report.add('postprocess on the CPU, 1280×720', without, 'ms')
    report.add('postprocess on the CPU with the tally: more', with_tally - without, 'ms')


def measure_gpu(report: FigureReport, card: ModelCard, quick: bool) -> None:
    """If there is a GPU, measure how much longer a 1080p frame takes with the tally."""
    try:
        pipeline = open_pipeline(card, 'tensorrt')
    except EngineError as first:
        try:
            pipeline = open_pipeline(card, 'onnxruntime-cuda')
        except EngineError as second:
            sys.stderr.write(f'no GPU is measured: {first}; {second}\n')
            return
    frame = make_frame(np.ascontiguousarray(scene(FIRST_SEED, 'day', 1920, 1080).image))
    with closing(pipeline):
        name = f'{pipeline.identity.engine}, 1080p'
        for what, read in (('wall clock', lambda _, seconds: seconds * 1e3),
                           ('postprocess', lambda s, _: s.timings['postprocess'])):
            without, with_tally = (float(np.median(times)) for times in alternate(
                pipeline, frame, 300 if quick else 3000, read))
            report.add(f'{name}: {what} p50', without, 'ms')
            more = with_tally - without
            report.add(f'{name}: {what} p50 with the tally: more', more, 'ms',
                       f'≤ {EXTRA_MS}', more <= EXTRA_MS)
        # The node reads the tally after it has published the label map.
        _, readings = alternate(pipeline, frame, 300 if quick else 3000,
                                lambda segmentation, _: time_reading(segmentation))
        report.add(f'{name}: reading the tally p50', float(np.median(readings)), 'ms')


def time_reading(segmentation: Segmentation) -> float:
    began = perf_counter()
    if segmentation.tally is not None:
        read_tally(segmentation.tally)
    return (perf_counter() - began) * 1e3


def alternate(pipeline: Pipeline, frame: Any, count: int, read: Any) -> Iterator[list[float]]:
    """Segment a frame many times, in alternating blocks without and with the tally.

    So a change of the clock rate affects both times equally.

    :param read: function that returns a time. Its arguments are a segmentation, and the seconds
        from before submit() until after collect().
    :returns: a list of the times without the tally, and a list of the times with the tally.
    """
    found: list[list[float]] = [[], []]
    for index in range(2 * BLOCK + 2 * count):
        tally = bool(index // BLOCK % 2)
        began = perf_counter()
        pipeline.submit([frame], Wanted(tally=tally))
        (segmentation,) = pipeline.collect()
        seconds = perf_counter() - began
        if index >= 2 * BLOCK and index % BLOCK >= SET_UP:
            found[tally].append(read(segmentation, seconds))
        segmentation.release()
    return iter(found)


if __name__ == '__main__':
    run('drift from a reference by day, and the cost of the tally', measure, [parser])
