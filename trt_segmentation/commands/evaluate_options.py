# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg eval``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import EvaluationError
from .arguments.options import add_device, add_label_values, add_model, Commands, set_options
from .arguments.values import count


@dataclass(frozen=True)
class EvaluateOptions:
    """Every option of ``trt_seg eval``. The help of the arguments explains the options.

    :func:`.open_pipeline` explains ``engine``, ``gpu`` and ``precision``.

    :param street: number of street scenes of each condition; None for the usual number.
    :param condition: conditions of the street scenes; () for all conditions.
    :param images: folder of images; None to score street scenes. ``images`` needs ``labels``.
    :param label_map: class id of each value of the label maps; see
        :func:`.label_values.load_value_map`.
    """

    model: str = 'street'
    engine: str = 'auto'
    gpu: int = 0
    precision: str = 'auto'
    street: int | None = None
    condition: tuple[str, ...] = ()
    images: Path | None = None
    labels: Path | None = None
    ignore: tuple[range, ...] = ()
    label_map: str | None = None
    json: Path | None = None

    def check(self) -> None:
        """Raise an EvaluationError if options contradict each other."""
        if (self.images is None) != (self.labels is None):
            raise EvaluationError('--images and --labels need each other; give both options')
        if (self.ignore or self.label_map) and self.labels is None:
            raise EvaluationError('--ignore and --map are for label maps; give --images and '
                                  '--labels')
        for option, value in (('--street', self.street), ('--condition', self.condition)):
            if self.images and value:
                raise EvaluationError(f'{option} is for street scenes; do not give it with '
                                      '--images')


def add_command(commands: Commands) -> None:
    """Add ``trt_seg eval`` with its arguments."""
    parser = commands.add_parser(
        'eval', help='measure mean IoU, IoU by class and pixel accuracy',
        description='Measure the accuracy of a model on street scenes that were not used in '
        'training, or on your own pictures. Your pictures need a folder of images and a folder of '
        'label maps. A label map is a PNG of class ids with the file name of its image; 255 means '
        'unlabelled.')
    add_model(parser)
    add_device(parser)
    parser.add_argument('--street', type=count, metavar='N',
                        help='number of street scenes of each condition (100)')
    parser.add_argument('--condition', type=_names, metavar='day,night,…',
                        help='conditions of the street scenes; default: all')
    parser.add_argument('--images', type=Path, metavar='DIR', help='folder of images')
    parser.add_argument('--labels', type=Path, metavar='DIR', help='folder of label maps')
    add_label_values(parser)
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the scores to this file')
    set_options(parser, EvaluateOptions)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(','))
