# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Progress of one command on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

Thing = TypeVar('Thing')


class Bars:
    """A bar for everything that takes long, lines above them.

    :param live: draw ten times a second, in a thread of its own. Without, only :meth:`steps`
        draws: milliseconds that a measurement can do without.
    """

    def __init__(self, console: Console, live: bool = True) -> None:
        self._console = console
        self._live = live
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress('{task.description}', BarColumn(), MofNCompleteColumn(),
                              TimeElapsedColumn(), console=console, auto_refresh=live)

    @contextmanager
    def shown(self) -> Iterator[Bars]:
        """Show them while inside."""
        with self._bars:
            yield self

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def phase(self, name: str, done: int, total: int) -> None:
        """Take a step of TensorRT's; its phases come and go."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=total)
        self._bars.update(self._tasks[name], completed=done, total=total)

    def steps(self, name: str, total: int | None = None) -> Callable[[float], None]:
        """Make a function that is told how many are done."""
        task = self._bars.add_task(name, total=total)
        return lambda done: self._bars.update(task, completed=done, refresh=not self._live)

    def each(self, name: str, things: Iterable[Thing], total: int | None = None
             ) -> Iterator[Thing]:
        """Give every thing, and count those done with."""
        step = self.steps(name, total)
        for done, thing in enumerate(things, 1):
            yield thing
            step(done)
