# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Options of ``trt_seg segment``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ...errors import SourceError
from ..arguments.options import add_device, add_model, add_view, Arguments, Commands, set_options
from ..arguments.values import count, fraction


@dataclass(frozen=True)
class SegmentOptions:
    """The options of ``trt_seg segment``. The help text of each argument explains its option.

    :func:`.open_sources` explains ``sources``. :func:`.open_pipeline` explains ``engine``, ``gpu``
    and ``precision``.

    :param labels: whether label maps are written; None to write label maps only for pictures.
    """

    sources: tuple[str, ...]
    out: Path = Path('segment-out')
    model: str = 'street'
    engine: str = 'auto'
    gpu: int = 0
    precision: str = 'auto'
    overlay: bool = True
    labels: bool | None = None
    confidence: bool = False
    alpha: float = 0.5
    side_by_side: bool = False
    every: int = 1
    recursive: bool = False
    image_topic: str | None = None
    json: Path | None = None
    show: bool = False
    view: bool = False
    save_view: Path | None = None

    def check(self) -> None:
        """Raise a SourceError if ``side_by_side`` is given without overlays."""
        if self.side_by_side and not self.overlay:
            raise SourceError('--side-by-side puts the image beside the overlay, so an overlay '
                              'is needed; leave out --no-overlay')

    def wants_labels(self, is_video: bool) -> bool:
        """Return whether label maps are written, for a video or for pictures."""
        return not is_video if self.labels is None else self.labels


def add_command(commands: Commands) -> None:
    """Add ``trt_seg segment`` with its arguments."""
    parser = commands.add_parser(
        'segment', help='segment pictures, videos, cameras and bags',
        description='Segment pictures, videos, cameras and bags. Write an overlay '
        'and a label map for each picture, and an mp4 with overlays for each video. Print the '
        'share of each class. The exit code is 0 if '
        'every image was segmented, 1 if an image could not be read, and 2 if the command failed.')
    parser.add_argument(
        'sources', nargs='+', metavar='SOURCE', help='picture, glob, folder, video, bag, camera '
        "such as /dev/video0 or 0, rtsp:// URL, '-' for a picture on standard input, or 'street' "
        'for drawn street scenes')
    parser.add_argument('--out', type=Path, metavar='DIR',
                        help='folder for the results (%(default)s)')
    add_model(parser)
    add_device(parser)
    _add_results(parser.add_argument_group('results'))
    images = parser.add_argument_group('images')
    images.add_argument('--every', type=count, metavar='N',
                        help='segment every Nth image of each source (%(default)s)')
    images.add_argument('--recursive', action='store_true',
                        help='read the subfolders of a folder too')
    images.add_argument('--image-topic', metavar='T', help='topic of the images in a bag; '
                        'needed if the bag has several image topics. The topics label_map, '
                        'overlay and confidence do not count')
    set_options(parser, SegmentOptions)


def _add_results(results: Arguments) -> None:
    results.add_argument('--overlay', action=argparse.BooleanOptionalAction,
                         help='write overlays: JPEG for a picture, mp4 for a video (default: yes)')
    results.add_argument('--labels', action=argparse.BooleanOptionalAction,
                         help='write label maps, a PNG of class ids for each image (default: '
                         'for pictures yes, for videos no)')
    results.add_argument('--confidence', action='store_true',
                         help='write the confidence of each pixel, as a gray PNG for each image')
    results.add_argument('--alpha', type=fraction, metavar='0..1',
                         help='weight of the class colours in the overlays (%(default)s)')
    results.add_argument('--side-by-side', action='store_true',
                         help='put the image beside its overlay')
    results.add_argument('--json', type=Path, metavar='FILE',
                         help='write one JSON file that lists, for each image, its output files, '
                         'the share of each class and the seconds in the pipeline')
    results.add_argument('--show', action='store_true',
                         help='show the overlays in a window; q closes the window')
    add_view(results)
