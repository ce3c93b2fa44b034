# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A segmentation whose overlay arrives after its labels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ..errors import EngineError
from ..frame import Segmentation


@dataclass
class SlotSegmentation(Segmentation):
    """A segmentation in the pinned memory of a slot. A slot is the memory of one batch.

    :param give_back: tells the pipeline that this segmentation was released.
    :param wait_for_overlay: waits for the overlay, and returns the milliseconds from the end of
        the label download to the end of the overlay download. The attribute is None if there is
        no overlay.
    """

    give_back: Callable[[], None] | None = field(default=None, repr=False)
    wait_for_overlay: Callable[[], float] | None = field(default=None, repr=False)

    @property  # type: ignore[misc]
    def overlay(self) -> npt.NDArray[np.uint8] | None:
        """The overlay. Reading this attribute waits until the overlay is complete."""
        self.finish()
        return self._overlay

    @overlay.setter
    def overlay(self, array: npt.NDArray[np.uint8] | None) -> None:
        """Set the array that the GPU fills with the overlay."""
        self._overlay = array

    def finish(self) -> None:
        """Wait for the overlay. Add the time of the overlay's download to ``timings``."""
        wait, self.wait_for_overlay = self.wait_for_overlay, None
        if wait is not None:
            self.timings['overlay'] = wait()

    def keep(self, keeps_pixels: bool = False) -> Segmentation:
        """Wait for the overlay, and copy the arrays. See :meth:`.Segmentation.keep`."""
        kept = super().keep(keeps_pixels)
        kept.labels = kept.labels.copy()
        kept.overlay = None if kept.overlay is None else kept.overlay.copy()
        kept.confidence = None if kept.confidence is None else kept.confidence.copy()
        return kept

    def release(self) -> None:
        """Give the arrays back to the pipeline. After the first call, this method does nothing."""
        give_back, self.give_back = self.give_back, None
        if give_back is not None:
            with suppress(EngineError):     # the pipeline has recorded the error
                self.finish()
            give_back()
