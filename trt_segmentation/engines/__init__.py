# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines: bytes in, enqueue, bytes out."""

from dataclasses import dataclass

ENGINES = ('auto', 'tensorrt', 'onnxruntime-cuda', 'onnxruntime-cpu')
"""Names of engines; auto takes the first of the others that works."""


@dataclass(frozen=True)
class Identity:
    """What answers: shown at start-up, in diagnostics and in every report.

    :param model: the card's name.
    :param engine: one of :data:`ENGINES`, never auto.
    :param version: the engine library's version.
    :param precision: fp32, fp16, int8 or mixed.
    :param device: the CPU's or GPU's name.
    :param reason: why this engine was taken.
    :param cache: ``hit`` where the engine came from the cache, ``built`` where it was built now,
        '' where there is nothing to build.
    """

    model: str
    engine: str
    version: str
    precision: str
    device: str
    reason: str
    cache: str = ''
