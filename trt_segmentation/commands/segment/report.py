# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the images that ``trt_seg segment`` segmented, and prints the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
import re
import signal
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...model.card import ModelCard
from ...untrusted.terminal_text import count_noun, one_line

MOST_RENAMED = 20
"""Largest number of printed lines about renamed results. A renamed result does not have the name
of its picture, for example because two pictures have the same name."""


@dataclass
class SegmentReport:
    """The result of one run of the command.

    :param dropped: number of camera images that were skipped because the network was busy.
    :param bad: lines about the images and sources that could not be read. One line may be about
        several frames of a video.
    :param unread: number of the images and sources that could not be read.
    :param seconds: seconds from the opening of the first source until all results were written.
    :param stopped_by: number of the signal that stopped the command; None if there was none.
    :param renamed: pairs of a source and the name of its result, if users cannot guess the name.
    """

    segmented: int = 0
    dropped: int = 0
    bad: list[str] = field(default_factory=list)
    unread: int = 0
    seconds: float = 0.0
    stopped_by: int | None = None
    renamed: list[tuple[str, str]] = field(default_factory=list)

    def add_bad(self, line: str, count: int = 1) -> None:
        """Add a line about images or a source."""
        self.bad.append(line)
        self.unread += count

    @property
    def exit_code(self) -> int:
        """0 if all images were segmented, 128 + N after signal number N, otherwise 1."""
        if self.stopped_by:
            return 128 + self.stopped_by
        return 1 if self.bad else 0


def print_report(report: SegmentReport, pixels: npt.NDArray[np.int64], all_pixels: int,
                 card: ModelCard, engine: str, out: Path) -> None:
    """Print the share of each class, the speed, and what could not be read.

    :param pixels: for each class, its number of pixels in all images.
    :param engine: name of the engine and its device.
    """
    console = Console()
    if all_pixels:
        has_colors = console.color_system is not None
        table = Table(*[''] * has_colors, 'class', 'share of the pixels',
                      title=f'segmented by {engine}')
        table.columns[-1].justify = 'right'
        for index in np.argsort(-pixels, kind='stable'):
            if pixels[index]:
                red, green, blue = card.palette[index]
                swatch = Text('██', f'rgb({red},{green},{blue})')
                table.add_row(*[swatch] * has_colors, card.classes[index],
                              f'{pixels[index] / all_pixels:.1%}')
        if not_seen := all_pixels - int(pixels.sum()):
            table.add_row(*[''] * has_colors, 'not seen', f'{not_seen / all_pixels:.1%}')
        console.print(table)
    rate = report.segmented / report.seconds if report.seconds else 0.0
    lines = [f'{count_noun(report.segmented, "image")} in {report.seconds:.1f} s '
             f'({rate:.1f} frames/s), model {card.name}' + f' → {out}' * out.is_dir()]
    lines += [one_line(f'{source} → {name}') for source, name in report.renamed[:MOST_RENAMED]]
    if (more := len(report.renamed) - MOST_RENAMED) > 0:
        lines.append(f'{more} more results are renamed; --json FILE lists all results')
    if report.dropped:
        lines.append(f'images skipped because the network was busy: {report.dropped}')
    if report.stopped_by:
        lines.append(f'{signal.Signals(report.stopped_by).name} stopped the command; the results '
                     'so far are complete')
    if report.bad:
        lines.append(f'images or sources that could not be read: {report.unread}')
        lines += [f'  {one_line(line)}' for line in join_repeated(report.bad)]
    print(*lines, sep='\n')


def join_repeated(bad: Sequence[str]) -> list[str]:
    """Join the lines about messages of one bag that have the same reason. Keep all other lines.

    :param bad: lines about images and sources; see :class:`SegmentReport`.
    """
    same: dict[tuple[str, ...], list[str]] = {}
    for line in bad:
        message = re.fullmatch(r'(.*) message \d+: (.*)', line, re.DOTALL)
        same.setdefault(message.groups() if message else (line,), []).append(line)
    return [first + (f' (and {count_noun(len(others), "other message")})' if others else '')
            for first, *others in same.values()]


def report_tree(report: SegmentReport, pixels: npt.NDArray[np.int64], all_pixels: int,
                card: ModelCard, engine: str, images: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the content of the file of --json. See :func:`print_report` for the parameters.

    :param images: an entry for each segmented image, in order.
    """
    return {'model': card.name, 'engine': engine, 'seconds': round(report.seconds, 3),
            **share_tree(pixels, all_pixels, card), 'dropped': report.dropped,
            'bad': report.bad, 'images': images}


def share_tree(pixels: npt.NDArray[np.int64], all_pixels: int, card: ModelCard) -> dict[str, Any]:
    """Return the share of each class, 0 to 1, and the share of the pixels without a class."""
    most = max(1, all_pixels)
    return {'share': dict(zip(card.classes, (pixels / most).tolist())),
            'not_seen': (all_pixels - int(pixels.sum())) / most}
