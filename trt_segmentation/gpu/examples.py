# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segments example frames in a new pipeline, so that its first live frame is not slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from ..frame import Frame, Segmentation, Wanted

Example = tuple[Sequence[Frame], Wanted]
"""The arguments of one call of ``submit``."""


class _Segments(Protocol):
    gives_confidence: bool

    def submit(self, frames: Sequence[Frame], wanted: Wanted) -> None: ...

    def collect(self) -> list[Segmentation]: ...


def run_examples(pipeline: _Segments, slots: int, examples: Sequence[Example]) -> None:
    """Segment each example once in every slot.

    For the first batch of a kind, a slot allocates memory for the frames and the outputs, and the
    driver loads the kernels. Later batches of this kind need no such work. If the model has no
    confidence, the examples are segmented without confidence.

    :param slots: number of slots of the pipeline. All of them must be free.
    :raises EngineError: if there is too little memory, or if the GPU failed.
    """
    for frames, wanted in examples:
        wanted = replace(wanted, confidence=wanted.confidence and pipeline.gives_confidence)
        segmentations = []
        for _ in range(slots):      # a slot is not free again before its segmentations are
            pipeline.submit(frames, wanted)
            segmentations += pipeline.collect()
        for segmentation in segmentations:
            segmentation.release()
