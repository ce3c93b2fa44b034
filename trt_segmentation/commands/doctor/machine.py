# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Check the machine: Python, GPU, shared memory and network buffers."""

from __future__ import annotations

import os
from pathlib import Path
import platform
import sys

from ...engines.nvidia_driver import Driver
from .check import Check, OK, WARNING

IMAGE = 1920 * 1080 * 3
"""Size of an image of 1920x1080 pixels in bgr8, in bytes."""

SEGMENT = 64 << 20
"""Number of bytes that a process with the profile config/fastdds.xml uses in /dev/shm."""


def python() -> Check:
    """Show the Python interpreter and its version."""
    return Check('Python', OK, f'{platform.python_version()}, {sys.executable}')


def driver(found: Driver) -> Check:
    """Check the NVIDIA driver and show the CUDA version that it supports."""
    if found.why_not:
        wanted = ('sudo ubuntu-drivers install' if 'without a driver' in found.why_not else
                  'in a container: docker run --gpus all' if os.path.exists('/.dockerenv')
                  else '')
        return Check('driver', WARNING, f'{found.why_not}; the CPU runs the network', wanted)
    major, minor = found.cuda
    return Check('driver', OK, f'NVIDIA {found.version or "of unknown version"}, runs CUDA up '
                 f'to {major}.{minor}')


def gpus(found: Driver) -> list[Check]:
    """Show every GPU with its compute capability and memory."""
    return [Check(f'GPU {index}', OK,
                  f'{gpu.name}, compute capability {gpu.capability[0]}.{gpu.capability[1]}, '
                  f'{gpu.memory / 2**30:.1f} GiB'
                  + (' shared with the CPU' if gpu.integrated else ''))
            for index, gpu in enumerate(found.gpus)]


def shared_memory(folder: str = '/dev/shm') -> Check:
    """Check the shared memory that carries images between processes of this machine."""
    try:
        status = os.statvfs(folder)
    except OSError as error:
        return Check('shared memory', WARNING, f'{folder} cannot be used ({error.strerror}); '
                     'images between processes go through the network stack',
                     f'mount a tmpfs at {folder}')
    size, free = (n * status.f_frsize for n in (status.f_blocks, status.f_bavail))
    text = f'{folder} has {size / 2**20:.0f} MiB; {free / 2**20:.0f} MiB of them are free'
    if free < 4 * SEGMENT:
        return Check('shared memory', WARNING, f'{text}; each process that sends images '
                     f'needs {SEGMENT >> 20} MiB, so fewer than 4 such processes fit. If a '
                     'process does not fit, images are lost',
                     'docker run --shm-size=1g, or sudo mount -o remount,size=1g /dev/shm')
    return Check('shared memory', OK, text)


def receive_buffer(path: Path = Path('/proc/sys/net/core/rmem_max')) -> Check:
    """Check whether an image from another machine fits into the largest socket buffer."""
    try:
        size = int(path.read_text())
    except (OSError, ValueError):
        return Check('rmem_max', WARNING, f'{path} cannot be read')
    text = f'net.core.rmem_max is {size:,} bytes'
    if size < IMAGE:
        return Check('rmem_max', WARNING, f'{text}, but an image of 1920x1080 pixels has '
                     f'{IMAGE:,} bytes. So images from other machines can get lost',
                     'sudo sysctl -w net.core.rmem_max=2147483647')
    return Check('rmem_max', OK, text)
