# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the speed of ``trt_seg replay`` on 1080p recordings, and the speed of its parts alone.

    python benchmarks/offline.py [--quick] [--json FILE] [--engine ENGINE] [--gpu N]
                                 [--networks NAME,NAME] [--seconds S]

The command reads a bag of raw images or of JPEG images, and writes label maps as PNG. In the row
"with overlays", it also writes overlays as JPEG. Each command runs in its own process. The rows
"alone" are limits: no program can be faster than the slowest of its parts. These parts are the
disk, the decoder, the pipeline with images that are in memory, and the encoders. Measured alone, a
decoder or an encoder uses all CPU cores. In the command, all parts share the cores.

On the CPU, the command must reach almost the rate of the pipeline alone. If all parts together
need more cores than the machine has, no program can reach this rate. Then no rate is required.

A network is ``street``, the path of a model card, or the name of a network that
gpu_bench/networks.py exports, such as ``lraspp-fp16``. A decoder is measured only if its package
is installed. The decoders are OpenCV, simplejpeg, PyTurboJPEG and, on a GPU, nvImageCodec.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import re
import shutil
from tempfile import TemporaryDirectory

import numpy as np
from offline_parts import (
    draw_pictures,
    encode_jpegs,
    list_decoders,
    list_encoders,
    measure_part,
    Pixels,
    read_bag,
    read_file,
    write_bags,
    write_file,
)
from report import FigureReport, run
from segment import add_share, call, call_timed, Run

from trt_segmentation.engines.nvidia_driver import ask_driver

GPU_BARS = {'raw': 600, 'JPEG': 600, 'JPEG with overlays': 300}
"""Smallest accepted number of frames per second on a GPU, for each kind of run."""
CPU_BAR = 0.95
"""Smallest accepted rate of the command on the CPU, as a fraction of the pipeline's rate alone."""
RUNS = {'raw': ('raw', '--no-overlay'), 'JPEG': ('jpeg', '--no-overlay'),
        'JPEG with overlays': ('jpeg', '--jpeg')}
"""For each kind of run: the bag, and an option of the command."""
ALONE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from offline_parts import measure_pipeline
print(*measure_pipeline(*sys.argv[1:]), sep='|')
"""
"""Program that prints the rate of the pipeline alone, and the names of its engine and device."""

OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument('--engine', default='auto', help='engine of the command and the pipeline')
OPTIONS.add_argument('--gpu', type=int, default=0, help='CUDA index of the GPU')
OPTIONS.add_argument('--networks', help='names of the networks, with commas between them; '
                     'default: street, and on a GPU also lraspp-fp16')
OPTIONS.add_argument('--seconds', type=float, help='approximate time of one run, in seconds')


def measure(report: FigureReport, quick: bool) -> None:
    args, _ = OPTIONS.parse_known_args()
    has_gpu = bool(ask_driver().gpus) and args.engine != 'onnxruntime-cpu'
    seconds = args.seconds or (1.0 if quick else 3.0 if has_gpu else 12.0)
    names = (args.networks or ('street,lraspp-fp16' if has_gpu else 'street')).split(',')
    count = max(40, round(seconds * (700 if has_gpu else 25)))
    with TemporaryDirectory(prefix='offline') as name:
        folder = Path(name)
        pictures = draw_pictures()
        write_bags(folder / 'one', pictures, 1)
        bags = write_bags(folder, pictures, count)
        measure_parts(report, bags, pictures, has_gpu, seconds / 3)
        for network in names:
            measure_network(report, folder, find_card(folder, network), args, bags, count,
                            seconds, 1 if quick or has_gpu else 3)


def measure_parts(report: FigureReport, bags: dict[str, Path], pictures: Sequence[Pixels],
                  has_gpu: bool, seconds: float) -> None:
    report.add('disk alone, write and wait for the disk', write_file(bags['raw'].parent), 'GB/s')
    for kind, bag in bags.items():
        report.add(f'disk alone, read the {kind} bag', read_file(bag), 'GB/s')
        report.add(f'read and decode alone, {kind} bag', read_bag(bag, kind), 'frames/s')
    jpegs = encode_jpegs(pictures)
    first = None
    for name, part, decode in list_decoders(has_gpu):
        report.add(f'decode JPEG alone, {name}, {part.threads} threads',
                   measure_part(part, jpegs, seconds), 'frames/s')
        pixels = decode(jpegs[0])
        first = pixels if first is None else first
        report.add(f'decode JPEG alone, {name}, values as OpenCV',
                   float(np.mean(pixels == first)), '')
    for name, part, results in list_encoders(pictures):
        report.add(f'encode alone, {name}, {part.threads} threads',
                   measure_part(part, results, seconds), 'frames/s')


def find_card(folder: Path, network: str) -> str:
    """Return ``street`` or the path of a card. Export the network if it is one of gpu_bench."""
    if network == 'street' or network.endswith('.yaml'):
        return network
    from gpu_bench import networks
    call(networks.__file__, str(folder), network)
    card = folder / f'{network}.yaml'
    card.write_text(
        f'name: {network}\nmodel: {network}.onnx\nclasses:\n'
        + ''.join(f'- class {i}\n' for i in range(networks.CLASSES)), encoding='utf-8')
    return str(card)


def measure_network(report: FigureReport, folder: Path, card: str, args: argparse.Namespace,
                    bags: dict[str, Path], count: int, seconds: float, turns: int) -> None:
    alone: list[float] = []
    runs: dict[str, list[Run]] = {kind: [] for kind in RUNS}
    options = ['--model', card, '--engine', args.engine, '--gpu', str(args.gpu)]
    for _ in range(turns):
        rate, engine, device = call('-c', ALONE, card, args.engine, str(args.gpu),
                                    str(seconds)).strip().splitlines()[-1].split('|')
        alone.append(float(rate))
        for kind, (bag, more) in RUNS.items():
            runs[kind].append(replay(bags[bag], folder / 'out', count, [*options, '--png', more]))
    title = f'{Path(card).stem}, {engine}, {device}'
    report.add(f'{title}: pipeline alone', float(np.median(alone)), 'frames/s')
    for kind, found in runs.items():
        reached = float(np.median([run.rate for run in found]))
        if 'cpu' in engine:
            report.add(f'{title}: {kind}', reached, 'frames/s')
            bag, more = RUNS[kind]
            # The CPU time of a run on one frame is the time of the start.
            start = replay(folder / 'one' / bag, folder / 'out', 1, [*options, '--png', more])
            used = float(np.median([run.cpu_seconds for run in found])) - start.cpu_seconds
            add_share(report, f'{title}: {kind}', alone, found, used / (count - 1), CPU_BAR)
        else:
            bar = GPU_BARS[kind]
            report.add(f'{title}: {kind}', reached, 'frames/s', f'>= {bar}', reached >= bar)


def replay(bag: Path, out: Path, count: int, options: Sequence[str]) -> Run:
    shutil.rmtree(out, ignore_errors=True)
    printed, cpu_seconds = call_timed('-m', 'trt_segmentation', 'replay', str(bag), '--out',
                                      str(out), *options)
    found = re.search(rf'{count} of {count} frames in .* \(([\d.]+) fps\)', printed)
    assert found, printed
    return Run(float(found[1]), cpu_seconds)


if __name__ == '__main__':
    run('trt_seg replay beside the limits of its parts, 1920x1080', measure, [OPTIONS])
