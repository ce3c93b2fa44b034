# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Protocols of the objects that the worker uses: images, cameras, clock and settings.

Because of these protocols, the modules of this folder do not import ROS.
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
        """time.monotonic() when the transport received the image."""

    @property
    def stamp_ns(self) -> int:
        """Header stamp in nanoseconds.

        :raises FrameError: if the header cannot be read.
        """

    @property
    def header(self) -> object:
        """The header. :meth:`ServedCamera.publish` gets the same header unchanged.

        :raises FrameError: if the header cannot be read.
        """

    def frame(self, camera: str = '') -> Frame:
        """Return the image, decoded if it was compressed. It is valid until :meth:`release`.

        :param camera: name of the camera for the frame. Empty if the camera has no name.
        :raises FrameError: if the message is not an image. The message names the wrong value.
        """

    def release(self) -> None:
        """Return the memory. Nobody may read the frame afterwards. A second call does nothing."""


class FrameSink(Protocol):
    """Receives the images of one subscription.

    All methods run in the executor's thread. Decoded frames of a video come in the thread that
    decodes them.
    """

    @property
    def buffers(self) -> int:
        """Number of images that the sink may hold at the same time."""

    def offer(self, image: IncomingImage) -> None:
        """Accept an image. The sink owns the image from then on, and must release it."""

    def not_taken(self, reason: str, text: str, stamp_ns: int | None = None) -> None:
        """Count an image that was delivered but that the transport could not receive or decode.

        :param reason: one of :mod:`.drop_reasons`.
        :param text: what went wrong, in words.
        :param stamp_ns: header stamp in nanoseconds; None if it is not known.
        """

    def allocate(self, nbytes: int) -> Memory:
        """Return memory that images are received into.

        :param nbytes: least size of the memory in bytes.
        :raises Exception: if there is not enough memory. The message gives the reason.
        """


class ServedCamera(Hashable, Protocol):
    """A camera of the node. Each method names the thread that calls it."""

    name: str
    """First part of the camera's topics. Empty for the only camera of a node."""
    frame_error: str
    """What was wrong with the newest bad or undelivered frame. Any thread may set this."""
    stamps_are_foreign: bool
    """Whether the newest stamp and the node's clock have different time bases."""

    def reallocate(self) -> None:
        """Use newly allocated memory for images. Nobody may hold an image then.

        Call this in the executor's thread.
        """

    def schedule_outputs(self, confidence: bool, overlay_rate: float) -> Wanted:
        """Decide what to compute for the next frame. Call this in the worker's thread.

        :param confidence: whether the node publishes confidence images at all.
        :param overlay_rate: most overlays per second. 0 means an overlay of every frame.
        """

    def publish(self, segmentation: Segmentation, header: object) -> None:
        """Publish a segmentation with its image's header. Call this in the worker's thread."""

    def count_frame_in(self, now: float, arrived: float) -> None:
        """Count a delivered frame. Call this in the executor's thread.

        :param now: present :meth:`ServingClock.seconds`.
        :param arrived: time.monotonic() when the frame arrived.
        """

    def count_frame_out(self, now: float, timings: Mapping[str, float]) -> None:
        """Count a published segmentation. Any thread may call this.

        :param now: present :meth:`ServingClock.seconds`.
        :param timings: milliseconds of each stage, by the name of the stage.
        """

    def count_frame_dropped(self, reason: str) -> None:
        """Count a frame that gets no segmentation. Any thread may call this."""


class ServingClock(Protocol):
    """The node's clock. Any thread may use it."""

    def seconds(self) -> float:
        """Return seconds that never go back. The node computes rates from these seconds."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds, in the time base of image stamps. 0 if no time came."""


@dataclass(frozen=True)
class BatchLimits:
    """How many frames go into one batch.

    :param most: largest number of frames in a batch.
    :param patience: seconds that the first frame waits for frames of other cameras.
    """

    most: int
    patience: float


class LiveSettings(Protocol):
    """The settings that may change while frames are processed. Used in the worker's thread."""

    def batch_limits(self) -> BatchLimits:
        """Return how many frames may go into the next batch."""

    def apply_colours(self) -> None:
        """Give the pipeline the overlay's current colours."""

    def schedule_outputs(self, camera: ServedCamera) -> Wanted:
        """Decide what to compute for the next frame of a camera."""
