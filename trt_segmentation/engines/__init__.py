# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines. Each engine runs a network on the CPU or on a GPU."""

from dataclasses import dataclass

ENGINES = ('auto', 'tensorrt', 'onnxruntime-cuda', 'onnxruntime-cpu')
"""Engine names. ``auto`` means the first of the other engines that works on this machine."""
PRECISIONS = ('fp32', 'fp16', 'int8', 'mixed')
"""Precisions of a TensorRT plan. ``mixed`` means an INT8 backbone and an FP16 head."""
PRECISION_CHOICES = ('auto', *PRECISIONS)
"""Precisions that a user can ask for. With ``auto`` the engine chooses the precision."""


@dataclass(frozen=True)
class Identity:
    """What runs the network. The start-up log, the diagnostics and every report show it.

    :param model: the card's name.
    :param engine: one of :data:`ENGINES`, never ``auto``.
    :param version: the engine library's version.
    :param precision: one of :data:`PRECISIONS`.
    :param device: the CPU's or GPU's name.
    :param reason: why this engine was chosen.
    :param cache: ``hit`` if the engine or its options came from the cache, ``built`` if they were
        built or measured now, empty if there is nothing to keep.
    :param tuning: the options that were measured as the fastest, with their time; empty if no
        options were measured.
    :param opened_s: seconds that the pipeline needed to open the network; 0 if unknown.
    """

    model: str
    engine: str
    version: str
    precision: str
    device: str
    reason: str
    cache: str = ''
    tuning: str = ''
    opened_s: float = 0.0
