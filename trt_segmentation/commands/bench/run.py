# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run ``trt_seg bench``: measure a model, write the numbers and a page, compare two runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timezone
import os
from pathlib import Path
import sys
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console

from ...errors import BenchError
from ...frame import Frame, Wanted
from ...model.card import load_card
from ...pipeline import EngineSettings, open_pipeline, Pipeline
from ...stats import percentiles
from ...untrusted.output_files import check_file, check_folder, make_folder, write_json
from ...view.progress import ProgressBars
from .cameras import CameraCounts, serve_cameras
from .compare import cautions, compare_table
from .measure import camera_frames, Latency, measure_latency, measure_throughput, memory_mib
from .options import BenchOptions
from .page import write_page
from .report import Figure, FigureReport
from .schema import ENOUGH, FORMAT, read_run, title

SAMPLES = 2000
"""Largest number of latencies in bench.json."""

DRIFT = 1.1
"""The report warns if the latency grows by more than this factor during the measurement."""

BUSY = 0.5
"""The report warns if the load average divided by the number of cores is above this value."""


def run_bench(options: BenchOptions) -> int:
    """Measure with progress bars, write the numbers and the page, and print a table.

    :returns: the exit code, 0.
    :raises BenchError: if the file ``compare`` is not a valid bench.json, or would be replaced.
    :raises OutputError: if an output file cannot be written, or would replace a file of the user.
    :raises FrameError: if images cannot have the given size and encoding.
    :raises ModelCardError, EngineError: if the model cannot be opened, or the engine fails.
    """
    other = read_run(options.compare) if options.compare else None
    check_folder(options.out, '--out', ['bench.json', 'bench.html'])
    if options.json:
        check_file(options.json, '--json')
    for path in _json_files(options):
        if options.compare and path.resolve() == options.compare.resolve():
            raise BenchError(f'the new result would replace {options.compare}, which --compare '
                             'reads; give another folder with --out, or another file with --json')
    run = _measure(options)
    make_folder(options.out, '--out')
    for path in _json_files(options):
        write_json(path, run)
    write_page(run, options.out / 'bench.html', other)
    _print_run(run, options, other)
    return 0


def _json_files(options: BenchOptions) -> list[Path]:
    return [options.out / 'bench.json', *([options.json] if options.json else [])]


def _measure(options: BenchOptions) -> dict[str, Any]:
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    card = load_card(options.model)
    # This call refuses a wrong size or encoding before the model is opened.
    camera_frames(1, *options.size, options.encoding, None)
    with ProgressBars(live=False) as bars:
        began = perf_counter()
        with closing(open_pipeline(
                card, options.engine, gpu=options.gpu, precision=options.precision,
                networks=options.networks, log=bars.print_line, max_batch=options.max_batch,
                settings=EngineSettings(tune=options.tune))) as pipeline:
            opened = perf_counter() - began
            return _BenchRun(options, pipeline, bars).measure_all(opened, load)


class _BenchRun:
    def __init__(self, options: BenchOptions, pipeline: Pipeline, bars: ProgressBars) -> None:
        self._options = options
        self._pipeline = pipeline
        self._bars = bars
        self._wanted = Wanted(overlay=options.overlay)
        self._report = FigureReport(pipeline.card.name)
        self._memory: dict[str, dict[str, float]] = {}

    def measure_all(self, opened: float, load: float) -> dict[str, Any]:
        options, pipeline = self._options, self._pipeline
        seconds = options.measured_seconds
        self._report.add('opening the model', opened, 's')
        self._note_memory('model open')
        count = max(*options.camera_counts, 2, pipeline.batch)
        frames = camera_frames(count, *options.size, options.encoding, pipeline.allocate)
        latency = measure_latency(pipeline, frames, self._wanted, seconds,
                                  self._bars.add_bar('measuring latency, s', round(seconds)))
        self._add_latency(latency)
        rate = measure_throughput(pipeline, frames, self._wanted, seconds,
                                  self._bars.add_bar('measuring throughput, s', round(seconds)))
        self._report.add('throughput', rate, 'frames/s')
        self._note_memory('throughput')
        step = self._bars.add_bar('measuring cameras', len(options.camera_counts))
        served = [self._serve(frames, number, done, step)
                  for done, number in enumerate(options.camera_counts)]
        self._add_memory()
        return {
            'format': FORMAT, 'when': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            **self._report.tree(), 'setting': self._setting(),
            'cautions': _cautions(load, latency.drift, {
                'latency': len(latency.total),
                **{f'{found.cameras} camera{"s" * (found.cameras > 1)}': found.segmented
                   for found in served}}),
            'latency_ms': _thin_out(latency.total),
            'stages_ms': {stage: float(np.median(ms)) for stage, ms in latency.stages.items()},
            'cameras': [_camera_tree(found) for found in served], 'memory_mib': self._memory}

    def _serve(self, frames: list[Frame], number: int, done: int, step: Callable[[float], None]
               ) -> CameraCounts:
        step(done)
        found = serve_cameras(self._pipeline, frames[:number], self._wanted,
                              self._options.measured_seconds, self._options.fps)
        name = f'{number} camera{"s" * (number > 1)}'
        for what, ms in percentiles(found.latency_ms).items():
            if what != 'p95':
                self._report.add(f'{name}: {what}', ms, 'ms')
        self._report.add(f'{name}: answered', found.segmented / found.seconds, 'frames/s')
        self._report.add(f'{name}: dropped', 100 * found.dropped / found.offered, '%')
        self._note_memory(name)
        step(done + 1)
        return found

    def _add_latency(self, latency: Latency) -> None:
        for what, ms in percentiles(latency.total).items():
            self._report.add(f'latency {what}', ms, 'ms')
        for stage, values in latency.stages.items():
            self._report.add(f'{stage} p50', float(np.median(values)), 'ms')
        self._report.add('last third of the frames / first third', latency.drift, '×')
        self._note_memory('latency')

    def _add_memory(self) -> None:
        for what in next(iter(self._memory.values())):
            most = max(found[what] for found in self._memory.values())
            self._report.add(f'memory, {what}', most, 'MiB')

    def _note_memory(self, phase: str) -> None:
        self._memory[phase] = memory_mib(self._pipeline)

    def _setting(self) -> dict[str, Any]:
        options, identity = self._options, self._pipeline.identity
        return {'model': identity.model, 'engine': identity.engine,
                'engine_version': identity.version, 'precision': identity.precision,
                'networks': options.networks, 'device': identity.device, 'reason': identity.reason,
                **({'tuning': identity.tuning} if identity.tuning else {}),
                'size': f'{options.size[0]}x{options.size[1]}', 'encoding': options.encoding,
                'overlay': options.overlay, 'fps': options.fps,
                'seconds': options.measured_seconds, 'batch': self._pipeline.batch,
                'in_flight': self._pipeline.depth}


def _camera_tree(found: CameraCounts) -> dict[str, float]:
    return {'cameras': found.cameras, 'offered': found.offered, 'answered': found.segmented,
            'dropped': found.dropped, 'frames_per_s': found.segmented / found.seconds,
            **{f'{what}_ms': ms for what, ms in percentiles(found.latency_ms).items()}}


def _thin_out(values: Sequence[float]) -> list[float]:
    index = np.linspace(0, len(values) - 1, min(len(values), SAMPLES)).round().astype(int)
    return [round(values[i], 4) for i in index]


def _cautions(load: float, drift: float, frames: dict[str, int]) -> list[str]:
    # ``frames`` has the number of frames of each measurement that reports a p99.
    found = []
    if few := [f'{name} ({count})' for name, count in frames.items() if count < ENOUGH]:
        found.append(f'Too few frames for p99: {", ".join(few)}. At least {ENOUGH} frames are '
                     'needed. Give more --seconds.')
    if load > BUSY:
        found.append(f'The machine was busy at the start: {load:.1f} processes per core.')
    if drift > DRIFT:
        found.append(f'The last third of the frames took {drift:.2f} times as long as the first '
                     'third. The machine may be hot or busy.')
    return found


def _print_run(run: dict[str, Any], options: BenchOptions, other: dict[str, Any] | None) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows = FigureReport(title(run), [Figure(**row) for row in run['rows']])
    console.print(compare_table(run, other) if other else rows.table())
    doubts = [*run['cautions'], *(cautions(run, other) if other else [])]
    print(*doubts, f'{options.out} contains bench.json and bench.html', sep='\n')
