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

"""Calls into the CUDA driver that say what failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cuda.bindings import driver

from ..engines import EngineError

_PASSING = frozenset([
    'CUDA_ERROR_INVALID_VALUE', 'CUDA_ERROR_OUT_OF_MEMORY', 'CUDA_ERROR_NOT_READY',
    'CUDA_ERROR_NO_DEVICE', 'CUDA_ERROR_INVALID_DEVICE', 'CUDA_ERROR_NOT_SUPPORTED',
    'CUDA_ERROR_NOT_PERMITTED', 'CUDA_ERROR_NOT_FOUND', 'CUDA_ERROR_NO_BINARY_FOR_GPU',
    'CUDA_ERROR_INVALID_IMAGE', 'CUDA_ERROR_INVALID_HANDLE', 'CUDA_ERROR_NOT_INITIALIZED'])


class GpuError(EngineError):
    """A driver call that failed.

    :param name: CUDA's name of the error.
    :param sticky: whether every later call of this process on this GPU will fail too.
    """

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name
        self.sticky = (name not in _PASSING and 'STREAM_CAPTURE' not in name
                       and 'GRAPH_EXEC_UPDATE' not in name)


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
