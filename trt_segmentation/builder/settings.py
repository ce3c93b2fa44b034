# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a build, with their defaults.

The command line, the pipeline and the ROS node take their defaults from this file. This file
imports no heavy library, so that every command starts quickly.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..engines import PRECISIONS
from ..errors import GraphError
from ..untrusted.terminal_text import did_you_mean

OPEN_BATCH = (1, 1, 8)
"""Smallest, usual and largest batch size if neither the network nor the user fixes the batch size.
The engine is fastest at the usual batch size."""
CALIBRATION_FRAMES = 300
"""Number of frames for a calibration, which measures the ranges of values for INT8."""
FEW_FRAMES = 50
"""With fewer frames than this number, a build warns about the calibration."""
METHODS = ('entropy', 'minmax', 'mse', 'percentile')
"""Names of the calibration methods, the keys of :data:`.histograms.LIMITS`."""
BEST_METHOD = 'auto'
"""If the user gives this word as the method, all methods are compared, and the best is used."""
FALLBACK_METHOD = 'percentile'
"""The method if there are too few frames to compare the methods."""
HELD_OUT_FRAMES = 48
"""Largest number of images that are read from one recording to measure a build's accuracy."""


@dataclass(frozen=True)
class BuildOptions:
    """Settings of the TensorRT builder.

    :param workspace: largest scratch memory of one layer, in bytes.
    :param level: 0 to 5. At a higher level TensorRT searches longer for fast kernels.
    :param tf32: whether FP32 layers may round their inputs to 10 bits of mantissa.
    :param arch: compute capability of the GPU that will run the plan, such as ``sm_89``; only for
        TensorRT-RTX. If ``arch`` is empty, the plan is for the GPU of this machine. Without a GPU,
        TensorRT-RTX then builds for every compute capability that it supports.
    """

    workspace: int = 1 << 30
    level: int = 3
    tf32: bool = False
    arch: str = ''

    @property
    def key(self) -> tuple[tuple[str, str], ...]:
        """All settings as text, for the key of an engine in the cache."""
        return tuple(sorted((name, str(value)) for name, value in vars(self).items()))


@dataclass(frozen=True)
class Recipe:
    """How the graph of an engine is prepared.

    :param precision: one of :data:`.engines.PRECISIONS`.
    :param sizes: image sizes for :func:`.shapes.parse_sizes`; empty for the sizes of the model
        and its card.
    :param batch: batch sizes for :func:`.shapes.parse_batch`; empty for the batch size that the
        model fixes, or else :data:`OPEN_BATCH`.
    :param keep_fp16: patterns such as ``*/head/*``. A graph node whose name fits a pattern must
        not become INT8.
    :param simplify: whether onnxslim first simplifies the graph. A network with plugins is never
        simplified.
    :param cut_resize: whether the last Resize node is removed from the graph, even if the card
        does not ask for this removal.
    :raises GraphError: if the precision is unknown.
    """

    precision: str = 'fp16'
    sizes: str = ''
    batch: str = ''
    keep_fp16: tuple[str, ...] = ()
    simplify: bool = True
    cut_resize: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            near = did_you_mean(self.precision, PRECISIONS)
            raise GraphError(f'there is no precision {self.precision!r}{near or "."} '
                             f'The precisions are {", ".join(PRECISIONS)}')

    @property
    def needs_calibration(self) -> bool:
        """Whether the precision needs calibrated ranges."""
        return self.precision in ('int8', 'mixed')
