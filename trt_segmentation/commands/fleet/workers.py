# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Runs a job, such as labelling, on the workers that the options of a command describe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
import sys

from rich.console import Console

from ...fleet.local_workers import LocalWorkers, Workers
from ...fleet.recordings import Recording
from ...fleet.run import FleetRun
from ...fleet.run_folder import forget_quarantine
from ...fleet.schedule import FleetResult, FleetStatus
from ...fleet.scratch import ScratchFolder
from ...fleet.shards import FleetJob, FrameCounts
from ...fleet.store import Store
from ...serving.stopping import StopSignals
from ...untrusted.terminal_text import count_noun
from .options import GpuWorkerOptions, WorkerOptions


def run_workers(job: FleetJob, store: Store, recordings: Sequence[Recording],
                classes: Sequence[str], workers: Workers, options: WorkerOptions,
                report: Callable[[FleetStatus], None], say: Callable[[str], None]) -> FleetResult:
    """Process all recordings. :class:`.FleetRun` explains ``report`` and ``say``.

    :param classes: names of the classes of the model.
    :param workers: result of :func:`open_workers`.
    :raises FleetError: see :meth:`.FleetRun.run`.
    """
    if options.retry:
        forget_quarantine(store)
    with StopSignals() as stop:
        return FleetRun(job, store, recordings, workers, lease=options.lease, report=report,
                        say=say).run(stop, classes)


def open_workers(job: FleetJob, options: WorkerOptions) -> Workers:
    """Return the workers that the options describe. The workers are not started yet.

    :raises FleetError: if there is no Ray cluster at ``options.ray``.
    :raises ModuleNotFoundError: if ``options.ray`` is given and Ray is not installed.
    """
    gpus = options.gpus_per_worker if isinstance(options, GpuWorkerOptions) else 1.0
    if options.ray is None:
        return LocalWorkers(job, options.workers, gpus)
    from ...fleet.ray_workers import RayWorkers
    return RayWorkers(job, options.ray, options.workers, gpus, options.cpus_per_worker)


@contextmanager
def open_work_folder(work: str | None) -> Iterator[str]:
    """Yield ``work``. If ``work`` is None, yield a temporary folder and delete it at the end."""
    if work is not None:
        yield work
        return
    with closing(ScratchFolder()) as scratch:
        yield str(scratch.path / 'work')


def print_quarantine(quarantined: Mapping[str, str], can_retry: bool = True) -> None:
    """Print the recordings and shards in quarantine, and the reasons.

    A shard is a part of a recording. If a recording or a shard fails too often, it is put into
    quarantine, and no worker tries it again without ``--retry``.

    :param quarantined: see :attr:`.FleetResult.quarantined`.
    :param can_retry: whether the results are kept, so that ``--retry`` is useful.
    """
    if quarantined:
        count = len(quarantined)
        these = ('1 shard or recording is in quarantine' if count == 1 else
                 f'{count} shards or recordings are in quarantine')
        hint = f' (--retry tries {"it" if count == 1 else "them"} again)' if can_retry else ''
        print_line(f'{these}{hint}:')
        for name, reason in quarantined.items():
            print_line(f'  {name}: {reason}')


def print_left_out(left_out: Counter[tuple[str, str]], option: str) -> None:
    """Print the image topics that are not used, and the reasons.

    :param left_out: see :attr:`.FleetResult.left_out`.
    :param option: the option that chooses a topic.
    """
    for (topic, reason), count in sorted(left_out.items()):
        print_line(f'{topic} is left out in {count_noun(count, "recording")}: {reason}')
    if left_out:
        print_line(f'To use such a topic, give it with {option}')


def describe_frames(frames: FrameCounts, done: str) -> str:
    """Return the numbers of frames as text, such as ``80 frames labelled``.

    :param done: what was done with the frames that could be decoded.
    """
    bad = f', {frames.bad} could not be decoded' if frames.bad else ''
    return f'{count_noun(frames.good, "frame")} {done}{bad}'


def print_line(line: str) -> None:
    """Print a line on stdout. The line is not wrapped, and brackets in it are not markup."""
    Console(file=sys.stdout).print(line, markup=False, highlight=False, soft_wrap=True)
