# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures ``trt_seg segment`` on a folder of pictures and on a video, and the pipeline alone.

    python benchmarks/segment.py [--quick] [--json FILE] [--engine ENGINE] [--model CARD] [--gpu N]
                                 [--turns 7] [--seconds 10]

The pipeline alone gets images that are in memory already, and nothing is written. The command also
reads JPEG files or an H.264 video. It writes overlays as JPEG or as an H.264 video, and the label
map of each picture as PNG. Command and pipeline alone run in turns, each in its own process. The
row "by pipeline alone" is the rate of the command divided by that of the pipeline alone: the
median of all turns. The images are 1280x720.

The codecs need CPU cores too. If network and codecs together need more cores than the machine has,
no program can reach the rate of the pipeline alone. Then this row has no limit. On the CPU, the
row "network busy" is the share of the time in which the network has work.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
import re
import resource
import subprocess
import sys
from tempfile import TemporaryDirectory
from typing import NamedTuple

import cv2
import numpy as np
from report import FigureReport, run

from trt_segmentation.host.pictures import read_picture
from trt_segmentation.street import Drive
from trt_segmentation.threads.ordered_map import CORES
from trt_segmentation.video.writer import VideoWriter

BAR = 0.9
"""The command must reach at least this share of the rate of the pipeline alone."""
SEED = 4_000_000
DRAWN = 32
"""Number of images that are drawn. The folder and the video repeat these images."""
ALONE = """
import sys
from itertools import cycle
from trt_segmentation.commands.bench.measure import measure_throughput
from trt_segmentation.frame import Wanted
from trt_segmentation.model.card import load_card
from trt_segmentation.pipeline import open_pipeline
from trt_segmentation.sources.image import as_frame
from trt_segmentation.host.pictures import read_picture
from pathlib import Path
folder, model, engine, gpu, seconds = sys.argv[1:]
frames = [as_frame(read_picture(path)) for path in sorted(Path(folder).iterdir())[:8]]
pipeline = open_pipeline(load_card(model), engine, gpu=int(gpu))
measure_throughput(pipeline, frames, Wanted(overlay=True), 1.0, lambda done: None)
rate = measure_throughput(pipeline, frames, Wanted(overlay=True), float(seconds),
                          lambda done: None)
print(rate, pipeline.identity.engine, pipeline.identity.device, sep='|')
"""
"""Program that prints the rate of the pipeline alone, and the names of its engine and device."""

COMMAND = """
import sys
from time import perf_counter
from trt_segmentation.commands.cli import main
from trt_segmentation.host.pipeline import HostPipeline
marks, busy = [], [0.0]
def watch(name):
    call = getattr(HostPipeline, name)
    def watched(self, *arguments):
        began = perf_counter()
        try:
            return call(self, *arguments)
        finally:
            marks.extend([began, perf_counter()])
            busy[0] += marks[-1] - began
    setattr(HostPipeline, name, watched)
watch('submit')
watch('collect')
code = main(sys.argv[1:])
if marks:
    print('busy', busy[0] / (max(marks) - min(marks)))
sys.exit(code)
"""
"""Program that runs a command, and prints for which share of the time the CPU pipeline worked."""

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--engine', default='auto', help='engine of command and pipeline')
OPTIONS.add_argument('--model', default='street', help='model card of command and pipeline')
OPTIONS.add_argument('--gpu', type=int, default=0, help='CUDA index of the GPU')
OPTIONS.add_argument('--turns', type=int, default=7, help='number of turns, without --quick')
OPTIONS.add_argument('--seconds', type=float, default=10.0,
                     help='seconds of one measurement of the pipeline alone, without --quick')


class Run(NamedTuple):
    """The result of one run of the command.

    :param rate: frames a second that the command reports.
    :param cpu_seconds: CPU seconds, summed over all cores.
    :param busy: share of the time in which the CPU pipeline worked; None if not measured.
    """

    rate: float
    cpu_seconds: float
    busy: float | None = None


def measure(report: FigureReport, quick: bool) -> None:
    args, _ = OPTIONS.parse_known_args()
    turns, seconds = (1, 4.0) if quick else (args.turns, args.seconds)
    with TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        first = measure_alone(folder / 'pictures', args, 2.0)
        count = max(60, round(first[0] * seconds))
        sources = {'image folder': fill_folder(folder, count), 'video': write_video(folder, count)}
        start = measure_command(folder / 'pictures' / '000000.jpg', folder / 'out', args)
        alone: list[float] = []
        runs: dict[str, list[Run]] = {kind: [] for kind in sources}
        for _ in range(turns):
            alone.append(measure_alone(folder / 'pictures', args, seconds)[0])
            for kind, source in sources.items():
                runs[kind].append(measure_command(source, folder / 'out', args))
    report.add(f'{first[1]}: pipeline alone', float(np.median(alone)), 'frames/s')
    for kind, found in runs.items():
        cost = (np.median([run.cpu_seconds for run in found]) - start.cpu_seconds) / count
        add_rows(report, f'{first[1]}: {kind}', alone, found, float(cost))


def add_rows(report: FigureReport, title: str, alone: Sequence[float], runs: Sequence[Run],
             cost: float) -> None:
    report.add(title, float(np.median([run.rate for run in runs])), 'frames/s')
    add_share(report, title, alone, runs, cost, BAR)
    if busy := [run.busy for run in runs if run.busy is not None]:
        value = float(np.median(busy))
        report.add(f'{title}, network busy', value, '', f'>= {BAR}', value >= BAR)


def add_share(report: FigureReport, title: str, alone: Sequence[float], runs: Sequence[Run],
              cost: float, bar: float) -> None:
    """Add the command's rate divided by the pipeline's rate alone, and the needed CPU cores.

    With the needed number of cores, the command could reach the rate of the pipeline alone. If the
    machine has fewer cores, no rate is required.

    :param alone: frames a second of the pipeline alone, for each turn.
    :param cost: seconds of one core that the command needs for a frame.
    """
    share = float(np.median([run.rate / rate for run, rate in zip(runs, alone)]))
    needed = cost * float(np.median(alone))
    report.add(f'{title} by pipeline alone', share, '',
               *((f'>= {bar}', share >= bar) if needed <= CORES else ()))
    report.add(f'{title}, cores needed at the rate of the pipeline alone', needed, 'cores')


def draw(folder: Path) -> None:
    """Write pictures of a drive as JPEG into the folder ``pictures``."""
    (folder / 'pictures').mkdir()
    drive = Drive(SEED)
    for index in range(DRAWN):
        cv2.imwrite(str(folder / 'pictures' / f'{index:06d}.jpg'), drive.frame(index).image)


def fill_folder(folder: Path, count: int) -> Path:
    """Make a folder of ``count`` pictures. Each picture is a link to a drawn picture."""
    filled = folder / 'filled'
    filled.mkdir()
    for index in range(count):
        (filled / f'{index:06d}.jpg').hardlink_to(folder / 'pictures' / f'{index % DRAWN:06d}.jpg')
    return filled


def write_video(folder: Path, count: int) -> Path:
    """Write a video of ``count`` frames at 30 Hz. It shows the drive forwards and backwards."""
    images = [read_picture(path) for path in sorted((folder / 'pictures').iterdir())]
    there_and_back = [*images, *images[-2:0:-1]]
    height, width, _ = images[0].shape
    with VideoWriter(folder / 'drive.mp4', (height, width), Fraction(30)) as writer:
        for index in range(count):
            writer.write(there_and_back[index % len(there_and_back)])
    return folder / 'drive.mp4'


def measure_alone(folder: Path, args: argparse.Namespace, seconds: float
                  ) -> tuple[float, str, str]:
    out = call('-c', ALONE, str(folder), args.model, args.engine, str(args.gpu), str(seconds))
    rate, engine, device = out.strip().splitlines()[-1].split('|')
    return float(rate), engine, device


def measure_command(source: Path, out: Path, args: argparse.Namespace) -> Run:
    printed, cpu_seconds = call_timed(
        '-c', COMMAND, 'segment', str(source), '--out', str(out), '--model', args.model,
        '--engine', args.engine, '--gpu', str(args.gpu))
    rate, busy = re.search(r'([\d.]+) frames/s', printed), re.search(r'busy ([\d.]+)', printed)
    assert rate, printed
    return Run(float(rate[1]), cpu_seconds, float(busy[1]) if busy else None)


def call_timed(*arguments: str) -> tuple[str, float]:
    """Run Python with arguments. Return what it printed, and its CPU seconds on all cores."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = call(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return printed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def call(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f'{" ".join(arguments[2:])} ended with code {done.returncode}: {done.stderr}')
    return done.stdout


if __name__ == '__main__':
    run('trt_seg segment beside the pipeline alone, 1280x720', measure, [OPTIONS])
