# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a Segmenter: label map, overlay and confidence of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
import sys
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .errors import EngineError, OutputError
from .untrusted.output_files import write_image

_MOST_COUNTED = 1 << 23
"""A label map with more pixels than this number is counted in parts of about this size."""
PICTURES = ('overlay', 'labels', 'confidence', 'image')
"""The pictures of a result that :meth:`SegmentedImage.save` can write."""


@dataclass(frozen=True, eq=False)
class SegmentedImage:
    """The segmentation of one image, at the size of that image.

    The arrays belong to the caller, and stay valid after the :class:`.Segmenter` is closed.

    :param name: a name for output files, without a suffix such as ``.png``. Examples are
        ``street`` and ``drive/000012``. Empty if the image was given as an array.
    :param origin: where the image comes from, such as ``street.jpg`` or ``drive.mp4 frame 12``;
        empty for an array.
    :param image: (height, width, 3) uint8, the image itself. ``color`` gives the channel order.
    :param labels: (height, width) uint8 class ids; uint16 if the model has more than 255 classes.
        A pixel without a class is 255, or 65535 in uint16.
    :param overlay: (height, width, 3) uint8, the image with the colours of the classes over it.
        ``color`` gives the channel order. None if the overlay was not wanted.
    :param confidence: (height, width) uint8. 255 means a confidence of 1. None if the confidence
        was not wanted, or if the model gives class ids only.
    :param classes: names of the classes. A label is the index of a name.
    :param color: order of the channels, ``bgr`` or ``rgb``. Images of files and cameras are
        ``bgr``. If the image was given as an array, ``color`` is the channel order of this array.
    :param time_ns: see :class:`.SourceImage`.
    :param timings: maps the name of each stage of the pipeline to its time in milliseconds.
    """

    name: str
    origin: str
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[Any]
    overlay: npt.NDArray[np.uint8] | None
    confidence: npt.NDArray[np.uint8] | None
    classes: tuple[str, ...]
    color: str = 'bgr'
    time_ns: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def share(self) -> Mapping[str, float]:
        """Maps the name of each class to its share of the pixels, 0 to 1.

        Some pixels may belong to no class, so the sum of all shares may be below 1.
        """
        counts = count_labels(self.labels, len(self.classes))
        return {name: float(count) / self.labels.size for name, count in zip(self.classes, counts)}

    def __repr__(self) -> str:
        largest = sorted(self.share.items(), key=lambda item: -item[1])[:3]
        shares = ', '.join(f'{name} {share:.1%}' for name, share in largest if share)
        height, width = self.labels.shape
        return (f'<SegmentedImage {self.origin or "of an array"}, {width}x{height} pixels: '
                f'{shares or "no class"}>')

    def save(self, path: str | Path, what: str = 'overlay') -> None:
        """Write one of the pictures as PNG or JPEG.

        A file that this package wrote is replaced. Any other file stays as it is.

        :param path: the file. Its suffix is .png, .jpg or .jpeg. A label map must be a PNG file,
            because JPEG would change the class ids.
        :param what: ``overlay``, ``labels``, ``confidence`` or ``image``.
        :raises OutputError: if the file cannot be written, if another program made the file, or
            if ``what`` or the suffix of the file is wrong.
        :raises EngineError: if the result does not have this picture.
        """
        path = Path(path)
        picture = self._find_picture(what)
        endings = ('.png',) if what == 'labels' else ('.png', '.jpg', '.jpeg')
        if path.suffix.lower() not in endings:
            raise OutputError(f'{path}: {what} is written to a file that ends in '
                              f'{" or ".join(endings)}')
        write_image(path, picture)

    def show(self) -> None:
        """Show the overlay. A notebook shows it below the cell, and a script shows it in a window.

        In a script, this method waits until the user closes the window or presses q.

        :raises ViewError: if there is no display, or if Python has no tkinter.
        :raises EngineError: if the result has no overlay.
        """
        overlay = self._find_picture('overlay')
        if (ipython := _find_notebook()) is not None:
            ipython.display.display(self)
            return
        from .view.window import PictureWindow
        with PictureWindow(self.origin or 'segmentation',
                           "write the overlay with save('overlay.png')") as window:
            window.show(overlay)
            window.wait_until_closed()

    def _repr_png_(self) -> bytes | None:
        # A notebook calls this method to show the result.
        if self.overlay is None:
            return None
        return cv2.imencode('.png', self._find_picture('overlay'))[1].tobytes()

    def _find_picture(self, what: str) -> npt.NDArray[Any]:
        """Return a picture that OpenCV can write. The picture has BGR channels or one channel."""
        if what not in PICTURES:
            raise OutputError(f'there is no picture {what!r}; expected one of '
                              f'{", ".join(PICTURES)}')
        picture: npt.NDArray[Any] | None = getattr(self, what)
        if picture is None:
            note = ('. A model that outputs only class ids gives no confidence'
                    if what == 'confidence' else '')
            raise EngineError(f'this result has no {what}. Open the Segmenter with {what}=True'
                              + note)
        is_rgb = picture.ndim == 3 and self.color == 'rgb'
        return np.ascontiguousarray(picture[..., ::-1]) if is_rgb else picture


def count_labels(labels: npt.NDArray[Any], classes: int) -> npt.NDArray[np.int64]:
    """Count the pixels of each class in a label map.

    :param labels: (height, width) uint8 or uint16.
    :returns: (classes,) int64, the number of pixels of each class.
    """
    counts = np.zeros(classes, np.int64)
    # OpenCV counts twice as fast as NumPy, and lets other Python threads run at the same time. It
    # counts in float32, which is exact only up to 2^24. So a large label map is counted in parts.
    for rows in np.array_split(labels, -(-labels.size // _MOST_COUNTED)):
        found: npt.NDArray[Any] = cv2.calcHist([rows], [0], None, [classes], [0, classes])
        counts += found.reshape(-1).astype(np.int64)
    return counts


def _find_notebook() -> Any:
    ipython: Any = sys.modules.get('IPython')
    return ipython if ipython and hasattr(ipython.get_ipython(), 'kernel') else None
