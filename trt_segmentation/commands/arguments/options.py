# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Add arguments that several commands share, and connect arguments with an options class."""

from __future__ import annotations

import argparse
from dataclasses import fields, MISSING
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

from ...engines import ENGINES, PRECISION_CHOICES
from .values import index, label_range


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Arguments: TypeAlias = argparse.ArgumentParser | argparse._ArgumentGroup
Commands: TypeAlias = 'argparse._SubParsersAction[Any]'


def set_options(parser: argparse.ArgumentParser, options: type[_Dataclass]) -> None:
    """Connect a parser with the options class of its command.

    If ``parsed`` is the result of ``parser.parse_args()``, ``parsed.make_options(parsed)`` then
    returns the options. Call set_options() after all arguments were added to the parser.

    :param options: frozen dataclass. Each field has the same name as its argument. The default of
        the field becomes the default of the argument. If an argument gives a list, the field gets
        a tuple.
    """
    names = [field.name for field in fields(options)]

    def make_options(parsed: argparse.Namespace) -> _Dataclass:
        given = {name: getattr(parsed, name) for name in names}
        return options(**{name: tuple(value) if isinstance(value, list) else value
                          for name, value in given.items()})

    parser.set_defaults(make_options=make_options, **{
        field.name: field.default for field in fields(options) if field.default is not MISSING})


def add_model(arguments: Arguments) -> None:
    """Add --model and --engine."""
    arguments.add_argument('--model', metavar='CARD',
                           help='path of a model card, or name of an installed card (%(default)s)')
    arguments.add_argument('--engine', choices=ENGINES, help='inference engine (%(default)s)')


def add_device(arguments: Arguments) -> None:
    """Add --gpu and --precision."""
    add_gpu(arguments)
    add_precision(arguments)


def add_precision(arguments: Arguments) -> None:
    """Add --precision."""
    arguments.add_argument('--precision', choices=PRECISION_CHOICES,
                           help="precision of the engine tensorrt; 'auto' means fp16. The other "
                           "engines accept only 'auto' (%(default)s)")


def add_gpu(arguments: Arguments) -> None:
    """Add --gpu."""
    arguments.add_argument('--gpu', type=index, metavar='N',
                           help="index of the GPU in CUDA's order (%(default)s)")


def add_view(arguments: Arguments) -> None:
    """Add --view and --save-view."""
    arguments.add_argument('--view', action='store_true',
                           help='show images, label maps and latencies in Rerun (rerun-sdk)')
    arguments.add_argument('--save-view', type=Path, metavar='FILE.rrd',
                           help='save the view to a file. `rerun FILE.rrd` opens this file. You '
                           'can use --view at the same time')


def add_label_values(arguments: Arguments) -> None:
    """Add --ignore and --map."""
    arguments.add_argument('--ignore', nargs='+', type=label_range, metavar='V|V-V',
                           help='do not score pixels whose true label has one of these values, '
                           'such as 11 or 0-6')
    arguments.add_argument('--map', dest='label_map', metavar='FILE',
                           help='YAML file that gives the class id of each value in the label '
                           'maps. The names cityscapes and ade20k stand for installed files')
