# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg bench``: a model on this machine, as figures, as a page, and against another run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from ...pipeline import open_pipeline, Pipeline
from ...stats import percentiles
from ...untrusted.output_files import check_file, check_folder, make_folder, write_json
from ...view.progress import Bars
from .cameras import serve_cameras, Served
from .compare import cautions, compare_table
from .measure import (
    camera_frames,
    Latency,
    measure_latency,
    measure_throughput,
    memory_mib,
)
from .page import write_page
from .report import Figure, FigureReport
from .schema import FORMAT, read_run, title

SAMPLES = 2000
"""Latencies kept for the page, evenly taken from all of them."""

DRIFT = 1.1
"""Slow-down within a run from which the report warns."""

BUSY = 0.5
"""Processes that want a core, as a fraction of the cores, from which the report warns."""


@dataclass(frozen=True)
class BenchOptions:
    """What to measure, and where to write it.

    :param networks: as :func:`.pipeline.open_pipeline`; so ``max_batch``.
    :param size: width and height of the camera's images.
    :param encoding: as sensor_msgs names them.
    :param cameras: numbers of cameras to serve, each on its own.
    :param seconds: of each measurement.
    :param fps: frames a second of each camera.
    :param out: folder for bench.json and bench.html.
    :param json: where the figures are written besides; None for nowhere.
    :param compare: figures of another run.
    """

    model: str = 'street'
    engine: str = 'auto'
    gpu: int = 0
    precision: str = 'auto'
    networks: int = 1
    max_batch: int = 1
    size: tuple[int, int] = (1920, 1080)
    encoding: str = 'bgr8'
    cameras: Sequence[int] = (1, 2, 4, 8)
    seconds: float = 10.0
    fps: float = 30.0
    overlay: bool = True
    out: Path = Path('bench-out')
    json: Path | None = None
    compare: Path | None = None


def run_bench(order: BenchOptions) -> int:
    """Measure with progress bars, write the figures and the page, print both's substance.

    :returns: the exit code, 0.
    :raises BenchError: before anything is measured, where the other run cannot be compared.
    :raises OutputError: likewise, if a file cannot be written or would replace one of the user's.
    :raises FrameError, ModelCardError, EngineError: as those it calls.
    """
    other = read_run(order.compare) if order.compare else None
    check_folder(order.out, '--out', ['bench.json', 'bench.html'])
    if order.json:
        check_file(order.json, '--json')
    for path in _written(order):
        if order.compare and path.resolve() == order.compare.resolve():
            raise BenchError(f'{order.compare} is compared with and would be replaced; give '
                             'another folder with --out, or another file with --json')
    run = _measure(order)
    make_folder(order.out, '--out')
    for path in _written(order):
        write_json(path, run)
    write_page(run, order.out / 'bench.html', other)
    _tell(run, order, other)
    return 0


def _written(order: BenchOptions) -> list[Path]:
    return [order.out / 'bench.json', *([order.json] if order.json else [])]


def _measure(order: BenchOptions) -> dict[str, Any]:
    """All that bench.json holds."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    card = load_card(order.model)
    camera_frames(1, *order.size, order.encoding, None)  # what is wrong with them, said first
    bars = Bars(Console(stderr=True), live=False)
    with bars.shown():
        began = perf_counter()
        pipeline = open_pipeline(card, order.engine, gpu=order.gpu, precision=order.precision,
                                 networks=order.networks, log=bars.say,
                                 max_batch=order.max_batch)
        try:
            opened = perf_counter() - began
            return _BenchRun(order, pipeline, bars).all(opened, load)
        finally:
            pipeline.close()


class _BenchRun:
    def __init__(self, order: BenchOptions, pipeline: Pipeline, bars: Bars) -> None:
        self._order = order
        self._pipeline = pipeline
        self._bars = bars
        self._wanted = Wanted(overlay=order.overlay)
        self._report = FigureReport(pipeline.card.name)
        self._memory: dict[str, dict[str, float]] = {}

    def all(self, opened: float, load: float) -> dict[str, Any]:
        order, pipeline = self._order, self._pipeline
        self._report.add('opening the model', opened, 's')
        self._remember('model open')
        count = max(*order.cameras, 2, pipeline.batch)
        frames = camera_frames(count, *order.size, order.encoding, pipeline.allocate)
        latency = measure_latency(pipeline, frames, self._wanted, order.seconds,
                                  self._bars.steps('latency, s', round(order.seconds)))
        self._add_latency(latency)
        rate = measure_throughput(pipeline, frames, self._wanted, order.seconds,
                                  self._bars.steps('throughput, s', round(order.seconds)))
        self._report.add('throughput', rate, 'frames/s')
        self._remember('throughput')
        step = self._bars.steps('numbers of cameras', len(order.cameras))
        served = [self._serve(frames, number, done, step)
                  for done, number in enumerate(order.cameras)]
        self._add_memory()
        return {
            'format': FORMAT, 'when': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            **self._report.tree(), 'setting': self._setting(),
            'cautions': _cautions(load, latency.drift),
            'latency_ms': _thinned(latency.total),
            'stages_ms': {stage: float(np.median(ms)) for stage, ms in latency.stages.items()},
            'cameras': [_camera_tree(found) for found in served], 'memory_mib': self._memory}

    def _serve(self, frames: list[Frame], number: int, done: int, step: Any) -> Served:
        step(done)
        found = serve_cameras(self._pipeline, frames[:number], self._wanted,
                              self._order.seconds, self._order.fps)
        name = f'{number} camera{"s" * (number > 1)}'
        for what, ms in percentiles(found.latency_ms).items():
            if what != 'p95':
                self._report.add(f'{name}: {what}', ms, 'ms')
        self._report.add(f'{name}: answered', found.answered / found.seconds, 'frames/s')
        self._report.add(f'{name}: dropped', 100 * found.dropped / found.offered, '%')
        self._remember(name)
        step(done + 1)
        return found

    def _add_latency(self, latency: Latency) -> None:
        for what, ms in percentiles(latency.total).items():
            self._report.add(f'latency {what}', ms, 'ms')
        for stage, values in latency.stages.items():
            self._report.add(f'{stage} p50', float(np.median(values)), 'ms')
        self._report.add('last third of the frames / first third', latency.drift, '×')
        self._remember('latency')

    def _add_memory(self) -> None:
        for what in next(iter(self._memory.values())):
            most = max(found[what] for found in self._memory.values())
            self._report.add(f'memory, {what}', most, 'MiB')

    def _remember(self, phase: str) -> None:
        self._memory[phase] = memory_mib(self._pipeline)

    def _setting(self) -> dict[str, Any]:
        order, identity = self._order, self._pipeline.identity
        return {'model': identity.model, 'engine': identity.engine,
                'engine_version': identity.version, 'precision': identity.precision,
                'networks': order.networks, 'device': identity.device, 'reason': identity.reason,
                'size': f'{order.size[0]}x{order.size[1]}', 'encoding': order.encoding,
                'overlay': order.overlay, 'fps': order.fps, 'seconds': order.seconds,
                'batch': self._pipeline.batch, 'in_flight': self._pipeline.depth}


def _camera_tree(found: Served) -> dict[str, float]:
    return {'cameras': found.cameras, 'offered': found.offered, 'answered': found.answered,
            'dropped': found.dropped, 'frames_per_s': found.answered / found.seconds,
            **{f'{what}_ms': ms for what, ms in percentiles(found.latency_ms).items()}}


def _thinned(values: Sequence[float]) -> list[float]:
    index = np.linspace(0, len(values) - 1, min(len(values), SAMPLES)).round().astype(int)
    return [round(values[i], 4) for i in index]


def _cautions(load: float, drift: float) -> list[str]:
    """What was measured that makes the other figures doubtful."""
    found = []
    if load > BUSY:
        found.append(f'The machine was busy when this began: {load:.1f} processes wanted each '
                     'core.')
    if drift > DRIFT:
        found.append(f'The last third of the frames took {drift:.2f} times as long as the '
                     'first: the machine got hot, or busy.')
    return found


def _tell(run: dict[str, Any], order: BenchOptions, other: dict[str, Any] | None) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120)
    rows = FigureReport(title(run), [Figure(**row) for row in run['rows']])
    console.print(compare_table(run, other) if other else rows.table())
    doubts = [*run['cautions'], *(cautions(run, other) if other else [])]
    for line in [*doubts, f'{order.out}: bench.json, and bench.html to open in a browser']:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
