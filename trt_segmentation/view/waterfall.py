# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Divides the time of a frame into steps, from the camera to the subscriber."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

TO_NODE, TO_SUBSCRIBER, OTHER = 'camera to node', 'node to subscriber', 'other'
STAGES = ('wait', 'decode', 'stage', 'upload', 'preprocess', 'inference', 'postprocess',
          'download')
"""The steps inside the node before the node publishes, in this order. These steps are called
stages. No pipeline has all of these stages."""


def format_ms(ms: float) -> str:
    """Return a number of milliseconds as text. A number below 1 has two decimals."""
    return f'{ms:.2f}' if ms < 1 else f'{ms:.1f}'


@dataclass(frozen=True)
class FrameTime:
    """The times of one segmented frame.

    :param stamp_ns: stamp of the image in nanoseconds.
    :param timings: milliseconds of each stage, from the frame log or from a pipeline.
    :param received_ms: milliseconds from the stamp until a subscriber had the label map; None if
        no subscriber measured this time.
    """

    stamp_ns: int
    timings: Mapping[str, float]
    received_ms: float | None = None

    @property
    def end_to_end_ms(self) -> float:
        """Sum of the milliseconds of all steps."""
        return sum(self.steps().values())

    def steps(self) -> dict[str, float]:
        """Return the milliseconds of each step, in the order of the steps.

        ``camera to node`` contains exposure, camera driver and middleware. This step is missing if
        ``timings`` has no ``age``, the time from the stamp until the node begins to publish. The
        step ``node to subscriber`` is missing if ``received_ms`` is None.
        """
        total, publish = self.timings.get('total', 0.0), self.timings.get('publish')
        found = {}
        published = total
        if (age := self.timings.get('age')) is not None:
            published = age + (publish or 0.0)
            found[TO_NODE] = max(published - total, 0.0)
        found.update((stage, self.timings[stage]) for stage in STAGES if stage in self.timings)
        known = sum(found.get(stage, 0.0) for stage in STAGES)
        found[OTHER] = max(total - known - (publish or 0.0), 0.0)
        if publish is not None:
            # The node publishes the overlay after the label map. So the label map may arrive
            # before the node has published everything.
            late = max(published - (self.received_ms or published), 0.0)
            found['publish'] = max(publish - late, 0.0)
        if self.received_ms is not None:
            found[TO_SUBSCRIBER] = max(self.received_ms - published, 0.0)
        return found


def typical_steps(frames: Sequence[FrameTime]) -> dict[str, float]:
    """Return the milliseconds of each step of a typical frame.

    The frames are sorted by their total time. The typical frame is the mean of the middle tenth of
    these frames. So the sum of its steps is near the median of the total times. The medians
    of the single steps could have another sum.

    :raises ValueError: if there are no frames.
    """
    if not frames:
        raise ValueError('there are no latencies, because no frame was segmented')
    ordered = sorted(frames, key=lambda frame: frame.end_to_end_ms)
    middle, width = (len(ordered) - 1) / 2, len(ordered) / 10
    chosen = [frame.steps() for place, frame in enumerate(ordered)
              if abs(place - middle) <= max(width / 2, 0.5)]
    return {step: float(np.mean([steps.get(step, 0.0) for steps in chosen]))
            for step in chosen[0]}
