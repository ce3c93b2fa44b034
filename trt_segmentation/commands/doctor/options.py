# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..arguments.options import add_gpu, Commands, set_options


@dataclass(frozen=True)
class DoctorOptions:
    """The options of ``trt_seg doctor``. The help text of each argument explains its option."""

    selftest: bool = False
    json: bool = False
    gpu: int = 0
    out: Path | None = None


def add_command(commands: Commands) -> None:
    """Add ``trt_seg doctor`` with its arguments."""
    parser = commands.add_parser(
        'doctor', help='show what is installed here, what is wrong, and how to repair it',
        description='Show what is installed on this machine, what is wrong, and which command '
        'solves each problem. The exit code is 0 if images can be segmented on this machine, and '
        '1 if a required part is missing or broken. With --out, the exit code is 1 if a step of '
        'the self-test failed.')
    parser.add_argument('--selftest', action='store_true',
                        help='run the demo model with every engine, compare the label maps with '
                        'those of the CPU, and measure the latency. If TensorRT is installed, '
                        'the self-test builds an engine, which takes minutes')
    parser.add_argument('--json', action='store_true', help='print the result as JSON')
    parser.add_argument('--out', type=Path, metavar='FILE.zip',
                        help='run the self-test, and write one file for an issue. The zip has '
                        'versions, the GPU, the kernels of the TensorRT engine, the latency of '
                        'every engine, the fraction of its labels that agree with the CPU, and '
                        'logs. It has no file, image or network of yours. Names of users and '
                        'hosts, passwords in environment variables, and private paths are '
                        'replaced')
    add_gpu(parser)
    set_options(parser, DoctorOptions)
