# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines. An engine runs a network on the CPU or on a GPU."""

from dataclasses import dataclass

ENGINES = ('auto', 'tensorrt', 'onnxruntime-cuda', 'onnxruntime-cpu')
"""Names of the engines. ``auto`` means the first of the other names that works on this machine."""
PRECISIONS = ('fp32', 'fp16', 'int8', 'mixed')
"""Precisions of a network. ``mixed`` means an INT8 backbone and an FP16 head."""
PRECISION_CHOICES = ('auto', *PRECISIONS)
"""The precisions that a user can choose. For ``auto``, the engine chooses the precision."""


@dataclass(frozen=True)
class Identity:
    """The engine, the device and the precision of an open network, for logs and reports.

    :param model: name of the model card.
    :param engine: one of :data:`ENGINES`, but never ``auto``.
    :param version: version of the engine library.
    :param precision: one of :data:`PRECISIONS`.
    :param device: name of the CPU or GPU.
    :param reason: why this engine was chosen.
    :param cache: ``hit`` if the engine, or the fastest set of options for it, came from the cache.
        ``built`` if the engine was built or the options were measured in this start. Empty if no
        cache is used.
    :param tuning: the fastest set of options, with its time. Empty if no options were measured.
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
