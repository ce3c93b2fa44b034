# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""What a built engine depends on of the GPU it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re

from ..errors import EngineError


@dataclass(frozen=True)
class GpuIdentity:
    """What a plan depends on: the GPU's name, ``sm_NN``, and the driver's branch."""

    name: str
    arch: str
    driver: str


def gpu_identity(index: int = 0) -> GpuIdentity:
    """The GPU of an index as CUDA counts.

    :raises EngineError: where there is none.
    """
    try:
        from cuda.core import Device
        device = Device(index)
        device.set_current()
        return GpuIdentity(device.name, f'sm_{device.arch}', driver_branch())
    except Exception as error:      # no library, no driver, no device: each its own type
        raise EngineError(f'no NVIDIA GPU can be used here: {error}') from error


def driver_branch(path: Path = Path('/proc/driver/nvidia/version')) -> str:
    """The driver's version up to the first point, or '' where the kernel does not tell."""
    try:
        found = re.search(r'\s(\d{3,})\.\d+', path.read_text('utf-8'))
    except OSError:
        return ''
    return found[1] if found else ''
