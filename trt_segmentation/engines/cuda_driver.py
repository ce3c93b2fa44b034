# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Calls functions of the CUDA driver. If a call fails, the error names the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cuda.bindings import driver
import numpy as np
import numpy.typing as npt

from ..errors import GpuError


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of :mod:`cuda.bindings.driver`.

    :returns: the results of the function without its status. No result gives None, one result
        gives the result itself, and several results give a tuple.
    :raises GpuError: if the status is an error.
    """
    status, *values = function(*args)
    if status != driver.CUresult.CUDA_SUCCESS:
        _, text = driver.cuGetErrorString(status)
        raise GpuError(
            f'{function.__name__} failed with {status.name}: '
            f'{text.decode() if text else "no description"}', status.name)
    if len(values) == 1:
        return values[0]
    return tuple(values) if values else None


def allocate(size: int) -> int:
    """Allocate ``size`` bytes on this thread's current GPU, and return their address.

    :raises GpuError: if the GPU has too little memory.
    """
    return int(call(driver.cuMemAlloc, size))


def free(address: int) -> None:
    """Free GPU memory that :func:`allocate` returned."""
    call(driver.cuMemFree, address)


def copy_to_device(address: int, array: npt.NDArray[np.generic]) -> None:
    """Copy a C-contiguous array to GPU memory, and wait for the end of the copy."""
    call(driver.cuMemcpyHtoD, address, array.ctypes.data, array.nbytes)


def copy_from_device(array: npt.NDArray[np.generic], address: int) -> None:
    """Fill a C-contiguous array from GPU memory, and wait for the end of the copy."""
    call(driver.cuMemcpyDtoH, array.ctypes.data, address, array.nbytes)
