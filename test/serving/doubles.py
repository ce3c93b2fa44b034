# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Fake cameras, images, clocks and pipelines for the tests of serving. They need no ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from queue import SimpleQueue
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from trt_segmentation.engines import Identity
from trt_segmentation.errors import FrameError
from trt_segmentation.frame import Frame, Segmentation, Wanted
from trt_segmentation.serving.protocols import BatchLimits

TIMEOUT = 30.0
"""Seconds. Every step of these tests takes far less."""

NOW_NS = 1_000_000_000_000


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + TIMEOUT
    while not (found := condition()):
        assert time.monotonic() < deadline, 'it did not happen'
        time.sleep(0.002)
    return found


class FakeImage:
    """An image that the camera took ``number`` milliseconds before NOW_NS."""

    def __init__(self, number: int = 0, bad: str = '') -> None:
        self.arrived = time.monotonic()
        self.stamp_ns = NOW_NS - number * 1_000_000
        self.header = f'header {number}'
        self.releases = 0
        self._bad = bad

    def frame(self, camera: str = '') -> Frame:
        assert not self.releases, 'the image was released'
        if self._bad:
            raise FrameError(self._bad)
        return Frame(np.zeros(12, np.uint8), 'bgr8', 2, 2, 6, stamp_ns=self.stamp_ns,
                     camera=camera)

    def release(self) -> None:
        self.releases += 1


class FakeCamera:
    """Counts the frames that the worker reports, and keeps the headers that it publishes."""

    def __init__(self, name: str = '') -> None:
        self.name = name
        self.frame_error = ''
        self.stamps_are_foreign = False
        self.counts: Counter[str] = Counter()
        self.published: list[object] = []
        self.timings: list[Mapping[str, float]] = []
        self.reallocations = 0
        self.publish_error: Exception | None = None

    def schedule_outputs(self, confidence: bool, overlay_rate: float) -> Wanted:
        return Wanted()

    def set_viewport(self, frame: Frame) -> Frame:
        return frame

    def reallocate(self) -> None:
        self.reallocations += 1

    def publish(self, segmentation: Segmentation, header: object) -> None:
        if self.publish_error:
            raise self.publish_error
        self.published.append(header)

    def count_frame_in(self, now: float, arrived: float) -> None:
        self.counts['in'] += 1

    def count_frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        self.timings.append(timings)
        self.counts['out'] += 1

    def count_frame_dropped(self, reason: str) -> None:
        self.counts[reason] += 1


class FakeClock:
    def seconds(self) -> float:
        return time.monotonic()

    def now_ns(self) -> int:
        return NOW_NS


class FakeSettings:
    """Settings for batches of up to 8 frames, without a wait for more frames."""

    max_age = 0.0

    def max_age_ms(self) -> float:
        return self.max_age

    def batch_limits(self) -> BatchLimits:
        return BatchLimits(8, 0.0)

    def apply_colours(self) -> None:
        pass

    def schedule_outputs(self, camera: FakeCamera) -> Wanted:
        return camera.schedule_outputs(False, 0.0)


class FakePipeline:
    """Returns empty label maps after ``gate`` is set, or raises the next error of ``errors``."""

    depth, batch, allocate, gives_confidence, lends_memory = 1, 8, None, True, False
    identity = Identity('m', 'onnxruntime-cpu', '1', 'fp32', 'a fake', 'test')

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[str]] = []
        self.closed = 0
        self.card = SimpleNamespace()
        self._waiting: SimpleQueue[list[Frame]] = SimpleQueue()

    def submit(self, frames: list[Frame], wanted: Wanted = Wanted()) -> None:
        self.batches.append([frame.camera for frame in frames])
        self._waiting.put(frames)

    def collect(self) -> list[Segmentation]:
        frames = self._waiting.get()
        assert self.gate.wait(TIMEOUT)
        if self.errors:
            raise self.errors.pop(0)
        return [Segmentation(frame, np.zeros((2, 2), np.uint8)) for frame in frames]

    def close(self) -> None:
        self.closed += 1


def sticky_error(text: str) -> Exception:
    from trt_segmentation.errors import GpuError
    error = GpuError(text, 'CUDA_ERROR_ILLEGAL_ADDRESS')
    assert error.sticky
    return error
