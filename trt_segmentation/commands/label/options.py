# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg label``."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass

from ...errors import FleetError
from ..arguments.options import add_model, add_precision, Arguments, Commands, set_options
from ..arguments.values import positive
from ..fleet.options import add_workers, GpuWorkerOptions

FORMATS = ('bag', 'png', 'coco')


@dataclass(frozen=True)
class LabelOptions(GpuWorkerOptions):
    """The options of ``trt_seg label``. The help text of each argument explains its option.

    :param sources: see :func:`.find_recordings`; empty to use the results of an earlier run.
    :param pick: ``uncertain`` or ``disagree``, and the number of frames to choose; None to choose
        no frames.
    :param against: if ``pick`` is ``disagree``, name of the folder of the other run, whose labels
        are compared with the labels of this run. None is allowed if ``out`` has only one other
        run.
    """

    out: str
    sources: tuple[str, ...] = ()
    model: str = 'street'
    engine: str = 'auto'
    precision: str = 'auto'
    format: str = 'bag'
    image_topic: str | None = None
    shard_seconds: float = 60.0
    dry_run: bool = False
    summary: bool = False
    pick: tuple[str, int] | None = None
    pick_seconds: float = 5.0
    against: str | None = None

    def check(self) -> None:
        """Refuse options that contradict each other.

        :raises FleetError: if there is nothing to do, or if an option needs another option.
        """
        if not self.sources and not (self.summary or self.pick):
            raise FleetError('give at least one SOURCE, or --summary or --pick to use the results '
                             'of an earlier run')
        if not self.sources and self.dry_run:
            raise FleetError('--dry-run needs at least one SOURCE')
        if self.against and (self.pick is None or self.pick[0] != 'disagree'):
            raise FleetError('--against is only for --pick disagree:N')


def add_command(commands: Commands) -> None:
    """Add ``trt_seg label`` with its arguments."""
    parser = commands.add_parser(
        'label', help='label the frames of many recordings, on one machine or a Ray cluster',
        description='Label the frames of many bags and videos. The recordings are divided into '
        'shards of about 60 seconds, and several workers label the shards. If the command is '
        'stopped, run the same command again: it labels only the missing shards. A shard that '
        'fails three times is put into quarantine. The exit code is 0 if all frames are '
        'labelled, 1 if shards are in quarantine or if a frame cannot be decoded, and 2 if the '
        'command failed.')
    parser.add_argument(
        'sources', nargs='*', metavar='SOURCE', help='bag, video, pattern, or folder. A folder is '
        'searched with all its subfolders. A URL such as s3://bucket/drives needs the package of '
        'the object store, such as s3fs')
    parser.add_argument('--out', required=True, metavar='DIR|URL', help='folder or URL for the '
                        'results. Each model has its own folder there')
    add_model(parser)
    add_precision(parser)
    parser.add_argument('--format', choices=FORMATS, help='format of the label maps: bags, PNG '
                        'files of class ids, or COCO files with run-length masks (%(default)s)')
    parser.add_argument('--image-topic', metavar='T',
                        help='image topic of the bags. If a bag does not have this topic, another '
                        'topic of the same camera is read, such as T/compressed. Default: every '
                        'camera of each bag')
    parser.add_argument('--shard-seconds', type=positive, metavar='S',
                        help='longest duration of a shard in seconds. If two keyframes of a video '
                        'are further apart, the shard between them is longer (%(default)s)')
    parser.add_argument('--dry-run', action='store_true', help='print the number of shards and '
                        'the hours that one worker on this machine needs. Write no results')
    add_workers(parser.add_argument_group('workers'), '--out')
    _add_use(parser.add_argument_group('use of the results'))
    set_options(parser, LabelOptions)


def _add_use(use: Arguments) -> None:
    use.add_argument('--summary', action='store_true', help='print a table with a column for '
                     'each condition (dark, dim, bright), and write summary.png. The exit code is '
                     'then also 1 if an earlier command lost frames or put shards into '
                     'quarantine, or if no frame is labelled yet')
    use.add_argument('--pick', type=_pick, metavar='uncertain:N|disagree:N',
                     help='write a folder with N frames for annotation in CVAT or Label Studio. '
                     'uncertain:N takes the frames with the largest entropy. disagree:N takes the '
                     'frames that --model and the model of another run label most differently')
    use.add_argument('--pick-seconds', type=positive, metavar='S',
                     help='shortest time in seconds between two picked frames of a camera '
                     '(%(default)s)')
    use.add_argument('--against', metavar='RUN', help='for disagree:N: name of the folder, in '
                     '--out, of the run to compare with; default: the only other run in --out')


def _pick(text: str) -> tuple[str, int]:
    kind, _, number = text.partition(':')
    if kind not in ('uncertain', 'disagree') or not number.isdecimal() or not int(number):
        raise ArgumentTypeError(f'{text!r} is neither uncertain:N nor disagree:N, such as '
                                'uncertain:500')
    return kind, int(number)
