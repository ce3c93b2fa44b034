# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters that take effect at once, for the worker of one pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..frame import Wanted
from ..pipeline import Pipeline
from ..serving.protocols import BatchLimits, ServedCamera
from .model_parameters import overlay_palette


class LiveParameters:
    """The :class:`.LiveSettings` of a node. The worker uses this in its own thread.

    :param value: returns the current value of the parameter that it is called with.
    :param pipeline: gets the overlay's colours. It also gives the default batch size.
    """

    def __init__(self, value: Callable[[str], Any], pipeline: Pipeline) -> None:
        self._value = value
        self._pipeline = pipeline
        self._palette: list[str] | None = None  # the colours that the pipeline was given

    def batch_limits(self) -> BatchLimits:
        """Return how many frames may go into the next batch."""
        return BatchLimits(self._value('max_batch') or self._pipeline.batch,
                           self._value('batch_wait_ms') / 1e3)

    def apply_colours(self) -> None:
        """Give the pipeline the weight of the colours, and the palette if the palette changed."""
        self._pipeline.alpha = self._value('alpha')
        if (colors := self._value('palette')) != self._palette:
            self._pipeline.palette = overlay_palette(colors, self._pipeline.card)
            self._palette = colors

    def schedule_outputs(self, camera: ServedCamera) -> Wanted:
        """Decide what to compute for a camera's next frame."""
        wanted = camera.schedule_outputs(self._value('confidence'), self._value('overlay_rate'))
        return replace(wanted, half_overlay=wanted.overlay and self._value('half_overlay'))
