# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg bench``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ...gpu.settings import GpuSettings
from ..arguments.options import add_device, add_model, Commands, set_options
from ..arguments.values import count, counts, image_size, positive


@dataclass(frozen=True)
class BenchOptions:
    """The options of ``trt_seg bench``. The help text of each argument explains its option.

    :func:`.open_pipeline` explains ``engine``, ``gpu``, ``precision``, ``networks`` and
    ``max_batch``. :class:`.EngineSettings` explains ``tune``.

    :param size: width and height of the images, in pixels.
    """

    model: str = 'street'
    engine: str = 'auto'
    gpu: int = 0
    precision: str = 'auto'
    networks: int = GpuSettings.networks
    max_batch: int = GpuSettings.max_batch
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
        """Numbers of simulated cameras. There is one measurement for each number."""
        return self.cameras or ((1, 4) if self.quick else (1, 2, 4, 8))

    @property
    def measured_seconds(self) -> float:
        """Length of each measurement in seconds."""
        return self.seconds or (1.0 if self.quick else 10.0)


def add_command(commands: Commands) -> None:
    """Add ``trt_seg bench`` with its arguments."""
    parser = commands.add_parser(
        'bench', help='measure latency, throughput and memory, and write a page',
        description='Measure a model without ROS, with images that have the size and encoding of '
        'your cameras. The command measures single frames, then a full pipeline, then several '
        'simulated cameras. It writes bench.json and bench.html. A browser can open bench.html '
        'offline.')
    add_model(parser)
    add_device(parser)
    parser.add_argument('--networks', type=count, metavar='N',
                        help='number of copies of the network that run at the same time on a GPU '
                        '(%(default)s)')
    parser.add_argument('--max-batch', type=count, metavar='N',
                        help='largest number of frames in a batch on a GPU. If the ONNX file '
                        'fixes the batch size, this number is ignored (%(default)s)')
    parser.add_argument('--tune', action=argparse.BooleanOptionalAction,
                        help='when this network is opened on a GPU for the first time, measure '
                        'several options of ONNX Runtime and use the fastest (default: yes)')
    parser.add_argument('--size', type=image_size, metavar='WxH',
                        help='size of the images (1920x1080)')
    parser.add_argument('--encoding', help='encoding of the images (%(default)s)')
    parser.add_argument('--cameras', type=counts, metavar='N,N,…',
                        help='numbers of simulated cameras, one measurement for each number '
                        '(default: 1,2,4,8)')
    parser.add_argument('--fps', type=positive, metavar='HZ',
                        help='frames per second of each camera (%(default)s)')
    parser.add_argument('--seconds', type=positive, metavar='S',
                        help='length of each measurement in seconds (default: 10)')
    parser.add_argument('--quick', action='store_true',
                        help='change the defaults to --seconds 1 and --cameras 1,4')
    parser.add_argument('--overlay', action=argparse.BooleanOptionalAction,
                        help='compute the overlay too (default: yes)')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder for bench.json and bench.html (%(default)s)')
    parser.add_argument('--json', type=Path, metavar='FILE',
                        help='write the content of bench.json to this file too')
    parser.add_argument('--compare', type=Path, metavar='OTHER.json',
                        help='bench.json of another run; page and table then show both runs')
    set_options(parser, BenchOptions)
