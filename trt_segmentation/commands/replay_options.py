# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg replay``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ..errors import ReplayError
from .arguments.options import add_device, add_model, add_view, Commands, set_command
from .arguments.values import fraction


@dataclass(frozen=True)
class ReplayOptions:
    """Every option of ``trt_seg replay``.

    :param bag: path of the bag to read.
    :param image_topic: topic of the images; None if the bag has only one camera; see
        :meth:`.BagReader.image_topic`.
    :param out: folder of the bag to write.
    :param overwrite: whether the new bag may replace an earlier bag of this package.
    :param namespace: namespace of the topics that are written; see :class:`.BagWriter`.
    :param model: path of a model card, or the name of an installed card.
    :param engine: inference engine. :func:`.open_pipeline` explains ``engine``, ``gpu`` and
        ``precision``.
    :param overlay: whether overlays are written too.
    :param png: whether label maps are written as PNG.
    :param view: whether the result is shown in Rerun.
    :param save_view: .rrd file to write; None for no file.
    :param expect: bag with the expected label maps; None to compare nothing.
        :class:`.Expectation` explains ``expect_topic``, ``min_agreement`` and ``allow_missing``.
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
    expect: Path | None = None
    expect_topic: str | None = None
    min_agreement: float = 1.0
    allow_missing: bool = False
    overwrite: bool = False
    view: bool = False
    save_view: Path | None = None

    def check(self) -> None:
        """Refuse options of a comparison if no bag to compare with is given.

        :raises ReplayError: if such an option is given; the message names the option.
        """
        for option, given in (('--expect-topic', self.expect_topic),
                              ('--allow-missing', self.allow_missing),
                              ('--min-agreement', self.min_agreement != 1.0)):
            if given and not self.expect:
                raise ReplayError(f'{option} is for a comparison; give the bag to compare with: '
                                  '--expect')


def add_command(commands: Commands) -> None:
    """Add ``trt_seg replay`` with its arguments."""
    parser = commands.add_parser(
        'replay', help='segment every frame of a bag into another bag',
        description='Segment every frame of a rosbag2 (sqlite3 or MCAP; a folder or a file) into '
        'an MCAP bag, with the same stamps and frame ids. The exit code is 0; 1 if a frame was '
        'bad or not as expected; or 2 if the replay failed.')
    parser.add_argument('bag', type=Path, metavar='BAG', help='bag to read')
    parser.add_argument('--out', type=Path, required=True, metavar='BAG2',
                        help='folder to write the new bag to')
    parser.add_argument('--overwrite', action='store_true', help='replace BAG2')
    parser.add_argument('--image-topic', metavar='T',
                        help='topic of the images; default: the only image topic besides '
                        'label_map, overlay and confidence')
    parser.add_argument('--namespace', help='namespace of the topics written (%(default)s)')
    parser.add_argument('--overlay', action=argparse.BooleanOptionalAction,
                        help='write overlays too (default: yes)')
    parser.add_argument('--png', action='store_true',
                        help='write label maps as PNG on label_map/compressed: smaller, lossless')
    add_view(parser)
    add_model(parser)
    add_device(parser)
    expect = parser.add_argument_group('comparison')
    expect.add_argument('--expect', type=Path, metavar='BAG3',
                        help='compare label maps, by stamp, with the label maps of this bag; stop '
                        'at the first difference')
    expect.add_argument('--expect-topic', metavar='T', help='topic of the label maps in BAG3')
    expect.add_argument('--min-agreement', type=fraction, metavar='X',
                        help='fraction of the pixels of a frame that must be equal (%(default)s)')
    expect.add_argument('--allow-missing', action='store_true',
                        help='accept frames that have no label map in BAG3; the recording of a '
                        'live run may lack some')
    set_command(parser, ReplayOptions, _run)


def _run(options: ReplayOptions) -> int:
    from .replay import run_replay
    return run_replay(options)
