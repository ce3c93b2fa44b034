# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols of the objects that the worker uses: images, cameras, clock and settings.

With them, this room needs no ROS.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ..frame import Frame, Segmentation, Wanted
from ..memory import Memory


class IncomingImage(Hashable, Protocol):
    """A camera image that the transport delivered. The receiver must call :meth:`release`.

    Any thread may use the image, but only one thread at a time.
    """

    @property
    def arrived(self) -> float:
        """time.monotonic() when the transport took the image."""

    @property
    def stamp_ns(self) -> int:
        """Header stamp in nanoseconds.

        :raises FrameError: if the header cannot be read.
        """

    @property
    def header(self) -> object:
        """The header. :meth:`ServedCamera.publish` gets it back unchanged.

        :raises FrameError: if the header cannot be read.
        """

    def frame(self, camera: str = '') -> Frame:
        """Return the image, decoded if it was compressed; valid until :meth:`release`.

        :raises FrameError: if the message is not an image; the text names the wrong number.
        """

    def release(self) -> None:
        """Give the memory back. The frame must not be read afterwards. May be called twice."""


class FrameSink(Protocol):
    """Takes the images of one subscription; all methods run in the executor's thread."""

    @property
    def buffers(self) -> int:
        """Images that the sink may hold at once."""

    def offer(self, image: IncomingImage) -> None:
        """Take an image. The sink owns the image from then on, and must release it."""

    def not_taken(self, reason: str, text: str) -> None:
        """Count an image that was delivered but could not be taken.

        :param reason: NO_BUFFER or TAKE_ERROR of :mod:`.drop_reasons`.
        :param text: what went wrong, in words.
        """

    def allocate(self, nbytes: int) -> Memory:
        """Return memory to take images into.

        :raises MemoryError: if there is none; or another exception that gives the reason.
        """


class ServedCamera(Hashable, Protocol):
    """A camera of the node. Each method names the thread that calls it."""

    name: str
    """First part of the camera's topics; empty for the only camera of a node."""
    frame_error: str
    """What was wrong with the newest frame that was bad or not taken. Set from any thread."""
    stamps_are_foreign: bool
    """Whether the newest stamp and the node's clock share no time base. Set by the worker."""

    def reallocate(self) -> None:
        """Take images into newly allocated memory; no image may be held. Executor's thread."""

    def schedule_outputs(self, confidence: bool, overlay_rate: float) -> Wanted:
        """Decide what to compute for the next frame; in the worker's thread.

        :param confidence: whether confidence is published at all.
        :param overlay_rate: most overlays per second; 0 for an overlay of every frame.
        """

    def publish(self, segmentation: Segmentation, header: object) -> None:
        """Publish a segmentation with the header of its image; in the worker's thread."""

    def count_frame_in(self, now: float, arrived: float) -> None:
        """Count a delivered frame; in the executor's thread.

        :param now: seconds of the clock that rates are counted by.
        :param arrived: time.monotonic() when the frame came.
        """

    def count_frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        """Count a published segmentation with its milliseconds by stage; any thread."""

    def count_frame_dropped(self, reason: str) -> None:
        """Count a frame that gets no segmentation; any thread."""


class ServingClock(Protocol):
    """The node's clock; any thread."""

    def seconds(self) -> float:
        """Return seconds that never go back. Rates are counted by them."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds, comparable with image stamps; 0 if there is none."""


@dataclass(frozen=True)
class BatchLimits:
    """How many frames go into one batch.

    :param most: largest number of frames in a batch.
    :param patience: seconds that the first frame waits for frames of other cameras.
    """

    most: int
    patience: float


class LiveSettings(Protocol):
    """The settings that may change while frames are processed; in the worker's thread."""

    def batch_limits(self) -> BatchLimits:
        """Return how many frames may go into the next batch."""

    def apply_colours(self) -> None:
        """Give the pipeline the overlay's current colours."""

    def schedule_outputs(self, camera: ServedCamera) -> Wanted:
        """Decide what to compute for the next frame of a camera."""
