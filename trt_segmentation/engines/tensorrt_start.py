# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Make TensorRT's builder or runtime. If TensorRT cannot use CUDA, raise one clear error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import ctypes
from typing import Any, Protocol, TypeVar

from ..errors import EngineError

_T = TypeVar('_T')
_NO_CUDA = 'CUDA initialization failure'
"""TensorRT logs these words if it cannot use CUDA."""


class StartLog(Protocol):
    """The attributes of a log that :func:`start_tensorrt` reads."""

    @property
    def lines(self) -> Sequence[str]:
        """The last lines of severity INFO or above."""

    @property
    def errors(self) -> Sequence[str]:
        """The lines of severity ERROR or above."""


def start_tensorrt(make: Callable[[Any], _T], logger: Any, log: StartLog, library: str) -> _T:
    """Make a ``Builder`` or a ``Runtime``.

    :param make: the class.
    :param logger: an ``ILogger`` for the object.
    :param log: the lines that ``logger`` gets.
    :param library: name and version of the library, for the message.
    :raises EngineError: if TensorRT cannot use CUDA, for example because the driver is too old.
    """
    known = len(log.errors)
    try:
        made = make(logger)
    except TypeError as error:      # pybind11 raises this error if TensorRT returns no object
        raise _explain(log.errors[known:] or log.lines, library) from error
    errors = log.errors[known:]
    if not any(_NO_CUDA in error for error in errors):
        return made
    # TensorRT reported an error, but returned an object. With the lean runtime of TensorRT 11,
    # each method and the destructor of this object crashed the process. So Python must never free
    # the object.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    raise _explain(errors, library)


def _explain(reasons: Sequence[str], library: str) -> EngineError:
    return EngineError(
        f'{library} cannot start: {"; ".join(reasons) or "TensorRT gave no reason"}. TensorRT '
        f'needs an NVIDIA driver that is new enough for its version of CUDA. Update the driver, '
        f'or install the TensorRT that fits the CUDA version of your driver')
