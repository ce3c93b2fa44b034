# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Write the results of ``trt_seg segment`` in worker threads while the network runs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
import json
import os
from pathlib import Path
import re
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import OutputError, SegmentationError
from ...model.card import ModelCard
from ...segmented_image import count_labels, SegmentedImage
from ...sources.image import ImageSource
from ...sources.names import find_renamed
from ...untrusted.output_files import (
    check_file,
    check_folder,
    is_ours,
    make_folder,
    raise_output_errors,
    write_image,
    write_json,
)
from ...untrusted.terminal_text import short
from ...video.pyav import import_av
from ...video.writer import VideoWriter
from .options import SegmentOptions
from .report import share_tree

WRITERS = max(2, min(16, os.cpu_count() or 1))
"""Number of threads that encode and write pictures."""
CLASSES = 'classes.json'
"""File in --out that explains the label maps and the overlays."""
PICTURE, VIDEO, MAP = '.jpg', '.mp4', '.png'
"""File endings for overlays of pictures, for overlays of videos, and for all other results."""


def check_results(sources: Sequence[ImageSource], options: SegmentOptions,
                  card: ModelCard) -> None:
    """Before any image is segmented, check that all results can be written.

    :raises OutputError: if a result would replace a file of the user or a source file, or if label
        maps of another model would stay in the folder of --out.
    :raises VideoError: if an mp4 is needed and PyAV is missing.
    """
    read = {os.path.realpath(path) for source in sources for path in source.paths}
    names = [name for source in sources for name in _list_names(source, options)]
    if options.overlay or any(options.wants_labels(s.name is not None) for s in sources):
        names.append(CLASSES)
    for name in names:
        if os.path.realpath(options.out / name) in read:
            raise OutputError(f'the result {name} would replace a file that this command reads; '
                              f'give another folder than --out {options.out}')
    check_folder(options.out, '--out', names)
    if CLASSES in names:
        _check_old_classes(options.out, set(names), card)
    if options.json:
        check_file(options.json, '--json')
    if any(name.endswith(VIDEO) for name in names):
        import_av()


def _check_old_classes(out: Path, names: set[str], card: ModelCard) -> None:
    """Refuse a folder in which a new classes.json would give old label maps wrong class names."""
    if not is_ours(out / CLASSES):
        return
    try:
        old = json.loads((out / CLASSES).read_bytes())
        model, classes = old['model'], [one['name'] for one in old['classes']]
        other = f'the model {short(model)}' + ' with other classes' * (model == card.name)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        model, classes, other = '', [], 'an unknown model'
    if model == card.name and classes == list(card.classes):
        return
    staying = (path.relative_to(out).as_posix() for path in sorted(out.glob('labels/**/*' + MAP))
               if is_ours(path))
    if (name := next((name for name in staying if name not in names), None)) is not None:
        raise OutputError(f'--out {out} holds label maps of {other}, such as {name}. '
                          f'This run would give them the class names of {card.name}. Give '
                          'another folder with --out, or remove the label maps yourself')


def _list_names(source: ImageSource, options: SegmentOptions) -> list[str]:
    """Return the paths, below --out, of a source's results and of a video's old label maps."""
    if source.name is not None:
        return [*[source.name + VIDEO] * options.overlay, *_list_old_maps(source.name, options)]
    names = source.picture_names
    return [*(name + PICTURE for name in names if options.overlay),
            *(f'labels/{name}{MAP}' for name in names if options.wants_labels(False)),
            *(f'confidence/{name}{MAP}' for name in names if options.confidence)]


def _list_old_maps(name: str, options: SegmentOptions) -> list[str]:
    """Return the label maps and confidences that an earlier run may have written for this video.

    Some of these files may belong to frames that this run skips. Label maps are returned only if
    this run writes label maps, and confidences only if this run writes confidences.
    """
    folders = ['labels'] * options.wants_labels(True) + ['confidence'] * options.confidence
    return [str(path.relative_to(options.out)) for folder in folders
            for path in sorted((options.out / folder / name).glob('*' + MAP))
            if re.fullmatch('[0-9]{6,}', path.stem)]


def find_renamed_results(sources: Sequence[ImageSource], options: SegmentOptions
                         ) -> list[tuple[str, str]]:
    """Return each source whose result has an unexpected name, and this name.

    If overlays are written, the name has an ending, as in ``street_jpg.jpg``.
    """
    names = [(source.title, source.name) for source in sources if source.name is not None]
    pictures = [(str(path), name) for source in sources if source.name is None
                for path, name in zip(source.paths, source.picture_names)]
    return [(origin, name + ending * options.overlay)
            for found, ending in ((pictures, PICTURE), (names, VIDEO))
            for origin, name in find_renamed(found)]


class ResultWriter:
    """Gives the results of a run to threads that write them. Call all methods from one thread.

    :ivar images: for each image, its entry in the file of --json; empty without --json.
    :ivar pixels: for each class, the number of its pixels; complete after :meth:`close`.
    :ivar all_pixels: number of pixels of all images.
    """

    def __init__(self, options: SegmentOptions, card: ModelCard) -> None:
        self._options, self._card = options, card
        self._pool = ThreadPoolExecutor(WRITERS, 'write result')
        self._room = threading.BoundedSemaphore(2 * WRITERS)
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._video: VideoWriter | None = None
        self._knows_classes = False
        self.images: list[dict[str, Any]] = []
        self.pixels = np.zeros(len(card.classes), np.int64)
        self.all_pixels = 0

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except SegmentationError:
            if kind is None:    # an exception of the with block matters more than this error
                raise

    def begin_source(self, source: ImageSource) -> None:
        """Delete old label maps and confidences of a video, if this run writes new ones.

        :raises OutputError: if a file cannot be deleted.
        """
        for name in _list_old_maps(source.name, self._options) if source.name else ():
            path = self._options.out / name
            if is_ours(path):
                with raise_output_errors(path, '--out'):
                    path.unlink()

    def write(self, answer: SegmentedImage, source: ImageSource, rate: Fraction | None) -> None:
        """Hand over a result to be written. If too many results wait already, the call waits too.

        :param rate: images per second of a video.
        :raises OutputError, VideoError: if an earlier result could not be written.
        """
        if self._error is not None:
            raise self._error
        is_video = source.name is not None
        self._write_classes(is_video)
        if source.name is not None and self._options.overlay:
            self._write_video(source.name, answer, rate or Fraction(1))
        entry: dict[str, Any] = {}
        if self._options.json:
            self.images.append(entry)
        self._room.acquire()
        self._pool.submit(self._write, answer, source.name, entry
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

    def _write_classes(self, is_video: bool) -> None:
        if self._knows_classes or not (
                self._options.overlay or self._options.wants_labels(is_video)):
            return
        self._knows_classes = True
        count = len(self._card.classes)
        write_json(_prepare(self._options.out / CLASSES), {
            'model': self._card.name, 'unlabelled': 255 if count <= 255 else 65535,
            'classes': [{'id': index, 'name': name, 'color': color} for index, (name, color)
                        in enumerate(zip(self._card.classes, self._card.palette.tolist()))]})

    def _write_video(self, name: str, answer: SegmentedImage, rate: Fraction) -> None:
        picture = compose(answer, self._options.side_by_side)
        if self._video is None:
            make_folder(self._options.out, '--out')
            height, width, _ = picture.shape
            self._video = VideoWriter(self._options.out / (name + VIDEO), (height, width), rate)
        self._video.write(picture, answer.time_ns)

    def _write(self, answer: SegmentedImage, video: str | None, entry: dict[str, Any]) -> None:
        options, name, is_video = self._options, answer.name, video is not None
        counts = count_labels(answer.labels, len(self.pixels))
        with self._lock:
            self.pixels += counts
            self.all_pixels += answer.labels.size
        pictures: dict[str, Any] = {}
        if options.overlay and not is_video:
            pictures[name + PICTURE] = compose(answer, options.side_by_side)
        if options.wants_labels(is_video):
            pictures[f'labels/{name}{MAP}'] = answer.labels
        if options.confidence:
            pictures[f'confidence/{name}{MAP}'] = answer.confidence
        for path, picture in pictures.items():
            write_image(_prepare(options.out / path), picture)
        entry |= {
            'source': answer.origin,
            'results': [f'{video}{VIDEO}'] * (is_video and options.overlay) + [*pictures],
            **share_tree(counts, answer.labels.size, self._card),
            'seconds': round(answer.timings['total'] / 1000, 6)}

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
    make_folder(path.parent, '--out')
    return path
