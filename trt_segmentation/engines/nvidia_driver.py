# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads facts about the NVIDIA driver and its GPUs, without any Python package of NVIDIA."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
import re

from ..untrusted.terminal_text import count_noun

# Values of CUdevice_attribute, see https://docs.nvidia.com/cuda/cuda-driver-api
_MAJOR, _MINOR, _INTEGRATED = 75, 76, 18
# Why the driver cannot be used, by the error code that cuInit returns
_REASONS = {100: 'it finds no GPU', 803: 'its library and its kernel module have different '
            'versions. Restart the machine', 804: 'this GPU does not support the forward '
            'compatibility of CUDA'}


@dataclass(frozen=True)
class DriverGpu:
    """What the driver says about one GPU.

    :param capability: compute capability, such as (8, 9).
    :param memory: size of the GPU's memory, in bytes.
    :param integrated: whether the GPU and the CPU share one memory.
    """

    name: str
    capability: tuple[int, int]
    memory: int
    integrated: bool


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver of this machine.

    :param version: result of :func:`driver_version`.
    :param cuda: newest CUDA version that the driver can run; (0, 0) if no driver can be used.
    :param gpus: the GPUs, in CUDA's order.
    :param why_not: the reason why the driver cannot be used; empty if it can be used.
    """

    version: str
    cuda: tuple[int, int]
    gpus: tuple[DriverGpu, ...]
    why_not: str = ''

    def gpu_or_why_not(self, index: int) -> tuple[DriverGpu | None, str]:
        """Return the GPU with this index, or None and the reason why it is missing."""
        if self.why_not:
            return None, self.why_not
        if not 0 <= index < len(self.gpus):
            return None, (f'there is no GPU {index}, because this machine has '
                          f'{count_noun(len(self.gpus), "GPU")}, counted from 0')
        return self.gpus[index], ''


def ask_driver(library: str = 'libcuda.so.1') -> Driver:
    """Ask the driver about itself and its GPUs. With a GPU, the call takes less than a second."""
    version = driver_version()
    try:
        cuda = ctypes.CDLL(library)
    except OSError:
        return Driver(version, (0, 0), (), _why_no_library())
    if code := cuda.cuInit(0):
        return Driver(version, (0, 0), (), 'the NVIDIA driver does not start: '
                      + _REASONS.get(code, f'it reports CUDA error {code}'))
    number, count = ctypes.c_int(), ctypes.c_int()
    cuda.cuDriverGetVersion(ctypes.byref(number))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    gpus = tuple(_read_gpu(cuda, index) for index in range(count.value))
    return Driver(version, (number.value // 1000, number.value % 1000 // 10), gpus,
                  '' if gpus else 'the NVIDIA driver finds no GPU')


def driver_version(path: Path = Path('/proc/driver/nvidia/version')) -> str:
    """Return the version of the driver, such as 580.65.06; empty if there is no such file."""
    try:
        found = re.search(r'\s(\d{3,}(?:\.\d+)+)', path.read_text(encoding='utf-8'))
    except OSError:
        return ''
    return found[1] if found else ''


def _read_gpu(cuda: ctypes.CDLL, index: int) -> DriverGpu:
    device, value, size = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    name = ctypes.create_string_buffer(256)
    cuda.cuDeviceGet(ctypes.byref(device), index)
    cuda.cuDeviceGetName(name, len(name), device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    found = []
    for attribute in (_MAJOR, _MINOR, _INTEGRATED):
        cuda.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        found.append(value.value)
    return DriverGpu(name.value.decode(errors='replace'), (found[0], found[1]), size.value,
                     bool(found[2]))


def _why_no_library(devices: Path = Path('/sys/bus/pci/devices')) -> str:
    """Return why there is no driver library: the GPU is missing, or only its driver is missing."""
    for device in devices.glob('*'):
        try:
            vendor = (device / 'vendor').read_text().strip()
            kind = (device / 'class').read_text().strip()
        except OSError:
            continue
        if vendor == '0x10de' and kind.startswith('0x03'):
            return 'there is an NVIDIA GPU without a driver'
    return 'there is no NVIDIA GPU here'
