# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The parameters that a worker reads for every frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..frame import Wanted
from ..pipeline import Pipeline
from ..serving.protocols import BatchLimits, ServedCamera
from .model_parameters import overlay_palette


class LiveParameters:
    """The :class:`.LiveSettings` of a node. The worker's thread uses this.

    :param value: returns the value of the parameter with the given name.
    :param pipeline: the worker's pipeline. It gets the colours of the overlay.
    """

    def __init__(self, value: Callable[[str], Any], pipeline: Pipeline) -> None:
        self._value = value
        self._pipeline = pipeline
        self._palette: list[str] | None = None  # the colours that the pipeline has now

    def batch_limits(self) -> BatchLimits:
        """See :meth:`.LiveSettings.batch_limits`."""
        return BatchLimits(self._value('max_batch') or self._pipeline.batch,
                           self._value('batch_wait_ms') / 1e3)

    def apply_colours(self) -> None:
        """See :meth:`.LiveSettings.apply_colours`."""
        self._pipeline.alpha = self._value('alpha')
        if (colors := self._value('palette')) != self._palette:
            self._pipeline.palette = overlay_palette(colors, self._pipeline.card)
            self._palette = colors

    def schedule_outputs(self, camera: ServedCamera) -> Wanted:
        """See :meth:`.LiveSettings.schedule_outputs`."""
        return camera.schedule_outputs(self._value('confidence'), self._value('overlay_rate'))
