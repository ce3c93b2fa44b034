# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols of the objects that a :class:`.Worker` uses: images, cameras, clock and settings.

A worker segments the frames of all cameras of a node. This file needs no ROS.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..frame import Frame, Segmentation, Wanted
from ..memory import Memory


class IncomingImage(Hashable, Protocol):
    """A camera image that came as a message. The receiver must call :meth:`release`.

    Any thread may use the image, but only one thread at a time.
    """

    @property
    def arrived(self) -> float:
        """time.monotonic() when the message was received."""

    @property
    def stamp_ns(self) -> int:
        """The stamp of the header in nanoseconds.

        :raises FrameError: if the header cannot be read.
        """

    @property
    def header(self) -> object:
        """The header of the image. The segmentation is published with the same header.

        :raises FrameError: if the header cannot be read.
        """

    def frame(self, camera: str = '') -> Frame:
        """Decode the image to a frame, which is valid until :meth:`release`.

        :param camera: name of the camera. Empty if the camera has no name.
        :raises FrameError: if the message is not an image. The error names the wrong value.
        """

    def release(self) -> None:
        """Give the memory back. The frame is no longer valid. A second call does nothing."""


class FrameSink(Protocol):
    """Receives the images of one subscription.

    The executor's thread calls the methods. For a video, the decoding thread may also call
    :meth:`offer` and :meth:`not_taken`.
    """

    @property
    def buffers(self) -> int:
        """Largest number of images that the sink holds at the same time."""

    def offer(self, image: IncomingImage) -> None:
        """Accept an image. The sink then owns the image and must release it."""

    def not_taken(self, reason: str, text: str, stamp_ns: int | None = None) -> None:
        """Count an image that arrived but could not be received or decoded.

        :param reason: one of :mod:`.drop_reasons`.
        :param text: what went wrong, in words.
        :param stamp_ns: header stamp in nanoseconds; None if it is not known.
        """

    def allocate(self, nbytes: int) -> Memory:
        """Return memory for a received image.

        :param nbytes: smallest size of the memory in bytes.
        :raises Exception: if there is not enough memory.
        """


class ServedCamera(Hashable, Protocol):
    """A camera of the node. The description of each method says which thread may call it."""

    name: str
    """First part of the camera's topics. Empty for the only camera of a node."""
    frame_error: str
    """Why the newest unusable frame could not be used. Any thread may set this text."""
    stamps_are_foreign: bool
    """Whether the age of the newest frame is unknown, for example because the stamp comes from
    another clock; see :func:`.measure_age_ms`."""

    def reallocate(self) -> None:
        """Use newly allocated memory for the next images. Call this in the executor's thread.

        Images in the old memory stay valid until they are released.
        """

    def schedule_outputs(self, confidence: bool, overlay_rate: float) -> Wanted:
        """Decide what to compute for the next frame. The thread that submits batches calls this.

        :param confidence: whether the node publishes confidence images at all.
        :param overlay_rate: largest number of overlays per second; 0 for one overlay per frame.
        """

    def set_viewport(self, frame: Frame) -> Frame:
        """Return the frame with its viewport: the part of the image that the network sees.

        The thread that submits batches calls this.

        :raises FrameError: if the viewport does not fit the frame.
        """

    def publish(self, segmentation: Segmentation, header: object) -> None:
        """Publish a segmentation and its header. The thread that collects results calls this."""

    def count_frame_in(self, now: float, arrived: float) -> None:
        """Count a delivered frame. Any thread may call this.

        :param now: current time, from :meth:`ServingClock.seconds`.
        :param arrived: time.monotonic() when the frame arrived.
        """

    def count_frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        """Count a published segmentation. Any thread may call this.

        :param now: current time, from :meth:`ServingClock.seconds`.
        :param timings: the milliseconds of each stage.
        """

    def count_frame_dropped(self, reason: str) -> None:
        """Count a frame that gets no segmentation. Any thread may call this."""


class ServingClock(Protocol):
    """The node's clock. Any thread may use it."""

    def seconds(self) -> float:
        """Return the seconds of a clock that never goes back. Rates need such a clock."""

    def now_ns(self) -> int:
        """Return the ROS time in nanoseconds; 0 before the first message of a simulated clock."""


@dataclass(frozen=True)
class BatchLimits:
    """Limits for the next batch.

    :param most: largest number of frames in a batch.
    :param patience: seconds that the first frame waits for frames of other cameras.
    """

    most: int
    patience: float


class LiveSettings(Protocol):
    """The settings that may change while frames are processed. The worker's threads use them."""

    def batch_limits(self) -> BatchLimits:
        """Return the limits for the next batch."""

    def max_age_ms(self) -> float:
        """Return the age in milliseconds above which a result is dropped; 0 for no limit."""

    def apply_colours(self) -> None:
        """Give the pipeline the overlay's current colours."""

    def schedule_outputs(self, camera: ServedCamera) -> Wanted:
        """Call :meth:`ServedCamera.schedule_outputs` with the present settings."""
