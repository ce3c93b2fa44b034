# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The images that a program gives to this package: arrays, picture files and other sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import FrameError, PictureError, SegmentationError
from ..host.pictures import read_picture
from ..untrusted.regular_file import expand_home
from .find import name_kind, open_sources, SourceOptions
from .image import AnyImage, BadImage, ImageSource, SourceImage

Image: TypeAlias = str | Path | npt.NDArray[np.uint8]
"""A path of a picture file, or an array of shape (height, width, 3) and type uint8."""


class GivenImages:
    """Iterates over the images of sources, picture files and arrays, one after the other.

    :param items: arrays, names as in :func:`.open_sources`, and ImageSource objects. An array or
        a picture file gives one image. Any other source gives all its images.
    :param color: order of the channels of the arrays, ``bgr`` or ``rgb``.
    :param options: how the images of the sources are read. If ``every`` is 2, every second image
        of a source is read. All arrays and picture files together count as one source.
    """

    def __init__(self, items: Iterable[Image | ImageSource], color: str,
                 options: SourceOptions) -> None:
        self._items, self._color, self._options = items, color, options
        self._close: Callable[[], None] = lambda: None
        self._is_stopped = False

    def __iter__(self) -> Iterator[AnyImage]:
        """Yield the images. An item that cannot be read gives a :class:`.BadImage`."""
        pictures = 0
        for index, item in enumerate(self._items):
            if isinstance(item, (str, Path)) and name_kind(item):
                yield from self._read_name(item)
            elif not isinstance(item, (str, Path, np.ndarray)) and hasattr(item, 'picture_names'):
                yield from self._read_source(item)
            else:
                if pictures % self._options.every == 0:
                    yield _read_or_bad(item, self._color, index)
                pictures += 1

    def stop(self) -> None:
        """End an iteration that waits for a camera. Any thread may call this method."""
        self._is_stopped = True
        self._close()

    def _read_name(self, name: str | Path) -> Iterator[AnyImage]:
        try:
            for source in open_sources([name], self._options):
                yield from self._read_source(source)
        except SegmentationError as error:
            yield BadImage(str(name), error)

    def _read_source(self, source: ImageSource) -> Iterator[AnyImage]:
        opened = source.open()
        self._close = opened.close
        if self._is_stopped:
            opened.close()
        yield from opened.images


def read_image(image: Image, color: str, index: int | None = None) -> SourceImage:
    """Read a picture file, or copy an array.

    :param color: order of the channels of an array. A file is always read as ``bgr``.
    :param index: index of an array in its list, for the error message; None for a single array.
    :raises FrameError: if the shape or type of an array is wrong, or if the path names another
        source, such as a video.
    :raises PictureError: if the file cannot be read as a picture.
    """
    if not isinstance(image, (str, Path)):
        check_array(image, 'the image' if index is None else f'image {index} of the list')
        return SourceImage('', '', np.array(image, order='C'), color=color)
    if kind := name_kind(image):
        raise FrameError(f'{image} is {kind}, not one picture. Use stream({str(image)!r}), which '
                         'gives one answer for each image')
    if '://' in str(image):
        raise FrameError(f'{image} is a URL; give the path of a file')
    try:
        path = expand_home(image)
    except FileNotFoundError as error:
        raise PictureError(f'{image} cannot be read as a picture: {error}') from error
    return SourceImage(path.stem, str(image), read_picture(path, is_upright=True))


def _read_or_bad(image: Any, color: str, index: int) -> AnyImage:
    try:
        return read_image(image, color, index)
    except (FrameError, PictureError) as error:
        name = str(image) if isinstance(image, (str, Path)) else f'image {index} of the list'
        return BadImage(name, error)


def check_array(image: object, what: str = 'the image') -> None:
    """Refuse everything except an array of shape (height, width, 3) and type uint8.

    :param what: the name of the array in the error message.
    :raises FrameError: if the array is refused. The message says what is expected and what to do.
    """
    expected = 'expected a path or an array (height, width, 3) of uint8'
    if not isinstance(image, np.ndarray):
        raise FrameError(f'{what} is a {type(image).__name__}; {expected}. numpy.asarray() '
                         "turns most image objects into arrays; a PIL image needs color='rgb'")
    if image.dtype != np.uint8:
        raise FrameError(f'{what} is {image.dtype}; {expected}. Scale its values to 0 to 255 '
                         'and convert them with .astype(numpy.uint8)')
    if image.ndim != 3 or image.shape[2] != 3:
        advice = {2: 'Repeat a gray image: numpy.repeat(image[..., None], 3, 2)',
                  3: 'Leave out the alpha channel: image[..., :3]',
                  4: 'Give the images of a batch as a list: list(images)'}.get(image.ndim, '')
        if image.ndim == 3 and image.shape[0] == 3:
            advice = 'Put the channels last: image.transpose(1, 2, 0)'
        raise FrameError(f'{what} has shape {image.shape}; {expected}. {advice}'.rstrip())
    if not image.size:
        raise FrameError(f'{what} has shape {image.shape}, so it has no pixels; {expected}')
