# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The waiting and running tasks of a run, and the status and the result of the run.

In a task, a worker divides a recording into parts, or processes one of the parts. The parts are
called shards.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from .recordings import Recording
from .shards import FrameCounts, Shard
from .worker import Task

MOST_FAILURES = 3
"""A task that has failed this number of times is not tried again. This state of the task is called
quarantine."""
MOST_LOSSES = 10
"""A task is also put into quarantine if this number of workers were lost during the task.

This number is larger than :data:`MOST_FAILURES`, because the task is not always the cause of a
lost worker. The machine of the worker may have been switched off.
"""


@dataclass(frozen=True)
class FleetStatus:
    """The progress of a run.

    :param done: number of complete shards.
    :param shards: number of known shards.
    :param unplanned: number of recordings whose shards are not known yet.
    :param frames: number of frames that this run has processed.
    :param rate: frames per second of all workers together.
    :param busy: number of workers that have a task.
    :param workers: number of workers that have started.
    :param seconds_left: expected time until all known shards are complete; None if unknown.
    """

    done: int
    shards: int
    unplanned: int
    frames: int
    rate: float
    busy: int
    workers: int
    seconds_left: float | None


@dataclass
class FleetResult:
    """The result of a run.

    :param recordings: number of recordings whose shards are all complete.
    :param shards: names of the complete shards, in the order of the recordings.
    :param new: number of shards that this run completed.
    :param quarantined: maps the name of each task in quarantine to the reason.
    :param left_out: counts the recordings with an image topic that is not processed. The key is
        the pair of topic and reason.
    :param frames: numbers of frames, see :meth:`.FleetJob.join`.
    :param stopped_by: number of the signal that stopped the run; None if no signal did.
    """

    recordings: int = 0
    shards: list[str] = field(default_factory=list)
    new: int = 0
    quarantined: dict[str, str] = field(default_factory=dict)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    frames: FrameCounts = field(default_factory=FrameCounts)
    stopped_by: int | None = None

    @property
    def exit_code(self) -> int:
        """Exit code after the run: 128 + N if signal N stopped the run.

        Otherwise, the exit code is 1 if a task is in quarantine or if a frame cannot be decoded,
        and 0 if all frames are processed.
        """
        if self.stopped_by:
            return 128 + self.stopped_by
        return 1 if self.quarantined or self.frames.bad else 0


def recording_of(task: Task) -> Recording:
    """Return the recording of a task."""
    return task if isinstance(task, Recording) else task.recording


@dataclass
class _Queue:
    """The waiting tasks of a recording, and the number of workers that work on the recording."""

    tasks: deque[Task] = field(default_factory=deque)
    workers: int = 0


class Schedule:
    """Chooses the next task for each worker.

    A worker first gets the tasks of its last recording, because the worker may have a copy of this
    recording. If this recording has no waiting task, the worker gets a task of the recording on
    which the fewest workers work.
    """

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._busy: dict[int, Task] = {}
        self._processed: Counter[int] = Counter()
        self._last: dict[int, str] = {}
        self._failures: Counter[Task] = Counter()
        self._losses: Counter[Task] = Counter()

    @property
    def open_tasks(self) -> int:
        """Number of tasks that are waiting or running."""
        return len(self._busy) + sum(len(queue.tasks) for queue in self._queues.values())

    @property
    def open_frames(self) -> int:
        """Expected number of frames that no worker has processed yet."""
        waiting = [task for queue in self._queues.values() for task in queue.tasks]
        return sum(task.frames for task in waiting if isinstance(task, Shard)) + sum(
            max(0, task.frames - self._processed[worker])
            for worker, task in self._busy.items() if isinstance(task, Shard))

    @property
    def busy(self) -> int:
        """Number of workers that have a task."""
        return len(self._busy)

    def is_busy(self, worker: int) -> bool:
        """Whether the worker has a task."""
        return worker in self._busy

    def count_frames(self, worker: int, frames: int) -> None:
        """Count frames that a worker has processed since its last report."""
        self._processed[worker] += frames

    def add(self, tasks: Iterable[Task]) -> None:
        """Add tasks. They wait behind the earlier tasks of their recording."""
        for task in tasks:
            self._queues.setdefault(recording_of(task).identity, _Queue()).tasks.append(task)

    def take(self, worker: int) -> Task | None:
        """Assign the next task to the worker, and return the task; None if no task waits."""
        last = self._last.get(worker)
        waiting = {key: queue for key, queue in self._queues.items() if queue.tasks}
        if not waiting:
            return None
        key = last if last in waiting else min(waiting, key=lambda key: waiting[key].workers)
        queue = waiting[key]
        queue.workers += 1
        self._last[worker] = key
        self._busy[worker] = queue.tasks.popleft()
        self._processed[worker] = 0
        return self._busy[worker]

    def finish(self, worker: int) -> Task | None:
        """Take the task away from the worker, and return the task; None if there is no task."""
        task = self._busy.pop(worker, None)
        if task is not None:
            key = recording_of(task).identity
            self._queues[key].workers -= 1
            if not self._queues[key].tasks and not self._queues[key].workers:
                del self._queues[key]
        return task

    def retry(self, task: Task, is_loss: bool) -> bool:
        """Put a failed task back into its queue, and return True.

        If the task has failed too often, leave the task out of the queue, and return False.

        :param is_loss: whether the worker of the task was lost.
        """
        counter, most = (self._losses, MOST_LOSSES) if is_loss else (self._failures, MOST_FAILURES)
        counter[task] += 1
        if counter[task] >= most:
            return False
        self.add([task])
        return True
