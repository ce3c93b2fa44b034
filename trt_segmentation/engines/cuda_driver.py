# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Calls into the CUDA driver that say what failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cuda.bindings import driver

from ..errors import GpuError

_PASSING = frozenset([
    'CUDA_ERROR_INVALID_VALUE', 'CUDA_ERROR_OUT_OF_MEMORY', 'CUDA_ERROR_NOT_READY',
    'CUDA_ERROR_NO_DEVICE', 'CUDA_ERROR_INVALID_DEVICE', 'CUDA_ERROR_NOT_SUPPORTED',
    'CUDA_ERROR_NOT_PERMITTED', 'CUDA_ERROR_NOT_FOUND', 'CUDA_ERROR_NO_BINARY_FOR_GPU',
    'CUDA_ERROR_INVALID_IMAGE', 'CUDA_ERROR_INVALID_HANDLE', 'CUDA_ERROR_NOT_INITIALIZED'])


def call(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of :mod:`cuda.bindings.driver` and return what it gives beside its status.

    :raises GpuError: naming the function, CUDA's error and its meaning.
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
