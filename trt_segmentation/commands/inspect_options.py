# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""``trt_seg inspect``: describe an ONNX network or a TensorRT plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import NotASegmentation
from .arguments.options import Commands, set_options


@dataclass(frozen=True)
class InspectOptions:
    """The option of ``trt_seg inspect``: the path of an ONNX network or of a TensorRT plan."""

    file: Path


def add_command(commands: Commands) -> None:
    """Add ``trt_seg inspect`` with its arguments."""
    parser = commands.add_parser(
        'inspect',
        help='describe an ONNX network and suggest a model card, or describe a TensorRT plan',
        description='For an ONNX network, show the inputs, the outputs and a suggested model '
        'card. For a TensorRT plan (an engine in a file), show the kernels, the precisions and '
        'the memory. If the ONNX network is not a segmentation network, the command prints '
        'comments instead of a card. In this case, one line on stderr gives the reason, and the '
        'exit code is 1.')
    parser.add_argument('file', type=Path, metavar='MODEL.onnx | PLAN',
                        help='file of an ONNX network or of a plan')
    set_options(parser, InspectOptions)


def run_inspect(options: InspectOptions) -> int:
    """Print the description of a network or of a plan.

    :returns: the exit code, 0.
    :raises NotASegmentation: after the description, if this is not a segmentation network.
    :raises IsADirectoryError: if the file is a folder.
    :raises CacheError, EngineError: if the file cannot be read.
    """
    from .inspect_plan import inspect_plan, is_plan
    if options.file.is_dir():
        raise IsADirectoryError(f'{options.file} is a folder; give an ONNX file or a plan')
    if is_plan(options.file):
        print(inspect_plan(options.file))
        return 0
    from .inspect import inspect_model
    try:
        print(inspect_model(options.file))
    except NotASegmentation as error:
        print(error.described)
        raise
    return 0
