# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Takes samples of a process: memory, threads, file handles, segments, GPU memory."""

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
class ProcessSample:
    """A process at one moment. Memory is in units of 2**20 bytes.

    :param at: seconds since the first sample.
    :param rss_mb: resident memory, with all shared pages.
    :param pss_mb: resident memory. If n processes share a page, 1/n of the page counts.
    :param private_mb: anonymous memory, which no other process shares.
    :param handles: number of open file descriptors.
    :param segments: number of mapped files in /dev/shm.
    :param gpu_mb: used memory of the whole GPU; None if nvidia-smi does not report it.
    """

    at: float
    rss_mb: float
    pss_mb: float
    private_mb: float
    threads: int
    handles: int
    segments: int
    gpu_mb: float | None = None


def sample(pid: int, at: float, gpu: int | None) -> ProcessSample:
    """Measure a process. This works only on Linux.

    :raises OSError: if the process has ended.
    """
    proc = Path('/proc', str(pid))
    rollup = dict(re.findall(r'^(\w+): +(\d+) kB', (proc / 'smaps_rollup').read_text(), re.M))
    threads = re.search(r'^Threads:\t(\d+)', (proc / 'status').read_text(), re.M)
    segments = set(re.findall(r'/dev/shm/\S+', (proc / 'maps').read_text()))
    assert threads is not None
    rss, pss, private = (int(rollup[key]) / 1024 for key in ('Rss', 'Pss', 'Anonymous'))
    return ProcessSample(at, rss, pss, private, int(threads[1]), len(os.listdir(proc / 'fd')),
                         len(segments), None if gpu is None else _gpu_mb(gpu))


def gpu_to_watch(index: int) -> int | None:
    """Return the index if nvidia-smi knows this GPU, otherwise None."""
    if not shutil.which('nvidia-smi') or _gpu_mb(index) is None:
        return None
    return index


def _gpu_mb(index: int) -> float | None:
    # The memory of one process is not known, because a container has its own process ids.
    done = subprocess.run(
        ['nvidia-smi', '--query-gpu=memory.used', '--format=csv,noheader,nounits',
         f'--id={index}'], capture_output=True, text=True, check=False)
    try:
        return float(done.stdout)
    except ValueError:
        return None


class Watch:
    """Measures a process again and again in its own thread."""

    def __init__(self, pid: int, period: float, gpu: int | None) -> None:
        self.samples: list[ProcessSample] = []
        self._pid, self._period, self._gpu = pid, period, gpu
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> list[ProcessSample]:
        self._stop.set()
        self._thread.join()
        return self.samples

    def _run(self) -> None:
        began = due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            try:
                self.samples.append(sample(self._pid, time.monotonic() - began, self._gpu))
            except OSError:
                return  # The process has ended. Rig.spin() reports this.
            due += self._period
