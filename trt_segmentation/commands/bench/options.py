# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg bench``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..arguments.options import add_device, add_model, Commands, set_command
from ..arguments.values import count, counts, image_size, positive


@dataclass(frozen=True)
class BenchOptions:
    """Every option of ``trt_seg bench``.

    :param model: path of a model card, or the name of an installed card.
    :param engine: inference engine. :func:`.open_pipeline` explains ``engine``, ``gpu``,
        ``precision``, ``networks`` and ``max_batch``.
    :param tune: see :class:`.EngineSettings`.
    :param size: width and height of the images, in pixels.
    :param encoding: encoding of the images; the names are those of sensor_msgs.
    :param cameras: numbers of cameras to measure; None for the usual numbers.
    :param seconds: length of each measurement in seconds; None for the usual length.
    :param quick: whether the usual length is shorter, and the usual numbers of cameras are fewer.
    :param fps: frames per second of each camera.
    :param overlay: whether the overlay is computed too.
    :param out: folder for bench.json and bench.html.
    :param json: second file with the content of bench.json; None for no second file.
    :param compare: bench.json of another run; None to compare nothing.
    """

    model: str = 'street'
    engine: str = 'auto'
    gpu: int = 0
    precision: str = 'auto'
    networks: int = 1
    max_batch: int = 1
    size: tuple[int, int] = (1920, 1080)
    encoding: str = 'bgr8'
    cameras: tuple[int, ...] | None = None
    seconds: float | None = None
    quick: bool = False
    fps: float = 30.0
    overlay: bool = True
    out: Path = Path('bench-out')
    json: Path | None = None
    compare: Path | None = None
    tune: bool = True

    @property
    def camera_counts(self) -> tuple[int, ...]:
        """Numbers of cameras; each number is measured separately."""
        return self.cameras or ((1, 4) if self.quick else (1, 2, 4, 8))

    @property
    def measured_seconds(self) -> float:
        """Length of each measurement in seconds."""
        return self.seconds or (1.0 if self.quick else 10.0)


def add_command(commands: Commands) -> None:
    """Add ``trt_seg bench`` with its arguments."""
    parser = commands.add_parser(
        'bench', help='measure latency, throughput, cameras and memory here; write a page',
        description='Measure a model with images like those of your cameras, without ROS: one '
        'frame at a time, as many frames at once as possible, and cameras at their own rate. '
        'Write bench.json and bench.html; bench.html opens in any browser without a network.')
    add_model(parser)
    add_device(parser)
    parser.add_argument('--networks', type=count, metavar='N',
                        help='copies of the network that run at the same time on a GPU '
                        '(%(default)s)')
    parser.add_argument('--max-batch', type=count, metavar='N',
                        help='largest number of frames, of different cameras, in a batch on a '
                        'GPU; needs a network whose file leaves the batch size open '
                        '(%(default)s)')
    parser.add_argument('--tune', action=argparse.BooleanOptionalAction,
                        help='tune ONNX Runtime at the first start on a GPU (default: yes)')
    parser.add_argument('--size', type=image_size, metavar='WxH',
                        help='size of the images (1920x1080)')
    parser.add_argument('--encoding', help='encoding of the images (%(default)s)')
    parser.add_argument('--cameras', type=counts, metavar='N,N,…',
                        help='numbers of cameras to measure (1,2,4,8)')
    parser.add_argument('--fps', type=positive, metavar='HZ',
                        help='frames a second of each camera (%(default)g)')
    parser.add_argument('--seconds', type=positive, metavar='S',
                        help='length of each measurement (10)')
    parser.add_argument('--quick', action='store_true',
                        help='measure 1 second each, and 1 and 4 cameras, unless --seconds or '
                        '--cameras says otherwise')
    parser.add_argument('--overlay', action=argparse.BooleanOptionalAction,
                        help='compute the overlay too (default: yes)')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder for bench.json and bench.html (%(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='write the figures to this file too')
    parser.add_argument('--compare', type=Path, metavar='OTHER.json',
                        help='bench.json of another run; its figures are drawn and listed beside '
                        'the new ones')
    set_command(parser, BenchOptions, _run)


def _run(options: BenchOptions) -> int:
    from .run import run_bench
    return run_bench(options)
