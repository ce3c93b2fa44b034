# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Speed of ``trt_seg segment`` on a folder of pictures and on a video, beside the pipeline alone.

    python benchmarks/segment.py [--quick] [--json FILE] [--engine ENGINE] [--model CARD] [--gpu N]

The pipeline alone gets images that lie in memory, and nobody uses its answers. The command also
reads JPEG files or an H.264 video, writes overlays as JPEG or as an H.264 video, and writes a PNG
of each label map of a picture. Both run in turns, each in a process of its own. A share is the
median of the turns. The images are 1280x720.

The codecs and the network share the cores. A row says how many cores are busy with the command.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path
import re
import resource
import subprocess
import sys
from tempfile import TemporaryDirectory
from time import perf_counter

import cv2
import numpy as np
from report import FigureReport, run

from trt_segmentation.street import Drive
from trt_segmentation.video.writer import VideoWriter

BAR = 0.9
"""Least share of the pipeline's own rate that the command reaches."""
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

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--engine', default='auto', help='engine of both')
OPTIONS.add_argument('--model', default='street', help='model card of both')
OPTIONS.add_argument('--gpu', type=int, default=0, help='CUDA index of the GPU')


def measure(report: FigureReport, quick: bool) -> None:
    """Measure the pipeline alone, the folder and the video in turns."""
    args, _ = OPTIONS.parse_known_args()
    turns, seconds = (1, 4.0) if quick else (5, 10.0)
    with TemporaryDirectory() as name:
        folder = Path(name)
        draw(folder)
        alone, engine, _ = measure_alone(folder / 'pictures', args, 2.0)
        count = max(60, round(alone * seconds))
        sources = {'image folder': fill_folder(folder, count),
                   'video': write_video(folder, count)}
        rates: dict[str, list[float]] = {'pipeline alone': [], **{kind: [] for kind in sources}}
        busy: dict[str, list[float]] = {kind: [] for kind in sources}
        for _ in range(turns):
            rates['pipeline alone'].append(measure_alone(folder / 'pictures', args, seconds)[0])
            for kind, source in sources.items():
                rate, cores = measure_command(source, folder / 'out', args)
                rates[kind].append(rate)
                busy[kind].append(cores)
    add_rows(report, engine, rates, busy)


def add_rows(report: FigureReport, engine: str, rates: dict[str, list[float]],
             busy: dict[str, list[float]]) -> None:
    """Add the median rates, and the shares of the command in the rate of the pipeline alone."""
    for kind, found in rates.items():
        report.add(f'{engine}: {kind}', float(np.median(found)), 'frames/s')
    for kind, cores in busy.items():
        share = float(np.median(np.divide(rates[kind], rates['pipeline alone'])))
        report.add(f'{engine}: {kind} by pipeline alone', share, '', f'>= {BAR}', share >= BAR)
        report.add(f'{engine}: {kind}, busy cores', float(np.median(cores)), 'cores')


def draw(folder: Path) -> None:
    """Write pictures of a drive as JPEG into the folder ``pictures``."""
    (folder / 'pictures').mkdir()
    drive = Drive(SEED)
    for index in range(DRAWN):
        cv2.imwrite(str(folder / 'pictures' / f'{index:06d}.jpg'), drive.frame(index).image)


def fill_folder(folder: Path, count: int) -> Path:
    """Make a folder of ``count`` pictures. Each picture is a link to one that was drawn."""
    filled = folder / 'filled'
    filled.mkdir()
    for index in range(count):
        (filled / f'{index:06d}.jpg').hardlink_to(
            folder / 'pictures' / f'{index % DRAWN:06d}.jpg')
    return filled


def write_video(folder: Path, count: int) -> Path:
    """Write a video of ``count`` frames, 30 a second. The drive goes forth and back."""
    images = [cv2.imread(str(path)) for path in sorted((folder / 'pictures').iterdir())]
    there_and_back = [*images, *images[-2:0:-1]]
    with VideoWriter(folder / 'drive.mp4', images[0].shape[:2], Fraction(30)) as writer:
        for index in range(count):
            writer.write(np.asarray(there_and_back[index % len(there_and_back)], np.uint8))
    return folder / 'drive.mp4'


def measure_alone(folder: Path, args: argparse.Namespace, seconds: float
                  ) -> tuple[float, str, str]:
    """Return the frames a second of the pipeline alone, and its engine and device."""
    out = call('-c', ALONE, str(folder), args.model, args.engine, str(args.gpu), str(seconds))
    rate, engine, device = out.strip().splitlines()[-1].split('|')
    return float(rate), engine, device


def measure_command(source: Path, out: Path, args: argparse.Namespace) -> tuple[float, float]:
    """Return the frames a second that the command reports, and the cores that it keeps busy."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    printed = call('-m', 'trt_segmentation', 'segment', str(source), '--out', str(out), '--model',
                   args.model, '--engine', args.engine, '--gpu', str(args.gpu))
    seconds, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(r'([\d.]+) frames/s', printed)
    assert found, printed
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(found[1]), used / seconds


def call(*arguments: str) -> str:
    """Run Python with arguments, and return what it printed."""
    done = subprocess.run([sys.executable, *arguments], stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode:
        sys.exit(f'{" ".join(arguments[:3])} ended with code {done.returncode}')
    return done.stdout


if __name__ == '__main__':
    run('trt_seg segment beside the pipeline alone, 1280x720', measure, [OPTIONS])
