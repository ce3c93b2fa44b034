# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Shows the progress of a run on a terminal."""

from __future__ import annotations

from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.table import Column

from ...fleet.schedule import FleetStatus
from ...untrusted.terminal_text import count_noun
from ...view.progress import ProgressBars

_BAR = 20
"""Width of the bar in characters."""


class FleetProgress(ProgressBars):
    """A progress bar on stderr. It counts shards, which are the parts of the recordings.

    The bar also shows the frame rate and the time left.
    """

    def __init__(self) -> None:
        super().__init__(columns=(
            'shards', BarColumn(bar_width=_BAR), MofNCompleteColumn(),
            TextColumn('{task.fields[at]}', table_column=Column(no_wrap=True))))
        self._task = self._bars.add_task('shards', total=None, at='')

    def show(self, status: FleetStatus) -> None:
        """Update the bar."""
        total = None if status.unplanned and not status.shards else status.shards
        taken = len(f'shards  {status.done}/{status.shards}  ') + _BAR
        self._bars.update(self._task, completed=status.done, total=total,
                          at=describe_status(status, self._console.width - taken))


def describe_status(status: FleetStatus, width: int) -> str:
    """Return the status in one line, such as ``85.2 frames/s, 0:02:05 left, 4 of 4 workers busy``.

    :param width: largest number of characters. Parts that do not fit are left out. At the end of
        the run, only the frame rate is returned.
    """
    if status.done == status.shards and not status.unplanned:
        return f'{status.rate:.1f} frames/s' if status.rate else ''
    parts = [f'{status.rate:.1f} frames/s']
    if status.unplanned:
        parts.append(f'{count_noun(status.unplanned, "recording")} to divide')
    elif status.seconds_left is not None:
        parts.append(f'{timedelta(seconds=round(status.seconds_left))} left')
    parts.append(f'{status.busy} of {count_noun(status.workers, "worker")} busy')
    return next((line for count in (3, 2, 1)
                 if len(line := ', '.join(parts[:count])) <= width), '')
