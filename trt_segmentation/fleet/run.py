# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Leads a run: gives tasks to workers until each shard is complete or in quarantine.

A shard is a part of a recording. A task is to divide a recording into shards, or to process a
shard. A task that fails too often is put into quarantine. Later runs skip this
task, except with ``--retry``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
import hashlib
import json
import time
from typing import Any

from ..errors import FleetError
from ..serving.stopping import StopSignals
from .local_workers import Workers
from .recordings import Recording
from .run_folder import (
    find_old_plans,
    name_as_before,
    PLANS,
    QUARANTINE,
    read_plans,
    remove_old_quarantine,
    sort_shards,
)
from .schedule import FleetResult, FleetStatus, recording_of, Schedule
from .shards import dump_plan, FleetJob, read_plan, Shard, ShardPlan
from .store import dump_json, Store
from .worker import Committed, Event, Failed, Lost, Planned, Progress, Ready, Task

LEASE = 300.0
"""If a worker with a task reports nothing for this time in seconds, the worker is ended. Another
worker gets the task."""
START_LEASE = 3600.0
"""A worker must start within this number of seconds. TensorRT may need many minutes for a new
engine."""
MOST_STARTS = 6
"""After this number of failed starts, with no successful start between them, the run ends."""
TELL_SECONDS = 1.0
"""The status is reported at this interval in seconds."""
RATE_SECONDS = 30.0
"""The frame rate is averaged over a time window of this number of seconds."""


class FleetRun:
    """A run over recordings. Shards that are already complete are not processed again.

    :param store: the folder of the run, see :func:`.open_store`.
    :param lease: see :data:`LEASE`.
    :param report: called once a second with the status of the run.
    :param say: called with a line of text if a task is put into quarantine or a worker is lost.
    """

    def __init__(self, job: FleetJob, store: Store, recordings: Sequence[Recording],
                 workers: Workers, *, lease: float = LEASE,
                 report: Callable[[FleetStatus], None] = lambda _: None,
                 say: Callable[[str], None] = lambda _: None) -> None:
        self._job, self._store, self._workers = job, store, workers
        self._recordings, self._lease = recordings, lease
        self._report, self._say = report, say
        self._result = FleetResult()
        self._done = store.find_done()
        self._new: set[str] = set()
        self._given_up = store.find(QUARANTINE, '.json')
        self._folder_plans: dict[str, dict[str, Any]] = {}
        self._plans: dict[str, list[str]] = {}
        self._shards, self._complete, self._told = 0, 0, 0.0
        self._unplanned = 0
        self._schedule = Schedule()
        self._starting: dict[int, float] = {}
        self._heard: dict[int, float] = {}
        self._failed_starts, self._frames = 0, 0
        self._recent: deque[tuple[float, int]] = deque()
        self._since: float | None = None    # start of the time window of the rate

    def run(self, stop: StopSignals, classes: Sequence[str]) -> FleetResult:
        """Process the shards that are not complete, and join the results.

        :param classes: names of the classes of the model.
        :raises FleetError: if no worker can start, or if a result cannot be written, such as on a
            full disk. The complete shards stay complete.
        """
        self._store.sweep()
        self._read_plans()
        try:
            while self._schedule.open_tasks and not stop.caught:
                self._hire()
                for worker, event in self._workers.wait(0.2):
                    self._handle(worker, event)
                self._end_silent_workers()
                self._tell()
            self._tell(is_last=True)
        finally:
            self._workers.close()
            self._store.sweep()
        self._result.stopped_by = stop.caught
        self._result.new = len(self._new)
        self._result.shards = [name for recording in self._recordings
                               for name in self._plans.get(recording.identity, [])
                               if name in self._done]
        complete = [recording for recording in self._recordings
                    if recording.identity in self._plans
                    and self._done.issuperset(self._plans[recording.identity])]
        self._result.recordings = len(complete)
        remove_old_quarantine(self._store, complete, self._done)
        self._join(classes)
        return self._result

    def _join(self, classes: Sequence[str]) -> None:
        """Join the results. Delete the old plan of each recording that has changed."""
        old = find_old_plans(self._folder_plans, self._recordings)
        shards = sort_shards((plan for name, plan in self._folder_plans.items()
                              if name not in old), self._job)
        self._result.frames = self._job.join(
            self._store, self._result.shards, [n for n in shards if n in self._done], self._new,
            classes)
        for name in old:
            self._store.remove(name)

    def _read_plans(self) -> None:
        """Make the tasks. A plan is the list of the shards of a recording.

        If the plan of a recording is stored, each incomplete shard is a task. If there is no plan
        yet, the task is to divide the recording into shards.
        """
        self._folder_plans = read_plans(self._store)
        for recording in name_as_before(self._recordings, self._folder_plans):
            if (tree := self._folder_plans.get(self._plan_name(recording))) is not None:
                plan = read_plan(tree, recording)
                if tree['recording'] != asdict(recording):
                    self._write_plan(recording, plan)
                self._add_plan(recording, plan)
            elif not self._is_given_up(recording):
                self._unplanned += 1
                self._schedule.add([recording])

    def _write_plan(self, recording: Recording, plan: ShardPlan) -> None:
        name, tree = self._plan_name(recording), dump_plan(recording, plan)
        self._store.write(name, dump_json(tree))
        self._folder_plans[name] = tree

    def _add_plan(self, recording: Recording, plan: ShardPlan) -> None:
        names = [shard.name(self._job) for shard in plan.shards]
        self._result.left_out.update(plan.left_out.items())
        self._plans[recording.identity] = names
        self._shards += len(names)
        self._complete += sum(name in self._done for name in names)
        self._schedule.add(shard for shard, name in zip(plan.shards, names)
                           if name not in self._done and not self._is_given_up(shard))

    def _is_given_up(self, task: Task) -> bool:
        name = self._name(task)
        if name not in self._given_up:
            return False
        data = self._store.read(f'{QUARANTINE}/{name}.json')
        self._result.quarantined[_title(task)] = json.loads(data or b'{}').get('reason', '')
        return True

    def _hire(self) -> None:
        wanted = min(self._workers.wanted, self._schedule.open_tasks)
        for _ in range(wanted - len(self._starting) - len(self._heard)):
            self._starting[self._workers.start()] = time.monotonic()
        for worker in self._heard:
            if not self._schedule.is_busy(worker) and (
                    task := self._schedule.take(worker)) is not None:
                self._heard[worker] = now = time.monotonic()
                if isinstance(task, Shard) and self._since is None:
                    self._since = now
                self._workers.give(worker, task)

    def _handle(self, worker: int, event: Event) -> None:
        now = time.monotonic()
        if worker not in self._starting and worker not in self._heard:
            return      # the worker has been ended, and this event came before its end
        if isinstance(event, Ready):
            del self._starting[worker]
            self._failed_starts = 0
        if not isinstance(event, Lost) and worker not in self._starting:
            self._heard[worker] = now
        if worker in self._starting and isinstance(event, Failed | Lost):
            self._fail_start(worker, event.reason)
        elif isinstance(event, Progress):
            self._frames += event.frames
            self._recent.append((now, event.frames))
            self._schedule.count_frames(worker, event.frames)
        elif isinstance(event, Planned) and isinstance(
                task := self._schedule.finish(worker), Recording):
            self._unplanned -= 1
            self._write_plan(task, event.plan)
            self._add_plan(task, event.plan)
        elif isinstance(event, Committed) and isinstance(
                task := self._schedule.finish(worker), Shard):
            self._new.add(name := task.name(self._job))
            self._done.add(name)
            self._complete += 1
        elif isinstance(event, Failed | Lost):
            self._fail(worker, event)

    def _fail_start(self, worker: int, reason: str) -> None:
        self._forget(worker)
        self._failed_starts += 1
        if self._failed_starts >= MOST_STARTS:
            raise FleetError(f'no worker starts: {reason}')

    def _fail(self, worker: int, event: Failed | Lost) -> None:
        task = self._schedule.finish(worker)
        if isinstance(event, Failed) and event.ends_run:
            raise FleetError(f'{event.reason.rstrip(".")}. The complete shards stay complete. Run '
                             'the same command again to do the rest')
        if isinstance(event, Lost) or not event.can_go_on:
            self._forget(worker)
        if task is None:
            return
        if isinstance(event, Lost):
            self._say(f'a worker was lost: {event.reason}')
        if not self._schedule.retry(task, isinstance(event, Lost)):
            recording = recording_of(task)
            # The title already has the path, so the reason does not repeat the path.
            reason = event.reason.removeprefix(f'{recording.local} ')
            self._say(f'{_title(task)} is in quarantine')
            self._unplanned -= isinstance(task, Recording)
            self._result.quarantined[_title(task)] = reason
            self._store.write(f'{QUARANTINE}/{self._name(task)}.json', dump_json(
                {'what': _title(task), 'reason': reason, 'url': recording.url,
                 'identity': recording.identity}))

    def _end_silent_workers(self) -> None:
        now = time.monotonic()
        for worker, since in list(self._starting.items()):
            if now - since > START_LEASE:
                self._fail_start(worker, f'a worker did not start in {START_LEASE:g} s')
        for worker, since in list(self._heard.items()):
            if self._schedule.is_busy(worker) and now - since > self._lease:
                self._fail(worker, Lost(f'no report for {self._lease:g} s'))

    def _forget(self, worker: int) -> None:
        self._workers.stop(worker)
        self._starting.pop(worker, None)
        self._heard.pop(worker, None)

    def _tell(self, is_last: bool = False) -> None:
        now = time.monotonic()
        if now - self._told < TELL_SECONDS and not is_last:
            return
        self._told = now
        while self._recent and self._recent[0][0] < now - RATE_SECONDS:
            self._since, _ = self._recent.popleft()
        span = 0.0 if self._since is None else now - self._since
        rate = sum(frames for _, frames in self._recent) / span if span else 0.0
        status = FleetStatus(
            self._complete, self._shards, self._unplanned, self._frames,
            rate, self._schedule.busy, len(self._heard),
            self._schedule.open_frames / rate if rate else None)
        self._workers.publish({'shards_done': status.done, 'shards': status.shards,
                               'frames_per_second': rate, 'busy_workers': status.busy})
        self._report(status)

    def _plan_name(self, recording: Recording) -> str:
        return f'{PLANS}/{self._plan_key(recording)}.json'

    def _plan_key(self, recording: Recording) -> str:
        causes = json.dumps([recording.identity, self._job.topic, self._job.window_s])
        return hashlib.sha256(causes.encode()).hexdigest()[:40]

    def _name(self, task: Task) -> str:
        """Return the name of a task's file in :data:`QUARANTINE`, without its suffix."""
        if isinstance(task, Shard):
            return task.name(self._job)
        return f'recording-{self._plan_key(task)}'


def _title(task: Task) -> str:
    if isinstance(task, Recording):
        return task.url
    seconds = task.begin_ns / 1e9
    return f'{task.recording.url} {task.topic} from {seconds:.3f} s'.replace('  ', ' ')
