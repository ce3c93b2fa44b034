# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg demo``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..arguments.options import add_model, add_view, Commands, set_options
from ..arguments.values import positive


@dataclass(frozen=True)
class DemoOptions:
    """The options of ``trt_seg demo``. The help text of each argument explains its option."""

    seconds: float = 10.0
    out: Path = Path('demo-out')
    model: str = 'street'
    engine: str = 'auto'
    ground: bool = False
    view: bool = False
    save_view: Path | None = None


def add_command(commands: Commands) -> None:
    """Add ``trt_seg demo`` with its arguments."""
    parser = commands.add_parser(
        'demo', help='run a simulated street camera, the segmentation node and a recorder, and '
        'write a report')
    parser.add_argument('--seconds', type=positive,
                        help='length of the simulated drive in seconds (%(default)s)')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder for the report (%(default)s)')
    parser.add_argument('--ground', action='store_true',
                        help='compute a ground grid (a map of the ground) from each frame, and '
                        'show some of the grids in montage.png; this needs the package nav_msgs')
    add_view(parser)
    add_model(parser)
    parser.add_argument('--cpu', action='store_const', dest='engine', const='onnxruntime-cpu',
                        help='run the network on the CPU, with the engine onnxruntime-cpu')
    set_options(parser, DemoOptions)
