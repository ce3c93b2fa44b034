# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Knows the layouts of the live frames, and when a batch of them ended."""

from __future__ import annotations

from collections.abc import Sequence
import threading
from typing import NamedTuple

import numpy as np

from ..frame import Frame, Wanted
from ..serving.job import Job
from ..viewport import Viewport


class _Layout(NamedTuple):
    size: int
    encoding: str
    height: int
    width: int
    step: int
    is_bigendian: bool
    viewport: Viewport | None

    def make_frame(self) -> Frame:
        """Return a frame of random bytes."""
        data = np.random.default_rng(0).integers(0, 256, self.size, np.uint8)
        return Frame(data, self.encoding, self.height, self.width, self.step, self.is_bigendian,
                     viewport=self.viewport)


class LiveFrames:
    """Knows the layouts of the frames that a worker published, and when its newest batch ended.

    One thread at a time may call :meth:`note_batch`. Any thread may call the other methods.
    """

    def __init__(self) -> None:
        self._batch_ended = threading.Event()
        self._layouts: dict[str, _Layout] = {}  # the newest layout of each camera
        self._wanted: set[Wanted] = set()

    def note_batch(self, jobs: Sequence[Job]) -> None:
        """Note that a batch was published."""
        for job in jobs:
            frame = job.frame
            self._layouts[job.camera.name] = _Layout(
                frame.size, frame.encoding, frame.height, frame.width, frame.step,
                frame.is_bigendian, frame.viewport)
            self._wanted.add(job.wanted)
        self._batch_ended.set()

    def wait_for_batch_end(self, seconds: float) -> bool:
        """Wait until the next batch is published. Return False if ``seconds`` are too short."""
        self._batch_ended.clear()
        return self._batch_ended.wait(seconds)

    def make_examples(self) -> list[tuple[list[Frame], Wanted]]:
        """Return batches of random frames with the layouts and outputs of the live batches.

        For each combination of outputs, there is one batch for each possible number of frames.
        """
        frames = [layout.make_frame() for layout in list(self._layouts.values())]
        return [(frames[:count], wanted) for wanted in list(self._wanted)
                for count in range(1, len(frames) + 1)]
