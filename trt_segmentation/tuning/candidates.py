# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The CUDA options of ONNX Runtime that are tried, and the choice between the measured ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from ..engines.onnxruntime_cuda import OPTIONS

PLAIN = 'NCHW, heuristic search'
"""The candidate with the options of an engine that is not tuned."""

CANDIDATES: Mapping[str, Mapping[str, str]] = {
    f'{layout.upper()}{", fused bias" if fuse else ""}, {search.lower()} search': {
        **OPTIONS, 'cudnn_conv_algo_search': search, 'prefer_nhwc': str(int(layout == 'nhwc')),
        'fuse_conv_bias': str(fuse)}
    for search, layout, fuse in product(('HEURISTIC', 'EXHAUSTIVE'), ('nchw', 'nhwc'), (0, 1))}
"""The options of every candidate, by its name.

The algorithm search DEFAULT is missing, because a run with it took 24 to 670 ms on an H200.
"""
FIRST = tuple(name for name in CANDIDATES if 'heuristic' in name)
"""The candidates that are measured in any case. The fastest is then measured with an exhaustive
search too. This order leaves out three candidates, each of which needs seconds to open."""

MOST_DIFFERENCE = 0.05
"""The largest accepted difference to the answer of :data:`PLAIN`; see :func:`difference`.

Another algorithm adds float16 numbers in another order. On an H200 this changed the answer of
DeepLabV3 with random weights by up to 0.033. The demo model, which is trained, kept 99.998 % of
its labels. A wrong answer differs by about 1: with NCHW and a fused bias, the demo model runs
without an error, and only 9 % of its labels are right.
"""
TIE = 1.02
"""Candidates are equally fast if their times differ by less than this factor."""


@dataclass(frozen=True)
class Measured:
    """The result of one candidate.

    :param name: a key of :data:`CANDIDATES`.
    :param ms: milliseconds of one run of the network.
    :param opened_s: seconds to open the network and to run it for the first time.
    :param difference: see :func:`difference`.
    :param failed: why the candidate cannot be used; empty if it can.
    """

    name: str
    ms: float = 0.0
    opened_s: float = 0.0
    difference: float = 0.0
    failed: str = ''

    @property
    def refused(self) -> str:
        """Why the candidate must not be chosen; empty if it may be chosen."""
        if self.failed:
            return self.failed
        # A NaN fails this comparison too.
        return '' if self.difference <= MOST_DIFFERENCE else (
            f'its answer differs from that of {PLAIN} by {self.difference:.2g} of the RMS, and '
            f'at most {MOST_DIFFERENCE} is accepted')


def difference(plain: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> float:
    """Compare the network output of a candidate with that of :data:`PLAIN`.

    :returns: for floats, the RMS of the difference divided by the RMS of ``plain``; infinity if
        a number is not finite in only one of the two. For class ids, the fraction of pixels with
        another id.
    """
    if plain.dtype.kind != 'f':
        return float(np.mean(plain != other))
    first, second = plain.astype(np.float32), other.astype(np.float32)
    finite = np.isfinite(first)
    if not np.array_equal(finite, np.isfinite(second)):
        return float('inf')
    first, second = first[finite], second[finite]
    scale = float(np.sqrt(np.mean(np.square(first), dtype=np.float64))) if first.size else 0.0
    gap = float(np.sqrt(np.mean(np.square(second - first), dtype=np.float64))) if first.size else 0
    return gap / scale if scale else gap


def with_exhaustive_search(name: str) -> str:
    """Return the candidate of the same layout and fusion with an exhaustive search."""
    return name.replace('heuristic', 'exhaustive')


def choose(results: Sequence[Measured]) -> Measured:
    """Choose the fastest candidate. Of equally fast ones, choose the one that opens fastest.

    :param results: the results of all candidates. :data:`PLAIN` must not have failed.
    """
    usable = [result for result in results if not result.refused]
    best = min(result.ms for result in usable)
    return min((result for result in usable if result.ms <= TIE * best),
               key=lambda result: result.opened_s)
