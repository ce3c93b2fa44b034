# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""How long a pipeline takes for a frame, how many it does a second, and what memory it holds."""

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

from ...frame import BYTES_PER_PIXEL, Frame, PLANE_ROWS, Wanted
from ...memory import Allocate
from ...pipeline import Pipeline, segment_one
from ...street import Drive

PICTURES = 4
"""Street scenes that frames are made of; no two frames in a row are the same."""

WARM_UP = 0.5
"""Seconds of frames that are not counted."""

LEAST = 20
"""Frames measured however long they take."""

OUTSIDE = 'outside the stages'
"""Time of a frame that is in none of its stages: Python, queues and waiting."""

_HEADER = 61
"""Bytes before the pixels, as a message has its header there: they begin at no round address."""

Tick = Callable[[float], None]
"""Told about once a second how many seconds were measured; never while the clock runs."""


@dataclass
class Latency:
    """Milliseconds of each frame in turn.

    :param total: from the call of submit to the return of collect, by the wall clock.
    :param stages: as the pipeline says, its own total left out, and :data:`OUTSIDE`.
    """

    total: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)

    @property
    def drift(self) -> float:
        """Median of the last third over that of the first: above 1 where it became slower."""
        third = max(len(self.total) // 3, 1)
        return float(np.median(self.total[-third:]) / np.median(self.total[:third]))


def camera_frames(count: int, width: int, height: int, encoding: str,
                  allocate: Allocate | None) -> list[Frame]:
    """Frames of a size and encoding, in the pipeline's memory where it offers some.

    The bytes are those of street scenes, right pictures in bgr8 and stripes of them elsewhere:
    what a frame shows does not change what is done with it.

    :raises FrameError: when a camera has no such images.
    """
    step = width * BYTES_PER_PIXEL.get(encoding, 0)
    times, per = PLANE_ROWS.get(encoding, (1, 1))
    size = max(step * (height * times // per), 1)
    nothing = np.broadcast_to(np.uint8(0), size)  # refused before memory is taken
    Frame(nothing, encoding, height, width, step)
    drive = Drive(seed=0)
    pictures = [cv2.resize(drive.frame(30 * i).image, (width, height)).reshape(-1)
                for i in range(min(count, PICTURES))]
    return [Frame(_placed(np.resize(picture, size), allocate), encoding, height, width, step)
            for picture in islice(cycle(pictures), count)]


def _placed(data: npt.NDArray[np.uint8], allocate: Allocate | None) -> npt.NDArray[np.uint8]:
    if allocate is None:
        return data
    place = allocate(_HEADER + data.size).view[_HEADER:_HEADER + data.size]
    place[:] = data
    return place


def measure_latency(pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted, seconds: float,
                    tick: Tick) -> Latency:
    """One frame at a time, the next one when the answer is there and given back."""
    found, source = Latency(), cycle(frames)
    for _ in _for(WARM_UP, least=2):
        _one(pipeline, next(source), wanted)
    shown = 0.0
    for elapsed in _for(seconds, LEAST):
        took, stages = _one(pipeline, next(source), wanted)
        found.total.append(took)
        for stage, ms in stages.items():
            found.stages.setdefault(stage, []).append(ms)
        if elapsed >= shown + 1:
            tick(elapsed)
            shown = elapsed
    tick(seconds)
    return found


def _for(seconds: float, least: int) -> Iterator[float]:
    """Seconds elapsed, for that long and at least so often."""
    began, count = perf_counter(), 0
    while (elapsed := perf_counter() - began) < seconds or count < least:
        yield elapsed
        count += 1


def _one(pipeline: Pipeline, frame: Frame, wanted: Wanted) -> tuple[float, dict[str, float]]:
    began = perf_counter()
    answer = segment_one(pipeline, frame, wanted)
    took = (perf_counter() - began) * 1e3
    answer.release()
    stages = {stage: ms for stage, ms in answer.timings.items() if stage != 'total'}
    return took, {**stages, OUTSIDE: took - sum(stages.values())}


def measure_throughput(pipeline: Pipeline, frames: Sequence[Frame], wanted: Wanted,
                       seconds: float, tick: Tick) -> float:
    """Frames a second with as many batches in flight as the pipeline can use.

    Measured in pieces of a second; how the pipeline fills and empties is not counted.
    """
    pieces = ceil(seconds)
    count, took, source = 0, 0.0, cycle(frames)
    for piece in range(pieces):
        done, elapsed = _piece(pipeline, source, wanted, seconds / pieces)
        count, took = count + done, took + elapsed
        tick(seconds * (piece + 1) / pieces)
    return count / took


def _piece(pipeline: Pipeline, source: Iterator[Frame], wanted: Wanted,
           seconds: float) -> tuple[int, float]:
    """Frames answered after the first batch, and the seconds that took."""
    def submit() -> None:
        pipeline.submit(list(islice(source, pipeline.batch)), wanted)

    def collect() -> int:
        answers = pipeline.collect()
        for answer in answers:
            answer.release()
        return len(answers)

    for _ in range(pipeline.depth):
        submit()
    collect()
    count, began = 0, perf_counter()
    for _ in _for(seconds, least=2):
        submit()
        count += collect()
    took = perf_counter() - began
    for _ in range(pipeline.depth - 1):
        collect()
    return count, took


def memory_mib(pipeline: Pipeline) -> dict[str, float]:
    """MiB by what they are: the process, where the system tells, and what is on the GPU."""
    found = {}
    statm = Path('/proc/self/statm')
    if statm.exists():
        pages = int(statm.read_text(encoding='ascii').split()[1])
        found['this process'] = pages * os.sysconf('SC_PAGE_SIZE') / 2**20
    gpu = getattr(pipeline, 'memory', None)  # of the GPU's pipeline
    if gpu is not None:
        found['GPU, every process'] = gpu.used_bytes / 2**20
        found['GPU, ours beside the network'] = gpu.device_bytes / 2**20
        found['pinned on the host'] = gpu.pinned_bytes / 2**20
    return found
