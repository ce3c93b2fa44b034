# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The options for workers. Several commands have these options.

A worker is a process that works on one shard at a time. A shard is a part of a recording.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...builder.settings import CALIBRATION_FRAMES, HELD_OUT_FRAMES
from ..arguments.options import Arguments
from ..arguments.values import count, positive


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Options of a command that has workers. The help text of each argument explains its option.

    :param ray: address of a Ray cluster; None to start the workers on this machine.
    :param workers: number of workers; None for as many workers as the GPUs can hold, but at least
        1.
    """

    ray: str | None = None
    workers: int | None = None
    cpus_per_worker: float = 1.0
    lease: float = 300.0
    retry: bool = False


@dataclass(frozen=True, kw_only=True)
class GpuWorkerOptions(WorkerOptions):
    """Options of a command whose workers can use GPUs."""

    gpus_per_worker: float = 0.5


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions(WorkerOptions):
    """Options that choose the frames for a calibration. Workers with these options use no GPU.

    :param calibrate: recordings on which the ranges of the tensors are measured; () to use the
        ranges of an earlier build.
    :param topic: image topic of the bags. None means the only image topic of each bag. With
        workers, None means all cameras of each bag.
    :param hold_out: recordings on which the accuracy is measured; () to use the frames that
        calibration did not use, or street scenes if there are no such frames.
    :param work: folder or URL for the results of the workers; None for a temporary folder.
    """

    calibrate: tuple[str, ...] = ()
    topic: str | None = None
    frames: int = CALIBRATION_FRAMES
    every: float = 1.0
    hold_out: tuple[str, ...] = ()
    hold_out_frames: int = HELD_OUT_FRAMES
    work: str | None = None

    @property
    def has_workers(self) -> bool:
        """Whether workers choose the frames."""
        return self.ray is not None or self.workers is not None


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
                         'machine without a GPU, the default is 1' if uses_gpus else
                         'number of workers; default: 1 on this machine, or one for each core of '
                         'a Ray cluster')
    if uses_gpus:
        workers.add_argument('--gpus-per-worker', type=positive, metavar='G',
                             help='share of a GPU that each worker needs (%(default)s)')
    workers.add_argument('--cpus-per-worker', type=positive, metavar='C',
                         help=f'with --ray{" on a cluster without GPUs" if uses_gpus else ""}: '
                         'number of cores that each worker needs (%(default)s)')
    workers.add_argument('--lease', type=positive, metavar='S',
                         help='if a worker does not report for S seconds, end this worker and '
                         'give its shard to another worker (%(default)s)')
    workers.add_argument('--retry', action='store_true',
                         help='try the shards in quarantine again. A shard is a part of a '
                         'recording. It is in quarantine if it failed too often')


def add_work(workers: Arguments) -> None:
    """Add --work."""
    workers.add_argument('--work', metavar='DIR|URL',
                         help='folder or URL for the results of the workers. If a command with '
                         '--work is stopped, run the same command again: it does only the missing '
                         'work. --ray needs this option. By default, a temporary folder is used')
