# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg inspect``, and the choice between a network and a plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import NotASegmentation
from .arguments.options import Commands, set_command


@dataclass(frozen=True)
class InspectOptions:
    """Options of ``trt_seg inspect``.

    :param file: path of an ONNX network or of a plan.
    """

    file: Path


def add_command(commands: Commands) -> None:
    """Add ``trt_seg inspect`` with its arguments."""
    parser = commands.add_parser(
        'inspect', help='describe an ONNX network and suggest a model card; or describe a built '
        'plan',
        description='Show the inputs and outputs of an ONNX network, with a model card for it; '
        'or show the layers, precisions and memory of a built plan. If a network is not a '
        'segmentation network, the exit code is 1, one line on stderr says why, and comments '
        'are printed instead of a card.')
    parser.add_argument('file', type=Path, metavar='MODEL.onnx | PLAN')
    set_command(parser, InspectOptions, run_inspect)


def run_inspect(options: InspectOptions) -> int:
    """Print the description of a network or of a plan.

    :returns: the exit code, 0.
    :raises NotASegmentation: if the network is no segmentation network. The description is
        printed before.
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
