# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""One way to segment frames, as the GPU benchmarks measure it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Stages = dict[str, list[float]]


class Way(NamedTuple):
    """A way to segment frames.

    :param run: segments the frame of this index, and returns when the outputs are in host memory.
    :param stages: milliseconds of each stage. Every call of ``run`` adds one number to each list.
    :param rate: measures for some seconds, and returns frames per second; None if the way
        processes only one frame at a time.
    :param more: measures for some seconds, and returns other results. It is called last.
    """

    run: Callable[[int], Any]
    stages: Stages
    rate: Callable[[float], float] | None = None
    more: Callable[[float], dict[str, Any]] = lambda seconds: {}
