# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Measure a pipeline: milliseconds per frame, frames per second, and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from math import ceil
import os
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import numpy.typing as npt

from ...frame import BYTES_PER_PIXEL, Frame, Wanted
from ...memory import Allocate
from ...pipeline import Pipeline, segment_one
from ...street import Drive

PICTURES = 4
"""Number of different street scenes. The frames show these scenes again and again."""

WARM_UP = 0.5
"""Seconds of warm-up before the latency is measured. Frames in this time do not count."""

LEAST = 20
"""Smallest number of measured frames, even if they take longer than the given time."""

OUTSIDE = 'outside the stages'
"""Name of the part of a frame's time that belongs to no stage of the pipeline. In this time,
Python code runs, or the frame waits in a queue."""

_HEADER = 61
"""Number of bytes before the pixels. As in a ROS message, the pixels start at an odd address."""

Tick = Callable[[float], None]
"""Function that receives the elapsed seconds about once a second, between two frames."""


@dataclass
class Latency:
    """The times of all frames in milliseconds, in the order of the frames.

    :param total: for each frame, the time from the call of submit() until all results are ready.
    :param stages: maps the name of each stage to the time that each frame spent in this stage.
        :data:`OUTSIDE` counts as a stage.
    """

    total: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)

    @property
    def drift(self) -> float:
        """Median time of the last third of the frames, divided by the median of the first third.

        A value above 1 means that frames became slower.
        """
        third = max(len(self.total) // 3, 1)
        return float(np.median(self.total[-third:]) / np.median(self.total[:third]))


def camera_frames(count: int, width: int, height: int, encoding: str,
                  allocate: Allocate | None) -> list[Frame]:
    """Make ``count`` frames of ``width`` x ``height`` pixels in an encoding.

    Images in bgr8 show street scenes. In any other encoding, the same bytes show stripes. The
    content of an image does not change the time that the pipeline needs.

    :param allocate: function that allocates the memory of the frames, such as
        ``pipeline.allocate``; None for ordinary memory.
    :raises FrameError: if a frame cannot have this size and encoding.
    """
    step = width * BYTES_PER_PIXEL.get(encoding, 0)
    # Frame() refuses a wrong size here, before memory is allocated.
    any_size = np.broadcast_to(np.uint8(0), 1 << 40)
    size = step * Frame(any_size, encoding, height, width, step).stored_rows
    drive = Drive(seed=0)
    pictures = [cv2.resize(drive.frame(30 * i).image, (width, height)).reshape(-1)
                for i in range(min(count, PICTURES))]
    return [Frame(_copy_to(np.resize(picture, size), allocate), encoding, height, width, step)
            for picture in islice(cycle(pictures), count)]


def _copy_to(data: npt.NDArray[np.uint8], allocate: Allocate | None) -> npt.NDArray[np.uint8]:
    if allocate is None:
        return data
    place = allocate(_HEADER + data.size).view[_HEADER:_HEADER + data.size]
    place[:] = data
    return place


def measure_latency(pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted, seconds: float,
                    tick: Tick) -> Latency:
    """Measure the latency with one frame at a time in the pipeline."""
    found, source = Latency(), cycle(frames)
    for _ in _repeat_for(WARM_UP, least=2):
        _time_frame(pipeline, next(source), wanted)
    shown = 0.0
    for elapsed in _repeat_for(seconds, LEAST):
        took, stages = _time_frame(pipeline, next(source), wanted)
        found.total.append(took)
        for stage, ms in stages.items():
            found.stages.setdefault(stage, []).append(ms)
        if elapsed >= shown + 1:
            tick(elapsed)
            shown = elapsed
    tick(seconds)
    return found


def _repeat_for(seconds: float, least: int) -> Iterator[float]:
    """Yield the elapsed seconds again and again: for ``seconds``, and at least ``least`` times."""
    began, count = perf_counter(), 0
    while (elapsed := perf_counter() - began) < seconds or count < least:
        yield elapsed
        count += 1


def _time_frame(pipeline: Pipeline, frame: Frame, wanted: Wanted
                ) -> tuple[float, dict[str, float]]:
    began = perf_counter()
    segmentation = segment_one(pipeline, frame, wanted)
    segmentation.finish()
    took = (perf_counter() - began) * 1e3
    segmentation.release()
    stages = {stage: ms for stage, ms in segmentation.timings.items() if stage != 'total'}
    return took, {**stages, OUTSIDE: took - sum(stages.values())}


def measure_throughput(pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted,
                       seconds: float, tick: Tick) -> float:
    """Keep the pipeline full, and return how many frames per second the pipeline segments.

    The time to fill and to empty the pipeline does not count.
    """
    pieces = ceil(seconds)
    count, took, source = 0, 0.0, cycle(frames)
    for piece in range(pieces):
        done, elapsed = _measure_piece(pipeline, source, wanted, seconds / pieces)
        count, took = count + done, took + elapsed
        tick(seconds * (piece + 1) / pieces)
    return count / took


def _measure_piece(pipeline: Pipeline, source: Iterator[Frame], wanted: Wanted,
                   seconds: float) -> tuple[int, float]:
    """Return how many frames were collected with a full pipeline, and in how many seconds."""
    def submit() -> None:
        pipeline.submit(list(islice(source, pipeline.batch)), wanted)

    def collect() -> int:
        segmentations = pipeline.collect()
        for segmentation in segmentations:
            segmentation.release()
        return len(segmentations)

    for _ in range(pipeline.depth):
        submit()
    collect()
    count, began = 0, perf_counter()
    for _ in _repeat_for(seconds, least=2):
        submit()
        count += collect()
    took = perf_counter() - began
    for _ in range(pipeline.depth - 1):
        collect()
    return count, took


def memory_mib(pipeline: Pipeline) -> dict[str, float]:
    """Return the used memory of each kind (process, GPU, pinned host memory) in MiB.

    On a system without /proc, the result has no entry for the memory of this process.
    """
    found = {}
    statm = Path('/proc/self/statm')
    if statm.exists():
        pages = int(statm.read_text(encoding='ascii').split()[1])
        found['this process'] = pages * os.sysconf('SC_PAGE_SIZE') / 2**20
    gpu = getattr(pipeline, 'memory', None)  # Only the GPU pipeline has this attribute.
    if gpu is not None:
        found['GPU, every process'] = gpu.used_bytes / 2**20
        found['GPU, ours beside the network'] = gpu.device_bytes / 2**20
        found['pinned on the host'] = gpu.pinned_bytes / 2**20
    return found
