# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg replay``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..errors import ReplayError
from .arguments.options import add_device, add_model, add_view, Arguments, Commands, set_options
from .arguments.values import fraction


@dataclass(frozen=True)
class ReplayOptions:
    """The options of ``trt_seg replay``. The help text of each argument explains its option.

    :func:`.open_pipeline` explains ``engine``, ``gpu`` and ``precision``. :class:`.Expectation`
    explains ``expect_topic``, ``min_agreement`` and ``allow_missing``.

    :param image_topic: see :meth:`.BagReader.image_topic`.
    :param expect: bag with the expected label maps; None to compare nothing.
    """

    bag: Path
    out: Path
    model: str = 'street'
    engine: str = 'auto'
    gpu: int = 0
    precision: str = 'auto'
    image_topic: str | None = None
    namespace: str = 'segmentation'
    overlay: bool = True
    png: bool = False
    jpeg: bool = False
    expect: Path | None = None
    expect_topic: str | None = None
    min_agreement: float = 1.0
    allow_missing: bool = False
    overwrite: bool = False
    view: bool = False
    save_view: Path | None = None

    def check(self) -> None:
        """Check that the options fit together.

        :raises ReplayError: if an option of the comparison is given without ``expect``, or if
            ``jpeg`` is given without ``overlay``.
        """
        if self.jpeg and not self.overlay:
            raise ReplayError('--jpeg is only for overlays; leave out --no-overlay or --jpeg')
        for option, given in (('--expect-topic', self.expect_topic),
                              ('--allow-missing', self.allow_missing),
                              ('--min-agreement', self.min_agreement != 1.0)):
            if given and not self.expect:
                raise ReplayError(f'{option} is only for a comparison; add --expect and the bag '
                                  'with the expected label maps')


def add_command(commands: Commands) -> None:
    """Add ``trt_seg replay`` with its arguments."""
    parser = commands.add_parser(
        'replay', help='segment every frame of a bag, and write the results to another bag',
        description='Segment every frame of a rosbag2 (sqlite3 or MCAP; a folder or a file), and '
        'write an MCAP bag. Each result has the stamp and the frame id of its image. If a frame '
        'cannot be read, or if a label map differs from the expected label map, the exit code is '
        '1. If the command cannot do its work, for example because the bag cannot be opened, the '
        'exit code is 2. Without --png and --jpeg, the new bag is large: a label map has 1 byte '
        'for each pixel, and an overlay has 3 bytes for each pixel. 100 frames of 1280x720 pixels '
        'need 369 MB, and 92 MB with --no-overlay. With --no-overlay --png, 100 frames of drawn '
        'streets needed 2 MB in our test.')
    parser.add_argument('bag', type=Path, metavar='BAG', help='bag to read')
    parser.add_argument('--out', type=Path, required=True, metavar='BAG2',
                        help='folder for the new bag')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace BAG2, if an earlier `trt_seg replay` wrote it')
    parser.add_argument('--image-topic', metavar='T',
                        help='topic of the images; default: the only image topic besides '
                        'label_map, overlay and confidence')
    parser.add_argument('--namespace', help='namespace of the topics in BAG2 (%(default)s)')
    parser.add_argument('--overlay', action=argparse.BooleanOptionalAction,
                        help='write overlays too (default: yes)')
    parser.add_argument('--png', action='store_true',
                        help='write label maps as PNG to the topic label_map/compressed. PNG is '
                        'smaller and lossless')
    parser.add_argument('--jpeg', action='store_true',
                        help='write overlays as JPEG to the topic overlay/compressed')
    add_view(parser)
    add_model(parser)
    add_device(parser)
    _add_comparison(parser.add_argument_group('comparison'))
    set_options(parser, ReplayOptions)


def _add_comparison(expect: Arguments) -> None:
    expect.add_argument('--expect', type=Path, metavar='BAG3',
                        help='compare each label map with the label map of the same stamp in '
                        'BAG3; stop at the first difference')
    expect.add_argument('--expect-topic', metavar='T', help='topic of the label maps in BAG3')
    expect.add_argument('--min-agreement', type=fraction, metavar='X',
                        help='fraction of the pixels that must be equal in each frame '
                        '(%(default)s)')
    expect.add_argument('--allow-missing', action='store_true',
                        help='accept frames that have no label map in BAG3. Use this option if '
                        'BAG3 is a recording of a live node, which may drop frames')
