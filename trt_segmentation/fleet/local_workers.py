# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of a group of workers, and a group whose workers are processes on this machine.

The workers do the tasks of a run: they divide recordings into parts, and process these parts. The
messages about a worker are called events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
import itertools
import math
import multiprocessing as mp
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
import os
import signal
import time
from typing import Protocol

from ..engines.nvidia_driver import ask_driver
from .shards import FleetJob
from .worker import Event, FleetWorker, Lost, Task

CLOSE_SECONDS = 3.0
"""At the end of a run, workers that do not exit within this number of seconds are killed."""


class Workers(Protocol):
    """A group of workers. Use this object in one thread. Each worker has a unique number."""

    @property
    def wanted(self) -> int:
        """Number of workers that should run now."""

    def start(self) -> int:
        """Start a worker, and return the worker's number.

        The first event of the worker is Ready, Failed or Lost.
        """

    def give(self, worker: int, task: Task) -> None:
        """Give a task to a free worker."""

    def wait(self, seconds: float) -> Sequence[tuple[int, Event]]:
        """Return the new events, each with the number of its worker.

        If there are no new events, wait up to ``seconds`` for the first event. After the event
        Lost, the worker does not exist any more.
        """

    def stop(self, worker: int) -> None:
        """End a worker at once. There are no more events of this worker."""

    def publish(self, numbers: Mapping[str, float]) -> None:
        """Publish the status of a run, for example on a dashboard."""

    def close(self) -> None:
        """End all workers, even if they have tasks."""


@dataclass(frozen=True)
class _Process:
    process: BaseProcess
    pipe: Connection
    gpu: int


class LocalWorkers(Workers):
    """Workers in processes on this machine.

    :param count: number of workers. None means as many workers as the GPUs can hold, or one worker
        if there is no GPU.
    :param gpus_per_worker: share of a GPU that a worker needs. With 0.5, two workers share a GPU.
    """

    def __init__(self, job: FleetJob, count: int | None, gpus_per_worker: float) -> None:
        self._job = job
        gpus = 0 if job.engine == 'onnxruntime-cpu' else len(ask_driver().gpus)
        self._gpus = max(1, gpus)
        self._count = count or max(1, math.floor(gpus / gpus_per_worker + 1e-6))
        self._numbers = itertools.count()
        self._alive: dict[int, _Process] = {}

    @property
    def wanted(self) -> int:
        return self._count

    def start(self) -> int:
        number = next(self._numbers)
        used = [worker.gpu for worker in self._alive.values()]
        gpu = min(range(self._gpus), key=used.count)
        # A forked process would share the CUDA context of this process.
        context = mp.get_context('spawn')
        pipe, other = context.Pipe()
        process = context.Process(target=run_worker, args=[self._job, gpu, other], daemon=True)
        process.start()
        other.close()
        self._alive[number] = _Process(process, pipe, gpu)
        return number

    def give(self, worker: int, task: Task) -> None:
        with suppress(OSError):     # if the process ended, wait() reports its end
            self._alive[worker].pipe.send(task)

    def wait(self, seconds: float) -> Sequence[tuple[int, Event]]:
        numbers = {worker.pipe: number for number, worker in self._alive.items()}
        events: list[tuple[int, Event]] = []
        for pipe in wait(list(numbers), seconds):
            number = numbers[pipe]      # type: ignore[index]
            try:
                events.append((number, self._alive[number].pipe.recv()))
            except (EOFError, OSError):
                events.append((number, Lost(self._bury(number))))
        return events

    def stop(self, worker: int) -> None:
        if worker in self._alive:
            self._alive[worker].process.kill()
            self._bury(worker)

    def publish(self, numbers: Mapping[str, float]) -> None:
        pass        # there is no dashboard

    def close(self) -> None:
        """End all workers. They have :data:`CLOSE_SECONDS` to delete their temporary files."""
        for worker in self._alive.values():
            worker.pipe.close()
        end = time.monotonic() + CLOSE_SECONDS
        for worker in self._alive.values():
            worker.process.join(max(0, end - time.monotonic()))
        for number in list(self._alive):
            self.stop(number)

    def _bury(self, number: int) -> str:
        """Remove a process that ended, and return why the process ended."""
        worker = self._alive.pop(number)
        worker.pipe.close()
        worker.process.join(10)
        code = worker.process.exitcode
        if code is not None and code < 0:
            return f'{signal.Signals(-code).name} ended the worker'
        return f'the worker ended with exit code {code}'


def run_worker(job: FleetJob, gpu: int, pipe: Connection) -> None:
    """Run a worker until the other end of the pipe is closed, then end this process."""
    # Ctrl-C sends SIGINT to all processes of a terminal. Only the process that leads the run
    # handles this signal.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = FleetWorker(job, gpu)
    try:
        for event in worker.open():
            pipe.send(event)
        while True:
            task: Task = pipe.recv()
            for event in worker.work(task):
                pipe.send(event)
    except (EOFError, OSError):     # the process that leads the run closed the pipe
        pass
    finally:
        worker.close()
        # Do not wait for the threads of libraries: their work is not needed any more.
        os._exit(0)
