# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Run the node for half an hour at the highest rate of this machine, and look for leaks.

Camera processes publish images, and the node runs in its own process. This process subscribes to
the label maps, counts them and compares some of them. It watches the memory, threads and file
handles of the node.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
import json
from pathlib import Path
import re
import signal
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any

import rclpy
from report import FigureReport
from rich.console import Console
from ros_end_to_end import node_command
from soak_run.cameras import camera_processes, publish
from soak_run.pictures import Pictures, render
from soak_run.receiver import Receiver
from soak_run.rig import END_SECONDS, highest_rate, Rig
from soak_run.rows import add_rows, Soaked
from soak_run.trend import windows
from soak_run.watch import gpu_to_watch, Watch

from trt_segmentation.commands.demo.node_process import keep_to_this_machine, running
from trt_segmentation.engines import ENGINES
from trt_segmentation.untrusted.output_files import check_file, write_json

WARM_UP = 120.0
WINDOW = 60.0
POINTS = 400
"""Largest number of points of a series in the JSON file."""


def soak(rig: Rig, pictures: Pictures, args: argparse.Namespace, say: Console
         ) -> tuple[Soaked, dict[str, Any]]:
    """Find the rate, run the soak test and end the node. Return the data and the settings."""
    rig.connect()
    names = len(pictures.files)
    hz = args.rate or highest_rate(rig, names, say)
    say.print(f'{names} cameras at {hz:g} Hz for {args.seconds:g} s')
    before = rig.pause()
    begin = time.time_ns()
    watch = Watch(rig.node.pid, args.period, gpu_to_watch(args.gpu))
    try:
        rig.cameras.set_rate(hz)
        rig.spin(args.seconds)
    finally:
        samples = watch.stop()
    total = rig.pause()
    rig.node.send_signal(signal.SIGINT)
    exit_code = rig.node.wait(END_SECONDS)
    identity, arrived = rig.receiver.identity, rig.receiver.records()
    during = arrived[arrived[:, 2] >= begin]
    warm = min(WARM_UP, 0.4 * args.seconds)
    setting = {'cameras': names, 'width': args.size[0], 'height': args.size[1], 'hz': hz,
               'seconds': args.seconds, 'warm_seconds': warm, **identity}
    return Soaked(
        hz, args.seconds, warm, names, identity['engine'], total.since(before), total,
        rig.cameras.published(), arrived, begin, samples,
        windows(during[:, 2], during[:, 3], begin, args.seconds, WINDOW),
        7 * args.size[0] * args.size[1] / 2**20, rig.receiver.agreement, pictures.confusable(),
        rig.receiver.foreign, exit_code), setting


def series(items: Sequence[Any]) -> dict[str, list[Any]]:
    """Return a list for each field of the dataclasses, with at most POINTS items."""
    step = -(-len(items) // POINTS) or 1
    rows = [asdict(item) for item in items[::step]]
    return {key: [round(row[key], 3) if isinstance(row[key], float) else row[key]
                  for row in rows] for key in (rows[0] if rows else ())}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Run all processes, print the table, and return the content of the JSON file."""
    names = [f'camera{index}' for index in range(args.cameras)]
    parameters: dict[str, object] = {
        'cameras': f'[{", ".join(names)}]', 'engine': args.engine, 'gpu': args.gpu,
        'model': args.model, 'stale_after': 60.0}
    say = Console(stderr=True)
    rclpy.init(args=[])
    node = rclpy.create_node('soak')
    with TemporaryDirectory() as folder:
        pictures = render(Path(folder), args.cameras, args.size, args.model)
        receiver = Receiver(node, names, pictures.label_maps)
        with running(node_command('node', parameters)) as process, camera_processes(
                Path(__file__), Path(folder), names, pictures.files) as cameras:
            found, setting = soak(Rig(process, cameras, receiver), pictures, args, say)
    receiver.close()
    node.destroy_node()
    rclpy.shutdown()
    report = FigureReport(f'{setting["seconds"]:g} s of {args.cameras} × {args.size[0]}×'
                    f'{args.size[1]} at {setting["hz"]:g} Hz on {setting["engine"]}')
    add_rows(report, found)
    Console(width=None if sys.stdout.isatty() else 120).print(report.table())
    return {**report.tree(), 'setting': setting, 'series': {
        'samples': series(found.samples), 'windows': series(found.windows)}}


def size(text: str) -> tuple[int, int]:
    if not (found := re.fullmatch(r'(\d+)x(\d+)', text)):
        raise argparse.ArgumentTypeError(f'{text!r} is not a size such as 1280x720')
    return int(found[1]), int(found[2])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true',
                        help='run 12 s at 5 Hz, without a search for the highest rate')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='write figures and series to this file')
    parser.add_argument('--figure', type=Path, metavar='FILE',
                        help='draw the series into this file, such as soak.png')
    parser.add_argument('--redraw', type=Path, metavar='JSON',
                        help='measure nothing; draw the series of this JSON file')
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--cameras', type=int, default=2)
    parser.add_argument('--rate', type=float, metavar='HZ',
                        help='images per second of each camera (default: highest without loss)')
    parser.add_argument('--size', type=size, default=(1280, 720), metavar='WIDTHxHEIGHT')
    parser.add_argument('--engine', choices=ENGINES, default='auto')
    parser.add_argument('--gpu', type=int, default=0, help='CUDA index of the GPU')
    parser.add_argument('--model', default='street', help='model card')
    args = parser.parse_args()
    for name in ('minutes', 'cameras', 'rate'):
        if (value := getattr(args, name)) is not None and value <= 0:
            parser.error(f'--{name} is {value:g}; give a number above 0')
    if args.redraw and not args.figure:
        parser.error('--redraw needs a file for the picture; give it with --figure')
    args.seconds, args.period = args.minutes * 60, 5.0
    if args.quick:
        args.seconds, args.period, args.rate = 12.0, 0.5, args.rate or 5.0
    return args


def main() -> None:
    """Measure, or read an earlier result, and write the files that the options name."""
    args = arguments()
    for option, path in (('--json', args.json), ('--figure', args.figure)):
        if path:
            check_file(path, option)
    if args.redraw:
        tree = json.loads(args.redraw.read_text(encoding='utf-8'))
    else:
        tree = measure(args)
    if args.json:
        write_json(args.json, tree, '--json')
    if args.figure:
        from soak_run.figure import draw  # Only the figure needs matplotlib.
        draw(tree, args.figure)


if __name__ == '__main__':
    keep_to_this_machine()
    if sys.argv[1:2] == ['--publish']:
        publish(Path(sys.argv[2]))
    else:
        main()
