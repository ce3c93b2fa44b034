# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the images that ``trt_seg segment`` segmented, and prints the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
import signal

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from ...untrusted.terminal_text import one_line


@dataclass
class SegmentReport:
    """The result of one run of the command.

    :param segmented: number of images that were segmented.
    :param dropped: number of camera images that were skipped because the network was busy.
    :param bad: one line for each image or source that could not be read.
    :param seconds: seconds from the opening of the first source until all results were written.
    :param stopped_by: number of the signal that stopped the command; None if there was none.
    """

    segmented: int = 0
    dropped: int = 0
    bad: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stopped_by: int | None = None

    @property
    def exit_code(self) -> int:
        """0 if all images were segmented, 128 + N after signal number N, otherwise 1."""
        if self.stopped_by:
            return 128 + self.stopped_by
        return 1 if self.bad else 0


def print_report(report: SegmentReport, pixels: npt.NDArray[np.int64], all_pixels: int,
                 classes: Sequence[str], engine: str, out: Path) -> None:
    """Print the share of each class, the speed, and what could not be read.

    :param pixels: for each class, its number of pixels in all images.
    :param all_pixels: number of all pixels in all images.
    :param engine: name of the engine and its device.
    """
    console = Console()
    if all_pixels:
        table = Table('class', 'share of the pixels', title=f'segmented by {engine}')
        table.columns[1].justify = 'right'
        for index in np.argsort(-pixels, kind='stable'):
            if pixels[index]:
                table.add_row(classes[index], f'{pixels[index] / all_pixels:.1%}')
        console.print(table)
    rate = report.segmented / report.seconds if report.seconds else 0.0
    images = 'image' if report.segmented == 1 else 'images'
    lines = [f'{report.segmented} {images} in {report.seconds:.1f} s ({rate:.1f} frames/s) → '
             f'{out}']
    if report.dropped:
        lines.append(f'images skipped because the network was busy: {report.dropped}')
    if report.stopped_by:
        lines.append(f'{signal.Signals(report.stopped_by).name} stopped the command; the results '
                     'so far are complete')
    if report.bad:
        lines.append(f'images or sources that could not be read: {len(report.bad)}')
        lines += [f'  {one_line(line)}' for line in report.bad]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
