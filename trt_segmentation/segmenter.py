# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Segment pictures, videos and camera streams in one line of Python."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
import logging
from pathlib import Path
import threading
from typing import overload, TypeAlias

import numpy as np

from .engines import Identity
from .errors import EngineError, FrameError, SegmentationError
from .frame import Segmentation, Wanted
from .memory import Allocate
from .model.card import load_card, ModelCard
from .pipeline import open_pipeline, segment_one
from .segmented_image import SegmentedImage
from .serving.every_frame import EveryFrame
from .sources.find import open_sources, SourceOptions
from .sources.given import check_array, GivenImages, Image, read_image
from .sources.image import AnyImage, as_frame, BadImage

logger = logging.getLogger(__name__)

Images: TypeAlias = list[Image] | tuple[Image, ...]
COLORS = ('bgr', 'rgb')
"""The accepted channel orders of an array."""


class Segmenter:
    """Segments images with one network. Make one Segmenter, and call it for every image.

    Use the Segmenter in a ``with`` block, or call :meth:`close`. Several threads may call the same
    Segmenter, but the Segmenter segments one image at a time.

    :param model: name of an installed model card, path of a model card, or a :class:`.ModelCard`.
        The default is the demo model ``street``. It was trained on drawings only, so its labels of
        photographs have errors. For your own images, give your own network.
    :param engine: ``auto``, ``tensorrt``, ``onnxruntime-cuda`` or ``onnxruntime-cpu``. ``auto``
        chooses the best engine that works on this machine. :attr:`identity` names this engine and
        says why it was chosen.
    :param gpu: index of the GPU in CUDA's order. The CPU engine ignores this index.
    :param precision: see :func:`.open_pipeline`.
    :param overlay: whether the results have an overlay.
    :param alpha: weight of the class colours in the overlay, 0 to 1.
    :param confidence: whether the results have a confidence, if the model gives one. On the CPU,
        the confidence more than doubles the time of the postprocessing.
    :param log: see :func:`.open_pipeline`.
    :raises ModelCardError: if the card does not exist, or if the card is wrong.
    :raises FrameError: if ``alpha`` is not a number from 0 to 1.
    :raises EngineError: if the engine cannot be opened. The message says what can be used instead.
    """

    def __init__(self, model: str | Path | ModelCard = 'street', *, engine: str = 'auto',
                 gpu: int = 0, precision: str = 'auto', overlay: bool = True,
                 alpha: float = 0.5, confidence: bool = True,
                 log: Callable[[str], None] = logger.info) -> None:
        if not 0 <= alpha <= 1:
            raise FrameError(f'alpha is {alpha}; it must be a number from 0 to 1')
        self.card = model if isinstance(model, ModelCard) else load_card(model)
        self._pipeline = open_pipeline(self.card, engine, gpu=gpu, precision=precision, log=log)
        self._pipeline.alpha = alpha
        self._wanted = Wanted(overlay, confidence and self._pipeline.gives_confidence)
        self._lock = threading.Lock()
        self._is_closed = False
        self._stream: EveryFrame[AnyImage, SegmentedImage | BadImage] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes. A label is the index of a name."""
        return self.card.classes

    @property
    def identity(self) -> Identity:
        """The engine, its version and its device, and why this engine was chosen."""
        return self._pipeline.identity

    @property
    def gives_confidence(self) -> bool:
        """See :attr:`.Pipeline.gives_confidence`."""
        return self._pipeline.gives_confidence

    @property
    def allocate(self) -> Allocate | None:
        """See :attr:`.Pipeline.allocate`. The GPU reads an image in this memory without a copy."""
        return self._pipeline.allocate

    def __repr__(self) -> str:
        state = 'closed' if self._is_closed else 'open'
        return f'<Segmenter {self.card.name} on {self.identity.engine}, {state}>'

    def __enter__(self) -> Segmenter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @overload
    def __call__(self, image: Image, *, color: str = 'bgr') -> SegmentedImage: ...

    @overload
    def __call__(self, image: Images, *, color: str = 'bgr') -> list[SegmentedImage]: ...

    def __call__(self, image: Image | Images, *,
                 color: str = 'bgr') -> SegmentedImage | list[SegmentedImage]:
        """Segment an image, or each image of a list.

        :param image: path of a picture file, or an array of shape (height, width, 3) and type
            uint8, or a list of paths and arrays. An array is copied.
        :param color: channel order of the arrays: ``bgr``, which OpenCV uses, or ``rgb``.
        :raises FrameError: if an array has another shape or type, or if a path names a folder, a
            video or another source of several images. The message says what is expected.
        :raises PictureError: if a file is not a picture.
        :raises EngineError: if the engine failed, if the Segmenter is closed, or if a stream of
            the Segmenter is still open.
        """
        _check_color(color)
        if isinstance(image, (list, tuple)):
            return [self._segment(one, color, index) for index, one in enumerate(image)]
        return self._segment(image, color)

    def stream(self, source: str | Path | Iterable[Image], *, color: str = 'bgr',
               every: int = 1, recursive: bool = False, topic: str | None = None,
               on_error: Callable[[SegmentationError], None] | None = None
               ) -> Generator[SegmentedImage, None, None]:
        """Yield the result for each image of a source, in order.

        While the caller uses a result, the next images are already decoded and segmented. Until
        the stream ends or is closed, the Segmenter accepts no other image.

        :param source: a picture, a folder, a glob, a video, a bag, ``/dev/video0``, an RTSP URL,
            or ``street`` for drawn street scenes. ``source`` may also be an iterable of such
            sources and of arrays. Another thread iterates over this iterable.
        :param color: channel order of the arrays. Images of files and cameras are always ``bgr``.
        :param every: 1 gives every image of each source, 2 gives every second image, and so on.
        :param recursive: whether the pictures in the subfolders of a folder are read too.
        :param topic: image topic of a bag; None for the only image topic.
        :param on_error: a function that is called with the error if an image cannot be read. The
            stream then goes on. If ``on_error`` is None, the error is raised and ends the stream.
        :raises SourceError: at once, if there is no such source.
        :raises FrameError: at once, if the source is an array.
        :raises SegmentationError: later, while the caller iterates, if the source cannot be
            opened, if an image cannot be read, or if the Segmenter was closed before the end of
            the stream.
        """
        _check_color(color)
        if isinstance(source, np.ndarray):
            raise FrameError(f'stream() got one array of shape {source.shape}. Give it a list of '
                             'arrays, such as list(images), or call the Segmenter with one image')
        if not isinstance(source, (str, Path, Iterable)):
            check_array(source)
        options = SourceOptions(recursive, every, topic)
        items = open_sources([source], options) if isinstance(source, (str, Path)) else source
        return self._stream_images(GivenImages(items, color, options), on_error)

    def segment_images(self, images: Iterable[AnyImage],
                       stop_source: Callable[[], None] = lambda: None
                       ) -> Generator[SegmentedImage | BadImage, None, None]:
        """Yield a result for each image of an open source, in order.

        Use this method instead of :meth:`stream` in a program that opens its sources itself. If
        an image cannot be read, or if the pipeline refuses the image, the result is a
        :class:`.BadImage`.

        :param images: the images of the source. Another thread iterates over them.
        :param stop_source: a function that ends the iteration over ``images``, even while the
            iteration waits for a camera. Any thread must be able to call this function.
        :raises EngineError: if the engine failed, if the Segmenter is in use or closed, or if the
            Segmenter is closed before the last result.
        """
        with self._lock:
            self._check_free()
            stream = self._stream = EveryFrame(
                self._pipeline, images, self._wanted,
                lambda item: None if isinstance(item, BadImage) else as_frame(
                    item.image, f'{item.color}8', item.time_ns),
                self._make_answer, stop_source)
        try:
            yield from stream
            if stream.is_cut:
                raise EngineError('the Segmenter was closed before the end of its stream. Close '
                                  'the Segmenter after the last result')
        finally:
            stream.close()
            self._stream = None

    def close(self) -> None:
        """Free the network. A second call does nothing.

        If a stream is still open, the stream raises an EngineError instead of its next result.
        """
        self._is_closed = True
        if stream := self._stream:
            stream.close()
        with self._lock:
            self._pipeline.close()

    def _stream_images(self, images: GivenImages,
                       on_error: Callable[[SegmentationError], None] | None
                       ) -> Generator[SegmentedImage, None, None]:
        for answer in self.segment_images(iter(images), images.stop):
            if isinstance(answer, SegmentedImage):
                yield answer
            elif on_error is None:
                raise answer.error
            else:
                on_error(answer.error)

    def _segment(self, image: Image, color: str, index: int | None = None) -> SegmentedImage:
        item = read_image(image, color, index)
        with self._lock:
            self._check_free()
            segmentation = segment_one(self._pipeline, as_frame(item.image, f'{item.color}8'),
                                       self._wanted)
            answer = self._make_answer(item, segmentation)
            segmentation.release()
        assert isinstance(answer, SegmentedImage)
        return answer

    def _check_free(self) -> None:
        if self._is_closed:
            raise EngineError('the Segmenter is closed; open a new one')
        if self._stream:
            raise EngineError('a stream of this Segmenter is still open. Close the stream, read '
                              'all its results, or open a second Segmenter')

    def _make_answer(self, item: AnyImage, result: Segmentation | FrameError | None
                     ) -> SegmentedImage | BadImage:
        if isinstance(item, BadImage):
            return item
        if not isinstance(result, Segmentation):
            return BadImage(item.origin, FrameError(f'{item.origin}: {result}'))
        overlay, confidence = result.overlay, result.confidence
        if overlay is not None:
            overlay = np.array(overlay[..., ::-1] if item.color == 'rgb' else overlay, order='C')
        return SegmentedImage(
            item.name, item.origin, item.image, result.labels.copy(), overlay,
            None if confidence is None else confidence.copy(), self.classes, item.color,
            item.time_ns, dict(result.timings))


def _check_color(color: str) -> None:
    if color not in COLORS:
        raise FrameError(f'`color` is {color!r}; expected one of {", ".join(COLORS)}')
