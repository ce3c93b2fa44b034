# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The frames that a :class:`.Worker` fetched and has neither published nor dropped yet.

A worker segments the frames of all cameras of a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from ..errors import EngineError, FrameError
from .drop_reasons import BAD_FRAME, ENGINE_ERROR, INTERNAL_ERROR, OUT_OF_MEMORY
from .engine_state import EngineState
from .frame_log import FrameLog
from .protocols import IncomingImage, ServedCamera
from .recovery import EngineHealth


class FetchedFrames:
    """Holds the frames that the worker processes now, and counts and reports each dropped frame.

    Several threads may use this object at the same time, but each frame is used by one thread at a
    time. So no lock is needed: Python itself protects each access to the dictionary of frames.

    :param warn: called with the name of a camera, the kind of its problem, and the exception.
    """

    def __init__(self, log: FrameLog, warn: Callable[[str, str, Exception], None],
                 health: EngineHealth) -> None:
        self._log = log
        self._warn = warn
        self._health = health
        self._images: dict[IncomingImage, ServedCamera] = {}

    def add(self, batch: Iterable[tuple[ServedCamera, IncomingImage]]) -> None:
        """Add the fetched images of a batch."""
        self._images.update((image, camera) for camera, image in batch)

    def remove(self, image: IncomingImage) -> None:
        """Remove an image whose segmentation was published."""
        self._images.pop(image)

    def drop_all(self, reason: str) -> None:
        """Drop every image that was added and not removed."""
        for image, camera in list(self._images.items()):
            self.drop(camera, image, reason)

    def fail(self, camera: ServedCamera, image: IncomingImage, error: Exception,
             stamp_ns: int | None = None) -> None:
        """Drop a frame because of an error, and report the error. See :meth:`drop`."""
        if isinstance(error, FrameError):
            camera.frame_error, reason = str(error), BAD_FRAME
        else:
            self._health.note_error(error)
            reason = (ENGINE_ERROR if isinstance(error, EngineError) else
                      OUT_OF_MEMORY if isinstance(error, MemoryError) else INTERNAL_ERROR)
        self.drop(camera, image, reason, stamp_ns)
        if self._health.status.state is not EngineState.LOST:  # Supervisor reports a lost GPU
            self._warn(camera.name, reason, error)

    def drop(self, camera: ServedCamera, image: IncomingImage, reason: str,
             stamp_ns: int | None = None) -> None:
        """Count a frame that gets no segmentation, and release its memory.

        :param stamp_ns: the image's stamp in nanoseconds. If None, the stamp is read from the
            image. So if the image was already released, pass the stamp.
        """
        if self._log.is_open and stamp_ns is None:
            with suppress(FrameError):  # the header may be unreadable
                stamp_ns = image.stamp_ns
        image.release()
        self._images.pop(image, None)
        camera.count_frame_dropped(reason)
        self._log.log_drop(camera.name, stamp_ns, reason)
