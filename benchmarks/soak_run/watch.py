# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What is watched of the node's process: memory, threads, handles, segments, GPU memory."""

from __future__ import annotations

from dataclasses import dataclass
import os
from pathlib import Path
import re
import shutil
import subprocess
import threading
import time


@dataclass(frozen=True)
class Sample:
    """A process at one moment.

    :param at: seconds since the first sample.
    :param rss_mb: memory in use, pages shared with others counted whole, in 2**20 bytes.
    :param pss_mb: the same with shared pages divided among those who share them.
    :param private_mb: what only this process can have allocated: anonymous memory.
    :param handles: open file descriptors.
    :param segments: files of /dev/shm that are mapped.
    :param gpu_mb: memory in use of the whole GPU; None where no nvidia-smi tells.
    """

    at: float
    rss_mb: float
    pss_mb: float
    private_mb: float
    threads: int
    handles: int
    segments: int
    gpu_mb: float | None = None


def sample(pid: int, at: float, gpu: int | None) -> Sample:
    """Look at a process now; Linux only.

    :raises OSError: when it has ended.
    """
    proc = Path('/proc', str(pid))
    rollup = dict(re.findall(r'^(\w+): +(\d+) kB', (proc / 'smaps_rollup').read_text(), re.M))
    threads = re.search(r'^Threads:\t(\d+)', (proc / 'status').read_text(), re.M)
    segments = set(re.findall(r'/dev/shm/\S+', (proc / 'maps').read_text()))
    assert threads is not None
    rss, pss, private = (int(rollup[key]) / 1024 for key in ('Rss', 'Pss', 'Anonymous'))
    return Sample(at, rss, pss, private, int(threads[1]), len(os.listdir(proc / 'fd')),
                  len(segments), None if gpu is None else _gpu_mb(gpu))


def gpu_to_watch(index: int) -> int | None:
    """That index where nvidia-smi knows it, else None."""
    if not shutil.which('nvidia-smi') or _gpu_mb(index) is None:
        return None
    return index


def _gpu_mb(index: int) -> float | None:
    # not by process: in a container the driver and we know it by different numbers
    done = subprocess.run(
        ['nvidia-smi', '--query-gpu=memory.used', '--format=csv,noheader,nounits',
         f'--id={index}'], capture_output=True, text=True, check=False)
    try:
        return float(done.stdout)
    except ValueError:
        return None


class Watch:
    """Samples a process in a thread of its own until stopped."""

    def __init__(self, pid: int, period: float, gpu: int | None) -> None:
        self.samples: list[Sample] = []
        self._pid = pid
        self._period = period
        self._gpu = gpu
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> list[Sample]:
        """End and return every sample."""
        self._stop.set()
        self._thread.join()
        return self.samples

    def _run(self) -> None:
        began = time.monotonic()
        due = began
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            try:
                self.samples.append(sample(self._pid, time.monotonic() - began, self._gpu))
            except OSError:
                return  # the process ended, and the benchmark will say so
            due += self._period
