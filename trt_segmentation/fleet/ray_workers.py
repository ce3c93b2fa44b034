# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs workers as actors on a Ray cluster. The library Ray runs Python on several machines.

A worker does one task after the other. A task is to divide a recording into parts, or to process
one part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
import itertools
import math
import socket
import time
from typing import Any

import ray
from ray.util.metrics import Gauge

from ..errors import FleetError
from .local_workers import Workers
from .shards import FleetJob
from .worker import Event, FleetWorker, Lost, Task

CONNECT_SECONDS = 10.0
"""Longest wait in seconds for a connection to a cluster."""
ASK_SECONDS = 5.0
"""Time in seconds between two checks of the size of the cluster."""


class RayWorkers(Workers):
    """Workers on a Ray cluster. Every worker is an actor, which is a process that Ray starts.

    Ray never restarts an actor. If an actor is lost, the caller starts a new actor. An actor gets
    a task only after the actor has started. So no task waits for an actor that the cluster cannot
    start.

    :param address: ``auto``, or the address of a cluster. If this process is connected to a
        cluster already, this connection is used.
    :param count: number of workers; None for as many as the cluster can hold.
    :param gpus_per_worker: share of a GPU that a worker needs.
    :param cpus_per_worker: CPU cores that a worker gets if the cluster has no GPU, or if the
        engine is ``onnxruntime-cpu``.
    :raises FleetError: if there is no cluster at ``address``.
    """

    def __init__(self, job: FleetJob, address: str, count: int | None, gpus_per_worker: float,
                 cpus_per_worker: float = 1.0) -> None:
        try:
            _check_port(address)
            ray.init(address=address, ignore_reinit_error=True, log_to_driver=False,
                     logging_level='error')
        except (OSError, ValueError, RuntimeError) as error:
            raise FleetError(f'there is no Ray cluster at {address}: {error}. Start one with '
                             '`ray start --head`') from error
        self._count = count
        has_gpus = ray.cluster_resources().get('GPU', 0) > 0 and job.engine != 'onnxruntime-cpu'
        self._needs = {'GPU': gpus_per_worker} if has_gpus else {'CPU': cpus_per_worker}
        self._actor = ray.remote(num_gpus=self._needs.get('GPU', 0), max_restarts=0,
                                 num_cpus=self._needs.get('CPU', 0))(_Actor)
        self._job = job
        self._numbers = itertools.count()
        self._alive: dict[int, Any] = {}
        self._streams: dict[Any, int] = {}
        self._gauges: dict[str, Any] = {}
        self._asked, self._wanted = -math.inf, 1

    @property
    def wanted(self) -> int:
        if time.monotonic() - self._asked > ASK_SECONDS:
            ((kind, share),) = self._needs.items()
            fitting = math.floor(ray.cluster_resources().get(kind, 0) / share + 1e-6)
            self._wanted = max(1, self._count or fitting)
            self._asked = time.monotonic()
        return self._wanted

    def start(self) -> int:
        number = next(self._numbers)
        self._alive[number] = self._actor.remote(self._job)
        self._streams[self._alive[number].open.options(num_returns='streaming').remote()] = number
        return number

    def give(self, worker: int, task: Task) -> None:
        work = self._alive[worker].work.options(num_returns='streaming')
        self._streams[work.remote(task)] = worker

    def wait(self, seconds: float) -> Sequence[tuple[int, Event]]:
        if not self._streams:
            time.sleep(seconds)
            return []
        ready, _ = ray.wait(list(self._streams), num_returns=len(self._streams), timeout=0)
        if not ready:
            ready, _ = ray.wait(list(self._streams), num_returns=1, timeout=seconds)
        events: list[tuple[int, Event]] = []
        for stream in ready:
            number = self._streams[stream]
            try:
                events.append((number, ray.get(next(stream))))
            except StopIteration:
                del self._streams[stream]
            except ray.exceptions.RayError as error:
                self.stop(number)
                reason = str(error).strip().splitlines()
                events.append((number, Lost(reason[0] if reason else type(error).__name__)))
        return events

    def stop(self, worker: int) -> None:
        self._streams = {s: number for s, number in self._streams.items() if number != worker}
        if (actor := self._alive.pop(worker, None)) is not None:
            ray.kill(actor)

    def publish(self, numbers: Mapping[str, float]) -> None:
        """Publish each number as the metric ``trt_seg_NAME`` of Ray's dashboard."""
        for name, value in numbers.items():
            if name not in self._gauges:
                self._gauges[name] = Gauge(f'trt_seg_{name}', tag_keys=('run',))
            self._gauges[name].set(value, {'run': self._job.key})

    def close(self) -> None:
        """End all workers at once. The connection to the cluster stays open."""
        for worker in list(self._alive):
            self.stop(worker)


class _Actor:
    """A worker in a process of Ray. The process sees only the GPU that Ray gave to the actor."""

    def __init__(self, job: FleetJob) -> None:
        self._worker = FleetWorker(job)

    def open(self) -> Iterator[Event]:
        yield from self._worker.open()

    def work(self, task: Task) -> Iterator[Event]:
        yield from self._worker.work(task)


def _check_port(address: str) -> None:
    """Raise an OSError if no program accepts a connection at ``host:port``.

    Without this check, Ray would try to connect for minutes.
    """
    host, colon, port = address.rpartition('://')[2].rpartition(':')
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
