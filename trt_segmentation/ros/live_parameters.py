# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters that take effect at once, as the frames of one pipeline need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..frame import Wanted
from ..pipeline import Pipeline
from ..serving.worker import Batching
from .camera import Camera
from .model_parameters import overlay_palette


class LiveParameters:
    """Asked before every batch and frame, in the worker's thread.

    :param value: current value of a parameter.
    """

    def __init__(self, value: Callable[[str], Any], pipeline: Pipeline) -> None:
        self._value = value
        self._pipeline = pipeline
        self._palette: list[str] | None = None  # unknown: an earlier one set the pipeline's

    def batching(self) -> Batching:
        """How many frames go into the next batch."""
        return Batching(self._value('max_batch') or self._pipeline.batch,
                        self._value('batch_wait_ms') / 1e3)

    def wanted(self, camera: Camera) -> Wanted:
        """What to compute for a camera's next frame; tells the pipeline its colours."""
        self._pipeline.alpha = self._value('alpha')
        if (colors := self._value('palette')) != self._palette:
            self._pipeline.palette = overlay_palette(colors, self._pipeline.card)
            self._palette = colors
        return camera.wanted(self._value('confidence'), self._value('overlay_rate'))
