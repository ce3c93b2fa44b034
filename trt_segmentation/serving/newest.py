# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A queue that keeps only the newest frame of each camera."""

from __future__ import annotations

from collections.abc import Callable, Hashable
import threading
import time
from typing import Generic, Protocol, TypeVar


class HasArrivalTime(Protocol):
    """A frame with its time of arrival."""

    @property
    def arrived(self) -> float:
        """time.monotonic() when the frame arrived."""


Camera = TypeVar('Camera', bound=Hashable)
Image = TypeVar('Image', bound=HasArrivalTime)


class NewestFrames(Generic[Camera, Image]):
    """Holds at most one frame per camera. Any thread may use this object.

    The camera that has waited longest is served first. If a newer frame replaces a waiting frame,
    the camera keeps its place in the order. Therefore a fast camera cannot block a slow camera.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: dict[Camera, Image] = {}  # in the order in which the cameras began to wait
        self._paused_until = 0.0
        self._closed = False

    def put(self, camera: Camera, frame: Image) -> Image | None:
        """Add a frame. Return the frame that was replaced; None if no frame was replaced.

        After :meth:`close`, the new frame is not added but returned.
        """
        with self._changed:
            if self._closed:
                return frame
            replaced = self._frames.get(camera)
            self._frames[camera] = frame
            self._changed.notify_all()
            return replaced

    @property
    def is_paused(self) -> bool:
        """Whether :meth:`fetch` returns no frame now, even if frames wait."""
        return self._closed or time.monotonic() < self._paused_until

    def pause(self, seconds: float) -> None:
        """Let :meth:`fetch` return no frame for some seconds. :meth:`put` works as before."""
        with self._changed:
            self._paused_until = time.monotonic() + seconds
            self._changed.notify_all()

    def wake(self) -> None:
        """Let a waiting :meth:`fetch` call its ``is_over`` again."""
        with self._changed:
            self._changed.notify_all()

    def fetch(self, most: int = 1, patience: float = 0.0,
              is_over: Callable[[], bool] = lambda: False) -> list[tuple[Camera, Image]]:
        """Wait until there is a frame. Return the waiting frames, or [] after :meth:`close`.

        :param most: largest number of frames to return. The other frames continue to wait.
        :param patience: longest wait for frames of other cameras, in seconds after the arrival of
            the first frame.
        :param is_over: if this function returns True, the result is [], and the frames continue to
            wait. The function is called again after each :meth:`wake`.
        """
        with self._changed:
            def has_ended() -> bool:
                return self._closed or is_over()

            self._wait_for_frame(has_ended)
            if patience and self._frames and len(self._frames) < most:
                first = next(iter(self._frames.values())).arrived
                self._changed.wait_for(lambda: has_ended() or len(self._frames) >= most,
                                       first + patience - time.monotonic())
            cameras = [] if has_ended() else list(self._frames)[:most]
            return [(camera, self._frames.pop(camera)) for camera in cameras]

    def _wait_for_frame(self, has_ended: Callable[[], bool]) -> None:
        while not has_ended():
            pause = self._paused_until - time.monotonic()
            if self._frames and pause <= 0:
                return
            self._changed.wait(pause if self._frames else None)

    def close(self) -> list[tuple[Camera, Image]]:
        """Let :meth:`fetch` return [] from now on. Return the frames that are still waiting."""
        with self._changed:
            frames, self._frames = list(self._frames.items()), {}
            self._closed = True
            self._changed.notify_all()
            return frames
