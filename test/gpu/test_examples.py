# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Each slot of a new pipeline segments each example once, before any slot is free again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trt_segmentation.frame import Frame, Wanted
from trt_segmentation.gpu.examples import run_examples

FRAME = Frame(np.zeros(12, np.uint8), 'bgr8', 2, 2, 6)


class Recorder:
    """A pipeline that records the calls."""

    def __init__(self, gives_confidence: bool = True) -> None:
        self.gives_confidence = gives_confidence
        self.calls: list[Any] = []

    def submit(self, frames: Any, wanted: Wanted) -> None:
        self.calls.append((len(frames), wanted))

    def collect(self) -> list[Any]:
        count, _ = self.calls[-1]
        return [self] * count

    def release(self) -> None:
        self.calls.append('release')


def test_all_slots_are_used() -> None:
    pipeline, overlay = Recorder(), Wanted(overlay=True)
    run_examples(pipeline, 3, [([FRAME], Wanted()), ([FRAME, FRAME], overlay)])
    assert pipeline.calls == [
        *[(1, Wanted())] * 3, *['release'] * 3, *[(2, overlay)] * 3, *['release'] * 6]


@pytest.mark.parametrize('has_confidence', [True, False])
def test_a_model_without_confidence_computes_none(has_confidence: bool) -> None:
    pipeline = Recorder(has_confidence)
    run_examples(pipeline, 1, [([FRAME], Wanted(overlay=True, confidence=True))])
    assert pipeline.calls[0] == (1, Wanted(overlay=True, confidence=has_confidence))
