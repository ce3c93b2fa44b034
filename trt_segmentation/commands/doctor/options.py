# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg doctor``."""

from __future__ import annotations

from dataclasses import dataclass

from ..arguments.options import add_gpu, Commands, set_options


@dataclass(frozen=True)
class DoctorOptions:
    """Every option of ``trt_seg doctor``.

    :param selftest: whether every engine segments a few scenes.
    :param json: whether the result is printed as JSON.
    :param gpu: index of the GPU on which the engines would run, as CUDA counts.
    """

    selftest: bool = False
    json: bool = False
    gpu: int = 0


def add_command(commands: Commands) -> None:
    """Add ``trt_seg doctor`` with its arguments."""
    parser = commands.add_parser(
        'doctor', help='show what is installed here, what is wrong and what to run',
        description='Show what is installed here, what is wrong and what to run. The exit code '
        'is 0 if images can be segmented here, and 1 if a required part is wrong.')
    parser.add_argument('--selftest', action='store_true',
                        help='run the demo model with every engine, compare with the CPU and '
                        'measure; this builds TensorRT engines, which takes minutes')
    parser.add_argument('--json', action='store_true', help='print JSON')
    add_gpu(parser)
    set_options(parser, DoctorOptions)
