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
import numpy.typing as npt

from .engines import Identity
from .errors import EngineError, FrameError, SegmentationError
from .frame import Segmentation, Wanted
from .host.pictures import read_picture
from .model.card import load_card, ModelCard
from .pipeline import open_pipeline, segment_one
from .segmented_image import SegmentedImage
from .serving.every_frame import EveryFrame
from .sources.find import open_sources, SourceOptions
from .sources.image import AnyImage, as_frame, BadImage, SourceImage

logger = logging.getLogger(__name__)

Image: TypeAlias = 'str | Path | npt.NDArray[np.uint8]'
Images: TypeAlias = 'list[Image] | tuple[Image, ...]'
COLORS = ('bgr', 'rgb')
"""The accepted channel orders of an array."""


class Segmenter:
    """Segments images with one network. Make one Segmenter, and call it for every image.

    Use the Segmenter in a ``with`` block, or call :meth:`close`. Several threads may call it. It
    segments one image at a time.

    :param model: name of an installed model card, path of a card, or a card.
    :param engine: ``auto``, ``tensorrt``, ``onnxruntime-cuda`` or ``onnxruntime-cpu``. ``auto``
        chooses the best engine that works on this machine. :attr:`identity` names this engine and
        says why it was chosen.
    :param gpu: index of the GPU in CUDA's order. The CPU engine ignores this index.
    :param precision: see :func:`.open_pipeline`.
    :param overlay: whether the results have an overlay.
    :param confidence: whether the results have a confidence, if the model gives one. Without a
        confidence, the postprocessing on the CPU needs less than half of the time.
    :param log: called with a line of text before work that needs a long time, such as building an
        engine.
    :raises ModelCardError: if there is no such card, or if it is wrong.
    :raises EngineError: if the engine cannot be opened. The message says what can be used instead.
    """

    def __init__(self, model: str | Path | ModelCard = 'street', *, engine: str = 'auto',
                 gpu: int = 0, precision: str = 'auto', overlay: bool = True,
                 confidence: bool = True, log: Callable[[str], None] = logger.info) -> None:
        self.card = model if isinstance(model, ModelCard) else load_card(model)
        self._pipeline = open_pipeline(self.card, engine, gpu=gpu, precision=precision,
                                       log=log)
        self._wanted = Wanted(overlay, confidence and self._pipeline.gives_confidence)
        self._lock = threading.Lock()
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
        """Whether the model gives a confidence. A model that outputs class ids gives none."""
        return self._pipeline.gives_confidence

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
        :raises FrameError: if an array has another shape or type. The message says what is
            expected.
        :raises PictureError: if a file is not a picture.
        :raises EngineError: if the engine failed, if the Segmenter is closed, or if a stream of
            the Segmenter is still open.
        """
        if color not in COLORS:
            raise FrameError(f'`color` is {color!r}; expected one of {", ".join(COLORS)}')
        if isinstance(image, (list, tuple)):
            return [self(one, color=color) for one in image]
        return self._segment(image, color)

    def stream(self, source: str | Path | Iterable[Image], *, color: str = 'bgr',
               options: SourceOptions = SourceOptions(),
               on_error: Callable[[SegmentationError], None] | None = None
               ) -> Generator[SegmentedImage, None, None]:
        """Yield the result for each image of a source, in order.

        While the caller uses a result, the next images are already decoded and segmented. Until
        the stream ends or is closed, the Segmenter accepts no other image.

        :param source: a picture, a folder, a glob, a video, a bag, a camera such as
            ``/dev/video0``, an RTSP URL, or ``street`` for drawn street scenes. Also an iterable
            of paths and arrays. Another thread iterates over the iterable.
        :param color: channel order of the arrays.
        :param options: how the images of the source are read.
        :param on_error: called with the error if an image cannot be read. The stream then goes on.
            If ``on_error`` is None, the error is raised and ends the stream.
        :raises SegmentationError: if the source cannot be opened, or if an image cannot be read.
        """
        if not isinstance(source, (str, Path)):
            images = (self._as_source_image(image, color) for image in source)
            yield from self._stream_images(images, color, on_error)
            return
        for found in open_sources([source], options):
            opened = found.open()
            yield from self._stream_images(opened.images, 'bgr', on_error, opened.close)

    def segment_images(self, images: Iterable[AnyImage], color: str = 'bgr',
                       stop_source: Callable[[], None] = lambda: None
                       ) -> Generator[SegmentedImage | BadImage, None, None]:
        """Yield a result for each image of an open source, in order.

        Use this method instead of :meth:`stream` in a program that opens its sources itself. If
        an image cannot be read, or if the pipeline refuses it, the result is a :class:`.BadImage`.

        :param images: the images of the source. Another thread iterates over them.
        :param color: channel order of the images.
        :param stop_source: a function that ends the iteration if it waits for a camera. Any thread
            must be able to call this function.
        :raises EngineError: if the engine failed, or if the Segmenter is in use or closed.
        """
        with self._lock:
            self._check_free()
            stream = self._stream = EveryFrame(
                self._pipeline, images, self._wanted,
                lambda item: None if isinstance(item, BadImage) else as_frame(
                    item.image, f'{color}8', item.time_ns),
                lambda item, result: self._make_answer(item, result, color), stop_source)
        try:
            yield from stream
        finally:
            stream.close()
            self._stream = None

    def close(self) -> None:
        """Free the network. A stream that is still open ends. A second call does nothing."""
        if stream := self._stream:
            stream.close()
        with self._lock:
            self._pipeline.close()

    def _stream_images(self, images: Iterable[AnyImage], color: str,
                       on_error: Callable[[SegmentationError], None] | None,
                       stop_source: Callable[[], None] = lambda: None
                       ) -> Generator[SegmentedImage, None, None]:
        for answer in self.segment_images(images, color, stop_source):
            if isinstance(answer, SegmentedImage):
                yield answer
            elif on_error is None:
                raise answer.error
            else:
                on_error(answer.error)

    def _segment(self, image: Image, color: str) -> SegmentedImage:
        item = self._as_source_image(image, color)
        color = color if isinstance(image, np.ndarray) else 'bgr'
        with self._lock:
            self._check_free()
            segmentation = segment_one(self._pipeline, as_frame(item.image, f'{color}8'),
                                       self._wanted)
            answer = self._make_answer(item, segmentation, color)
            segmentation.release()
        assert isinstance(answer, SegmentedImage)
        return answer

    def _check_free(self) -> None:
        if self._stream:
            raise EngineError('a stream of this Segmenter is still open; close it or read all '
                              'its answers, or open a second Segmenter')

    def _as_source_image(self, image: Image, color: str) -> SourceImage:
        if isinstance(image, (str, Path)):
            if '://' in str(image):
                raise FrameError(f'{image} is a URL; give the path of a file')
            pixels = read_picture(Path(image).expanduser(), is_upright=True)
            return SourceImage(Path(image).stem, str(image), pixels)
        check_array(image)
        return SourceImage('', '', np.array(image, order='C'))

    def _make_answer(self, item: AnyImage, result: Segmentation | FrameError | None, color: str
                     ) -> SegmentedImage | BadImage:
        if isinstance(item, BadImage):
            return item
        if not isinstance(result, Segmentation):
            return BadImage(item.origin, FrameError(f'{item.origin}: {result}'))
        overlay, confidence = result.overlay, result.confidence
        if overlay is not None:
            overlay = np.array(overlay[..., ::-1] if color == 'rgb' else overlay, order='C')
        return SegmentedImage(
            item.name, item.origin, item.image, result.labels.copy(), overlay,
            None if confidence is None else confidence.copy(), self.classes, color,
            item.time_ns, dict(result.timings))


def check_array(image: object) -> None:
    """Refuse everything except an array of shape (height, width, 3) and type uint8.

    :raises FrameError: if the array is refused. The message says what is expected and what to do.
    """
    expected = 'expected a path or an array (height, width, 3) of uint8'
    if not isinstance(image, np.ndarray):
        raise FrameError(f'the image is a {type(image).__name__}; {expected}. numpy.asarray() '
                         "converts most image objects to an array. A PIL image needs color='rgb'")
    if image.dtype != np.uint8:
        raise FrameError(f'the image is {image.dtype}; {expected}. Scale its values to 0 to 255 '
                         'and convert them with .astype(numpy.uint8)')
    if image.ndim != 3 or image.shape[2] != 3:
        advice = {2: 'Repeat a gray image: numpy.repeat(image[..., None], 3, 2)',
                  3: 'Leave out the alpha channel: image[..., :3]'}.get(image.ndim, '')
        if image.ndim == 3 and image.shape[0] == 3:
            advice = 'Put the channels last: image.transpose(1, 2, 0)'
        raise FrameError(f'the image has shape {image.shape}; {expected}. {advice}'.rstrip())
    if not image.size:
        raise FrameError(f'the image has shape {image.shape}, so it has no pixels; {expected}')
