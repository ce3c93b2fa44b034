# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.


"""What a built engine depends on of the GPU it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import re

from . import EngineError


@dataclass(frozen=True)
class Gpu:
    """What a plan depends on: the GPU's name, ``sm_NN``, and the driver's branch."""

    name: str
    arch: str
    driver: str


def gpu_identity(index: int = 0) -> Gpu:
    """The GPU of an index as CUDA counts.

    :raises EngineError: where there is none.
    """
    try:
        from cuda.core import Device
        device = Device(index)
        device.set_current()
        return Gpu(device.name, f'sm_{device.arch}', driver_branch())
    except Exception as error:      # no library, no driver, no device: each its own type
        raise EngineError(f'no NVIDIA GPU can be used here: {error}') from error


def driver_branch(path: Path = Path('/proc/driver/nvidia/version')) -> str:
    """The driver's version up to the first point, or '' where the kernel does not tell."""
    try:
        found = re.search(r'\s(\d{3,})\.\d+', path.read_text('utf-8'))
    except OSError:
        return ''
    return found[1] if found else ''
