# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write the results of ``trt_seg segment`` in worker threads while the network runs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
import os
from pathlib import Path
import threading

import numpy as np
import numpy.typing as npt

from ...errors import OutputError, SegmentationError
from ...segmented_image import count_labels, SegmentedImage
from ...sources.image import ImageSource
from ...untrusted.output_files import check_folder, make_folder, write_image
from ...video.pyav import import_av
from ...video.writer import VideoWriter
from .options import SegmentOptions

WRITERS = max(2, min(16, os.cpu_count() or 1))
"""Number of threads that encode and write pictures."""
PICTURE, VIDEO, MAP = '.jpg', '.mp4', '.png'
"""File endings: for overlays of pictures, overlays of videos, and label maps or confidences."""


def check_results(sources: Sequence[ImageSource], options: SegmentOptions) -> None:
    """Check that all results can be written, before any image is segmented.

    :raises OutputError: if a result would replace a file of the user, or a source file.
    :raises VideoError: if an mp4 is needed and PyAV is missing.
    """
    read = {os.path.realpath(path) for source in sources for path in source.paths}
    names = [name for source in sources for name in _list_names(source, options)]
    check_folder(options.out, '--out', names)
    for name in names:
        if os.path.realpath(options.out / name) in read:
            raise OutputError(f'the result {name} would replace a file that this command reads; '
                              f'give another folder than --out {options.out}')
    if any(name.endswith(VIDEO) for name in names):
        import_av()


def _list_names(source: ImageSource, options: SegmentOptions) -> list[str]:
    """Return the paths of the results, relative to --out. A video has only the mp4."""
    if source.name is not None:
        return [source.name + VIDEO] * options.overlay
    names = source.picture_names
    return [*(name + PICTURE for name in names if options.overlay),
            *(f'labels/{name}{MAP}' for name in names if options.wants_labels(False)),
            *(f'confidence/{name}{MAP}' for name in names if options.confidence)]


class ResultWriter:
    """Writes results. Call all methods from one thread.

    :param classes: number of classes.
    :ivar pixels: for each class, the number of its pixels; complete after :meth:`close`.
    :ivar all_pixels: number of pixels of all images.
    """

    def __init__(self, options: SegmentOptions, classes: int) -> None:
        self._options = options
        self._pool = ThreadPoolExecutor(WRITERS, 'write result')
        self._room = threading.BoundedSemaphore(2 * WRITERS)
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._video: VideoWriter | None = None
        self.pixels = np.zeros(classes, np.int64)
        self.all_pixels = 0

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except SegmentationError:
            if kind is None:        # the exception of the with block matters more
                raise

    def write(self, answer: SegmentedImage, source: ImageSource, rate: Fraction | None) -> None:
        """Hand over a result to be written. If too many results wait already, the call waits too.

        :param rate: images per second of a video.
        :raises OutputError, VideoError: if an earlier result could not be written.
        """
        if self._error is not None:
            raise self._error
        if source.name is not None and self._options.overlay:
            self._write_video(source.name, answer, rate or Fraction(1))
        self._room.acquire()
        self._pool.submit(self._write, answer, source.name is not None
                          ).add_done_callback(self._note_done)

    def end_source(self) -> None:
        """Complete the video of the current source, if there is one.

        :raises VideoError: if the video could not be written.
        """
        video, self._video = self._video, None
        if video:
            video.close()

    def close(self) -> None:
        """Write the waiting results, and complete the video.

        :raises OutputError, VideoError: if a result could not be written.
        """
        try:
            self.end_source()
        finally:
            self._pool.shutdown()
        if self._error is not None:
            raise self._error

    def _write_video(self, name: str, answer: SegmentedImage, rate: Fraction) -> None:
        picture = compose(answer, self._options.side_by_side)
        if self._video is None:
            make_folder(self._options.out, '--out')
            height, width, _ = picture.shape
            self._video = VideoWriter(self._options.out / (name + VIDEO), (height, width), rate)
        self._video.write(picture, answer.time_ns)

    def _write(self, answer: SegmentedImage, is_video: bool) -> None:
        options, name = self._options, answer.name
        counts = count_labels(answer.labels, len(self.pixels))
        with self._lock:
            self.pixels += counts
            self.all_pixels += answer.labels.size
        if options.overlay and not is_video:
            path = _prepare(options.out / (name + PICTURE))
            write_image(path, compose(answer, options.side_by_side))
        if options.wants_labels(is_video):
            write_image(_prepare(options.out / 'labels' / (name + MAP)), answer.labels)
        if options.confidence:
            write_image(_prepare(options.out / 'confidence' / (name + MAP)), answer.confidence)

    def _note_done(self, work: Future[None]) -> None:
        self._room.release()
        self._error = self._error or work.exception()


def compose(answer: SegmentedImage, side_by_side: bool) -> npt.NDArray[np.uint8]:
    """Return the overlay, (height, width, 3) BGR.

    With ``side_by_side``, the image is on the left side, and the result is twice as wide.
    """
    assert answer.overlay is not None
    return np.hstack([answer.image, answer.overlay]) if side_by_side else answer.overlay


def _prepare(path: Path) -> Path:
    """Make the folder of a result, and return the path of the result."""
    make_folder(path.parent, '--out')
    return path
