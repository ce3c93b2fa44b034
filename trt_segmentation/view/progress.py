# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Progress bars of a command on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from rich import progress
from rich.console import Console
from rich.markup import escape
from rich.text import Text

Item = TypeVar('Item')
_Bars = TypeVar('_Bars', bound='ProgressBars')


class _RateColumn(progress.ProgressColumn):
    """Shows the rate of a bar in the last seconds. A finished bar shows the mean rate.

    In the first second, no rate is shown, because a few items at once would give a huge rate.
    """

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: progress.Task) -> Text:
        seconds = task.elapsed or 0.0
        speed = (task.completed / seconds if seconds else None) if task.finished else (
            task.speed if seconds > 1 else None)
        return Text('' if speed is None else f'{speed:.1f} {self._unit}')


class ProgressBars:
    """Progress bars on stderr, inside a ``with`` block. Lines are printed above the bars.

    :param live: whether a separate thread draws the bars ten times a second. If False, a bar is
        drawn only when its number of finished steps is set. So drawing does not disturb a
        measurement.
    :param rate_unit: unit of the rate that is shown beside each bar, such as ``frames/s``; empty
        for no rate.
    :param columns: the columns of each bar, as in the library ``rich``; empty for the usual
        columns.
    """

    def __init__(self, live: bool = True, rate_unit: str = '',
                 columns: Sequence[str | progress.ProgressColumn] = ()) -> None:
        self._console = Console(stderr=True)
        self._live = live
        self._tasks: dict[str, progress.TaskID] = {}
        rate = [_RateColumn(rate_unit)] if rate_unit else []
        self._bars = progress.Progress(*columns or (
            '{task.description}', progress.BarColumn(bar_width=24), progress.MofNCompleteColumn(),
            *rate, progress.TimeElapsedColumn(), progress.TimeRemainingColumn()),
            console=self._console, auto_refresh=live)

    def __enter__(self: _Bars) -> _Bars:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def print_line(self, line: str) -> None:
        """Print a line above the bars."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show_phase(self, name: str, done: int, total: int) -> None:
        """Show how many steps of a TensorRT phase are done. A new phase gets a new bar."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(escape(name), total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)

    def add_bar(self, name: str, total: int | None = None) -> Callable[[float], None]:
        """Add a bar, and return a function that sets the number of finished steps.

        :param name: text before the bar.
        :param total: number of all steps; None if the number is unknown.
        """
        task = self._bars.add_task(escape(name), total=total)
        return lambda done: self._bars.update(task, completed=done, refresh=not self._live)

    def track(self, name: str, items: Iterable[Item], total: int | None = None
              ) -> Iterator[Item]:
        """Yield every item. An item counts as done when the caller asks for the next item.

        The bar is full after the last item, even if ``total`` was only an estimate.
        """
        task = self._bars.add_task(escape(name), total=total)
        done = 0
        for done, item in enumerate(items, 1):
            yield item
            self._bars.update(task, completed=done, refresh=not self._live)
        self._bars.update(task, total=done, completed=done, refresh=not self._live)
