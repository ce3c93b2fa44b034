# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Lists the candidates: ways to run a network with ONNX Runtime. Tuning finds the fastest way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from ..engines.onnxruntime_cuda import OPTIONS

PLAIN = 'NCHW, heuristic search'
"""Name of the candidate with the options that are used without tuning."""


@dataclass(frozen=True)
class Candidate:
    """A way to open a network.

    :param options: options of ONNX Runtime's CUDA provider.
    :param fused: whether :func:`trt_segmentation.fusion.fuse.fuse_layers` changes the network.
    """

    options: Mapping[str, str]
    fused: bool = False


def _make_candidate(search: str, layout: str, bias: int, fused: int) -> Candidate:
    options = {**OPTIONS, 'cudnn_conv_algo_search': search,
               'prefer_nhwc': str(int(layout == 'nhwc')), 'fuse_conv_bias': str(bias)}
    if fused:
        # Without this option, SkipLayerNormalization computes sums of FP16 values in FP16.
        options['enable_skip_layer_norm_strict_mode'] = '1'
    return Candidate(options, bool(fused))


CANDIDATES: Mapping[str, Candidate] = {
    f'{layout.upper()}{", fused bias" if bias else ""}{", fused layers" if fused else ""}, '
    f'{search.lower()} search': _make_candidate(search, layout, bias, fused)
    for search, fused, layout, bias in product(
        ('HEURISTIC', 'EXHAUSTIVE'), (0, 1), ('nchw', 'nhwc'), (0, 1))}
"""Maps names to candidates. No candidate uses ``DEFAULT`` as cudnn_conv_algo_search, because
``DEFAULT`` is slow: one run of a network took 24 to 670 ms on an H200."""
FIRST = tuple(name for name in CANDIDATES
              if 'heuristic' in name and not CANDIDATES[name].fused)
"""The names of the four candidates that are measured for every network. At the end, only the
fastest candidate is measured with an exhaustive search of algorithms, which needs seconds."""
FUSED = tuple(name for name in CANDIDATES if 'heuristic' in name and CANDIDATES[name].fused)
"""The names of the four candidates that are measured only for a network with attention layers."""

MOST_DIFFERENCE = 0.05
"""The largest accepted difference from the output of :data:`PLAIN`; see :func:`difference`.

Another algorithm adds float16 numbers in another order. On an H200, another order changed the
output of DeepLabV3 with random weights by up to 0.033. A wrong output differs by about 1. For
example, with NCHW and a fused bias the demo model runs without an error message, but only 9 % of
its labels are right.
"""
TIE = 1.02
"""Two candidates count as equally fast if their times differ by at most this factor."""


@dataclass(frozen=True)
class Measured:
    """The measurement of one candidate.

    :param name: a key of :data:`CANDIDATES`.
    :param ms: milliseconds of one run of the network.
    :param opened_s: seconds to open the network and to run it for the first time.
    :param difference: result of the function :func:`difference`.
    :param failed: why the candidate does not run; empty if it runs.
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
        # If the difference is NaN, this comparison is false.
        return '' if self.difference <= MOST_DIFFERENCE else (
            f'the network output differs too much from the output with "{PLAIN}". The difference '
            f'is {self.difference:.2g}, but at most {MOST_DIFFERENCE} is accepted')


def difference(plain: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> float:
    """Compare the network output of :data:`PLAIN` with the network output of another candidate.

    :returns: for class ids, the fraction of pixels with different ids. For floats, the RMS of the
        difference divided by the RMS of ``plain``. The result is infinity if a float is finite in
        only one of the two outputs.
    """
    if plain.dtype.kind != 'f':
        return float(np.mean(plain != other))
    first, second = plain.astype(np.float32), other.astype(np.float32)
    finite = np.isfinite(first)
    if not np.array_equal(finite, np.isfinite(second)):
        return float('inf')
    scale, gap = _rms(first[finite]), _rms(second[finite] - first[finite])
    return gap / scale if scale else gap


def _rms(values: npt.NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values), dtype=np.float64))) if values.size else 0.0


def with_exhaustive_search(name: str) -> str:
    """Return the name of the candidate with the same options, but with an exhaustive search."""
    return name.replace('heuristic', 'exhaustive')


def choose(results: Sequence[Measured]) -> Measured:
    """Choose the fastest candidate. Of equally fast candidates, choose the one that opens fastest.

    :param results: the results of the candidates. :data:`PLAIN` must not have failed.
    """
    usable = [result for result in results if not result.refused]
    best = min(result.ms for result in usable)
    return min((result for result in usable if result.ms <= TIE * best),
               key=lambda result: result.opened_s)
