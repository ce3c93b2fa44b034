# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Marks the stages of a frame with NVTX ranges. The profiler Nsight Systems shows these ranges.

While tracing is off, :func:`stage` returns a context manager that does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ..errors import TraceError
from ..installed.pip_names import pip_install

Range = AbstractContextManager[Any]

_NOTHING: Range = nullcontext()
_annotate: Callable[..., Range] | None = None


def set_tracing(on: bool) -> None:
    """Switch the ranges of this process on or off. Ranges that are already open do not change.

    :raises TraceError: if the package nvtx is missing.
    """
    global _annotate
    if not on:
        _annotate = None
        return
    try:
        import nvtx
    except ImportError as error:
        raise TraceError('`trace` needs the Python package nvtx, which is not installed. Install '
                         f'it with: {pip_install("nvtx")}') from error
    _annotate = nvtx.annotate


def stage(name: str) -> Range:
    """Return a context manager that marks its ``with`` block as a stage of a frame.

    The range covers the time in which the calling thread runs the block. If the block enqueues
    work for the GPU, Nsight Systems also shows the range on the timeline of the GPU.
    """
    return _NOTHING if _annotate is None else _annotate(name, domain='trt_segmentation')
