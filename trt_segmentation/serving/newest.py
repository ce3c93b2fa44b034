# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The newest frame of every camera, in the order the cameras began to wait."""

from __future__ import annotations

from collections.abc import Hashable
import threading
import time
from typing import Generic, Protocol, TypeVar


class Arrived(Protocol):
    """A frame that came at some time."""

    @property
    def arrived(self) -> float:
        """When, by time.monotonic()."""


Camera = TypeVar('Camera', bound=Hashable)
Taken = TypeVar('Taken', bound=Arrived)


class NewestFrames(Generic[Camera, Taken]):
    """Holds at most one frame a camera: a newer one takes the place of one not yet fetched.

    A camera waits from its first frame not fetched, and the one that has waited longest is
    fetched first: however fast another one is, none starves. Safe from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frames: dict[Camera, Taken] = {}  # in the order the cameras began to wait
        self._held_until = 0.0
        self._closed = False

    def put(self, camera: Camera, frame: Taken) -> Taken | None:
        """Leave a frame and return the one it displaces; the frame itself once closed."""
        with self._changed:
            if self._closed:
                return frame
            displaced = self._frames.get(camera)
            self._frames[camera] = frame  # the camera keeps its place
            self._changed.notify_all()
            return displaced

    @property
    def held(self) -> bool:
        """Whether :meth:`fetch` returns no frame now, however many wait."""
        return self._closed or time.monotonic() < self._held_until

    def hold(self, seconds: float) -> None:
        """Let :meth:`fetch` return no frame for so long; newer ones displace older meanwhile."""
        with self._changed:
            self._held_until = time.monotonic() + seconds
            self._changed.notify_all()

    def fetch(self, most: int = 1, patience: float = 0.0) -> list[tuple[Camera, Taken]]:
        """Wait for a frame and take what waits then; [] once closed.

        :param most: frames to take; a frame more is left for the next time.
        :param patience: seconds after the arrival of the longest waiting camera's frame that
            others are waited for, where there are fewer than ``most``.
        """
        with self._changed:
            self._wait_for_one()
            if patience and self._frames and len(self._frames) < most:
                first = next(iter(self._frames.values())).arrived
                self._changed.wait_for(lambda: self._closed or len(self._frames) >= most,
                                       first + patience - time.monotonic())
            cameras = [] if self._closed else list(self._frames)[:most]
            return [(camera, self._frames.pop(camera)) for camera in cameras]

    def _wait_for_one(self) -> None:
        while not self._closed:
            held = self._held_until - time.monotonic()
            if self._frames and held <= 0:
                return
            self._changed.wait(held if self._frames else None)

    def close(self) -> list[tuple[Camera, Taken]]:
        """Let :meth:`fetch` return [] from now on; returns the frames nobody fetched."""
        with self._changed:
            frames, self._frames = list(self._frames.items()), {}
            self._closed = True
            self._changed.notify_all()
            return frames
