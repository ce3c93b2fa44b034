# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures ``trt_seg label`` with 1, 2 and 4 workers on this machine.

    python benchmarks/fleet.py [--quick] [--json FILE] [--model CARD] [--engine ENGINE]
                               [--workers 1 2 4] [--bag raw|jpeg]

The recordings are bags of drawn streets with 1920x1080 pixels. Each bag is one shard. The label
maps are PNG files. The measurement starts when all workers have opened their models. All workers
share GPU 0.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
import time

from offline_parts import DRAWN, FIRST_NS, HEIGHT, WIDTH, write_bag
from report import FigureReport, run

from trt_segmentation.fleet.jobs.label import LabelJob
from trt_segmentation.fleet.local_workers import LocalWorkers
from trt_segmentation.fleet.recordings import find_recordings
from trt_segmentation.fleet.run import FleetRun
from trt_segmentation.fleet.run_folder import open_store
from trt_segmentation.fleet.schedule import FleetStatus
from trt_segmentation.fleet.shards import run_key
from trt_segmentation.model.card import load_card
from trt_segmentation.serving.stopping import StopSignals
from trt_segmentation.street import Drive

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--model', default='street')
OPTIONS.add_argument('--engine', default='auto')
OPTIONS.add_argument('--workers', type=int, nargs='+', default=[1, 2, 4])
OPTIONS.add_argument('--bag', choices=('raw', 'jpeg'), default='jpeg')
OPTIONS.add_argument('--frames', type=int, default=200, help='number of frames of each bag')
OPTIONS.add_argument('--bags', type=int, default=16)


def write_bags(folder: Path, bags: int, frames: int, kind: str) -> None:
    """Write bags with the same images at 10 Hz, but with different stamps."""
    drive = Drive(7, width=WIDTH, height=HEIGHT)
    images = [drive.frame(index).image for index in range(DRAWN)]
    for bag in range(bags):
        write_bag(folder / f'drive{bag:03d}', kind, images, [
            FIRST_NS + bag * 10**12 + number * 10**8 for number in range(frames)])


def measure_rate(source: Path, out: Path, options: argparse.Namespace, count: int) -> float:
    """Return the frames per second of a run with ``count`` workers.

    :raises SystemExit: if a recording was not labelled.
    """
    card = load_card(options.model)
    job = LabelJob(str(out), run_key(card, options.engine, 'auto', 'png'), options.model,
              options.engine, label_format='png')
    ready: list[tuple[float, int]] = []

    def note_start(status: FleetStatus) -> None:
        if status.workers == count and not ready:
            ready.append((time.monotonic(), status.frames))

    with closing(open_store(str(out))) as store:
        result = FleetRun(job, store, find_recordings([str(source)]),
                          LocalWorkers(job, count, 1 / count), report=note_start
                          ).run(StopSignals(), card.classes)
    if result.quarantined or not ready:
        raise SystemExit(f'{count} workers: {result.quarantined or "the run was too short"}')
    began, before = ready[0]
    return (result.frames.good - before) / (time.monotonic() - began)


def measure(report: FigureReport, is_quick: bool) -> None:
    given, _ = OPTIONS.parse_known_args()
    bags, frames = (4, 40) if is_quick else (given.bags, given.frames)
    with TemporaryDirectory() as folder:
        source = Path(folder) / 'in'
        source.mkdir()
        write_bags(source, bags, frames, given.bag)
        first = 0.0
        for count in given.workers:
            rate = measure_rate(source, Path(folder) / f'out{count}', given, count)
            first = first or rate / count
            title = f'{given.bag} bags, {count} workers'
            report.add(title, rate, 'frames/s')
            report.add(f'{title}: speed by one worker', rate / first, 'times')


if __name__ == '__main__':
    run('trt_seg label', measure, [OPTIONS])
