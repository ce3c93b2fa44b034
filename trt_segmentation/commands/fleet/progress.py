# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shows the progress of a run on a terminal."""

from __future__ import annotations

from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ...fleet.schedule import FleetStatus


class FleetProgress:
    """A progress bar on stderr. It counts shards, and shows the frame rate and the time left.

    The bar is visible inside a ``with`` block.
    """

    def __init__(self) -> None:
        self._bar = Progress(
            'shards', BarColumn(bar_width=24), MofNCompleteColumn(),
            TextColumn('{task.fields[at]}'), TimeElapsedColumn(), console=Console(stderr=True))
        self._task = self._bar.add_task('shards', total=None, at='')

    def __enter__(self) -> FleetProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, status: FleetStatus) -> None:
        """Update the bar."""
        self._bar.update(self._task, completed=status.done, total=status.shards or None,
                         at=describe_status(status))

    def print_line(self, line: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)


def describe_status(status: FleetStatus) -> str:
    """Return the status in one line, such as ``85.2 frames/s, 4 of 4 workers busy``."""
    parts = [f'{status.rate:.1f} frames/s', f'{status.busy} of {status.workers} workers busy']
    if status.unplanned:
        parts.append(f'{status.unplanned} recordings not yet divided into shards')
    elif status.seconds_left is not None:
        parts.append(f'{timedelta(seconds=round(status.seconds_left))} left')
    return ', '.join(parts)
