# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Read the identity of a GPU: its name, its architecture and the branch of its driver."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import EngineError
from .nvidia_driver import driver_version


@dataclass(frozen=True)
class GpuIdentity:
    """The identity of a GPU and its driver.

    A plan is a network that TensorRT built for one GPU. The plan works only on GPUs with the
    identity of that GPU.

    :param arch: architecture of the GPU, such as ``sm_89``.
    :param driver: branch of the driver, such as ``580``; empty if the system does not report it.
    """

    name: str
    arch: str
    driver: str


def gpu_identity(index: int = 0) -> GpuIdentity:
    """Return the identity of a GPU.

    :param index: index of the GPU in CUDA's order.
    :raises EngineError: if there is no such GPU, or if this GPU cannot be used.
    """
    try:
        from cuda.core import Device
        device = Device(index)
        device.set_current()
        return GpuIdentity(device.name, f'sm_{device.arch}', driver_version().partition('.')[0])
    except Exception as error:      # the class depends on what is missing: library, driver or GPU
        raise EngineError(f'no NVIDIA GPU can be used here: {error}') from error
