# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The options of workers, which several commands share."""

from __future__ import annotations

from typing import Protocol

from ..arguments.options import Arguments
from ..arguments.values import count, positive


class WorkerOptions(Protocol):
    """Options of a command that has workers. The help text of each argument explains its option.

    ``ray`` is the address of a Ray cluster; None for processes of this machine. ``workers`` is the
    number of workers; None for as many as the GPUs can hold, at least 1.
    """

    @property
    def ray(self) -> str | None: ...
    @property
    def workers(self) -> int | None: ...
    @property
    def gpus_per_worker(self) -> float: ...
    @property
    def cpus_per_worker(self) -> float: ...
    @property
    def lease(self) -> float: ...
    @property
    def retry(self) -> bool: ...


class CalibrationOptions(WorkerOptions, Protocol):
    """Options of a calibration with workers. :class:`.BuildCommandOptions` explains them."""

    @property
    def model(self) -> str: ...
    @property
    def calibrate(self) -> tuple[str, ...]: ...
    @property
    def topic(self) -> str | None: ...
    @property
    def frames(self) -> int: ...
    @property
    def every(self) -> float: ...
    @property
    def hold_out(self) -> tuple[str, ...]: ...
    @property
    def hold_out_frames(self) -> int: ...
    @property
    def work(self) -> str | None: ...


def add_workers(workers: Arguments, results: str, uses_gpus: bool = True) -> None:
    """Add the options of workers.

    :param results: name of the option for the folder of the results, such as ``--out``.
    :param uses_gpus: whether the workers of the command can use GPUs.
    """
    workers.add_argument('--ray', metavar='auto|ADDRESS',
                         help='run the workers on a Ray cluster. `auto` means the cluster of this '
                         f'machine. All machines must see the sources and {results} at the same '
                         'paths or URLs')
    workers.add_argument('--workers', type=count, metavar='N',
                         help='number of workers; default: as many as the GPUs can hold. On one '
                         'machine without a GPU: 1' if uses_gpus else
                         'number of workers; default: 1 on this machine, or one for each core of '
                         'a Ray cluster')
    if uses_gpus:
        workers.add_argument('--gpus-per-worker', type=positive, metavar='G',
                             help='share of a GPU that each worker needs (%(default)s)')
    workers.add_argument('--cpus-per-worker', type=positive, metavar='C',
                         help=f'with --ray{" on a cluster without GPUs" if uses_gpus else ""}: '
                         'number of cores that each worker needs (%(default)s)')
    workers.add_argument('--lease', type=positive, metavar='S',
                         help='if a worker does not report for S seconds, end it and give '
                         'its shard to another worker (%(default)s)')
    workers.add_argument('--retry', action='store_true',
                         help='try the shards in quarantine again')


def add_work(workers: Arguments) -> None:
    """Add --work."""
    workers.add_argument('--work', metavar='DIR|URL',
                         help='folder or URL for the results of the shards. If the command is '
                         'stopped, the same command with the same --work does only the missing '
                         'shards. --ray needs this option. By default, a temporary folder is used')
