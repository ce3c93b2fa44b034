# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The frame that enters a pipeline, and the segmentation that leaves the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import FrameError
from .viewport import Viewport

UNLABELLED = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""Label of a pixel without a class, for each dtype of a label map."""

BYTES_PER_PIXEL = {
    'mono8': 1, 'mono16': 2, 'bgr8': 3, 'rgb8': 3, 'bgra8': 4, 'rgba8': 4,
    'bgr16': 6, 'rgb16': 6, 'bgra16': 8, 'rgba16': 8,
    '8UC1': 1, '8UC3': 3, '8UC4': 4, '16UC1': 2,
    'bayer_rggb8': 1, 'bayer_bggr8': 1, 'bayer_gbrg8': 1, 'bayer_grbg8': 1,
    'bayer_rggb16': 2, 'bayer_bggr16': 2, 'bayer_gbrg16': 2, 'bayer_grbg16': 2,
    'uyvy': 2, 'yuv422': 2, 'yuyv': 2, 'yuv422_yuy2': 2,
    'nv12': 1, 'nv21': 1, 'nv24': 1,
}
"""Maps each encoding to the number of bytes per pixel in the first plane. The names of the
encodings come from sensor_msgs/image_encodings.hpp."""

PLANE_ROWS = {'nv12': (3, 2), 'nv21': (3, 2), 'nv24': (3, 1)}
"""Maps each encoding with a second plane (the chroma plane) to the ratio of stored rows to image
rows, as (numerator, denominator)."""

EVEN_WIDTH = frozenset(['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21'])
"""Encodings in which two columns share their colour values. So the image width must be even."""
EVEN_HEIGHT = frozenset(['nv12', 'nv21'])
"""Encodings in which two rows share their colour values. So the image height must be even."""
_NO_PICTURE = re.compile(r'(8|16|32|64)([FS])(?:C[0-9]{1,3})?')
"""Matches the encodings of signed and floating-point numbers, such as 32FC1 for depth."""
MAX_SIDE = 16384
"""Largest width or height in pixels. A header with a larger number is corrupt."""


@dataclass(frozen=True)
class Frame:
    """One camera image as it was received. A Frame does not own its bytes.

    The constructor checks all numbers, so later code can read the image without a bounds check.

    :param data: (n,) uint8, n ≥ :attr:`size`. The bytes are not copied. The caller must not free
        or change the bytes until the pipeline has returned the segmentation of this frame.
    :param encoding: a key of :data:`BYTES_PER_PIXEL`.
    :param step: number of bytes from the start of a row to the start of the next row, ≥ width ×
        bytes per pixel.
    :param is_bigendian: whether the high byte comes first in a channel of 16 bits.
    :param stamp_ns: time stamp in the header of the camera message, in nanoseconds.
    :param frame_id: frame id in the header of the camera message. Every message that is published
        for this frame gets the same frame id.
    :param camera: name of the camera in the node; empty if the node has only one camera.
    :param viewport: the part of the image that the network sees; None for the whole image.
    :raises FrameError: if the numbers do not fit together, or if the encoding is unknown.
    """

    data: npt.NDArray[np.uint8]
    encoding: str
    height: int
    width: int
    step: int
    is_bigendian: bool = False
    stamp_ns: int = 0
    frame_id: str = ''
    camera: str = ''
    viewport: Viewport | None = None

    def __post_init__(self) -> None:
        if (found := getattr(self.data, 'dtype', type(self.data).__name__)) != np.uint8:
            raise FrameError(
                f'data is {found}; expected the bytes of the image as uint8. If the pixels are '
                f'floating-point numbers, scale them to 0 to 255 and convert them. If they have '
                f'16 bits, pass .view(numpy.uint8) and an encoding such as mono16')
        if self.encoding not in BYTES_PER_PIXEL:
            raise FrameError(_refused_encoding(self.encoding))
        if not (0 < self.height <= MAX_SIDE and 0 < self.width <= MAX_SIDE):
            raise FrameError(
                f'the image has {self.width}x{self.height} pixels (width x height), but width and '
                f'height must be from 1 to {MAX_SIDE}. The header is corrupt')
        for sharing, lines, side, length in ((EVEN_WIDTH, 'columns', 'width', self.width),
                                             (EVEN_HEIGHT, 'rows', 'height', self.height)):
            if self.encoding in sharing and length % 2:
                raise FrameError(
                    f'two {lines} of a {self.encoding} image share their colour values, so the '
                    f'{side} must be even, but the {side} is {length}. Set an even {side} in the '
                    'camera driver')
        if self.step < self.row_bytes:
            raise FrameError(
                f'step is {self.step} bytes, but a row of {self.width} {self.encoding} pixels has '
                f'{self.row_bytes}. Correct step, width or encoding in the camera driver')
        if self.data.nbytes < self.size:
            raise FrameError(
                f'data has {self.data.nbytes} bytes, but {self.stored_rows} rows at step '
                f'{self.step} need {self.size} ({self.width}x{self.height} {self.encoding}). '
                f'Correct step, height or encoding in the camera driver')
        if self.viewport is not None:
            self.viewport.check_size(self.height, self.width)

    @property
    def roi(self) -> tuple[int, int, int, int] | None:
        """The part of the image that the network gets. None for the whole image."""
        return self.viewport.roi if self.viewport else None

    @property
    def row_bytes(self) -> int:
        """Bytes of one row without padding."""
        return self.width * BYTES_PER_PIXEL[self.encoding]

    @property
    def stored_rows(self) -> int:
        """Number of stored rows, including the rows of a chroma plane."""
        times, per = PLANE_ROWS.get(self.encoding, (1, 1))
        return self.height * times // per

    @property
    def size(self) -> int:
        """Smallest number of bytes that can hold the image. The last row needs no padding."""
        return self.step * (self.stored_rows - 1) + self.row_bytes


def _refused_encoding(encoding: str) -> str:
    known = f'Known encodings: {", ".join(sorted(BYTES_PER_PIXEL))}'
    if number := _NO_PICTURE.fullmatch(encoding):
        kind = 'floating-point' if number[2] == 'F' else 'signed'
        return (f'encoding {encoding} holds {kind} numbers of {number[1]} bits, such as depth; '
                f'expected unsigned pixels of 8 or 16 bits. Use the topic of the colour image. '
                f'{known}')
    named = encoding[:40]       # a broken message may give an encoding of several megabytes
    near = get_close_matches(named, BYTES_PER_PIXEL, n=1, cutoff=0.5)
    return (f'unknown encoding {named!r}'
            + (f'. Did the camera mean {near[0]!r}?' if near else '.') + f' {known}')


@dataclass(frozen=True)
class Wanted:
    """What to compute besides the label map.

    :param overlay: the camera image with the class colours over it.
    :param confidence: the confidence of every label.
    :param half_overlay: whether the overlay has only every second row and column of the image.
    :param tally: counts over a sample of the pixels. ``trust/tally.py`` explains these counts.
    """

    overlay: bool = False
    confidence: bool = False
    half_overlay: bool = False
    tally: bool = False

    @property
    def overlay_step(self) -> int:
        """2 if the overlay has every second row and column of the image; 1 if it has all."""
        return 1 + self.half_overlay

    def overlay_size(self, frame: Frame) -> tuple[int, int]:
        """Return the height and the width of a frame's overlay, in pixels."""
        step = self.overlay_step
        return -(-frame.height // step), -(-frame.width // step)


@dataclass
class Segmentation:
    """The result of one frame, at the size of that frame.

    The caller may read the arrays until it calls :meth:`release`. After that, the GPU pipeline
    may write another frame into the same memory.

    :param frame: the frame that was segmented. Do not use its ``data``, because the pixels may
        already be overwritten.
    :param labels: (height, width) uint8; uint16 if the model has more than 255 classes. A pixel is
        :data:`UNLABELLED` if the network did not see it, or if no class has a valid score there.
    :param overlay: (height, width, 3) uint8 BGR; None if not wanted. With
        ``Wanted(half_overlay=True)``, the shape is (⌈height / 2⌉, ⌈width / 2⌉, 3). If the overlay
        is not complete yet, reading this attribute waits for the GPU.
    :param confidence: (height, width) uint8. 255 means a confidence of 1. None if not wanted.
    :param tally: (classes + 258,) uint32, the counts over a sample of the pixels. None if not
        wanted.
    :param timings: mapping from the name of each stage to its time in milliseconds.
    :param headroom: number of free bytes directly before each array. The caller may write a
        message header into these bytes, and then publish header and array without a copy.
    """

    frame: Frame
    labels: npt.NDArray[Any]
    overlay: npt.NDArray[np.uint8] | None = None
    confidence: npt.NDArray[np.uint8] | None = None
    timings: dict[str, float] = field(default_factory=dict)
    headroom: int = field(default=0, kw_only=True)
    tally: npt.NDArray[np.uint32] | None = field(default=None, kw_only=True)

    def keep(self, keeps_pixels: bool = False) -> Segmentation:
        """Return the same segmentation with arrays that stay valid after :meth:`release`.

        The result has no tally. The arrays of the CPU pipeline are not copied. The arrays of the
        GPU pipeline are copied.

        :param keeps_pixels: whether the result refers to the pixels of the frame. If not, the
            frame in the result has pixels of value 0, and the memory of the pixels can be freed.
        :raises EngineError: if the GPU failed.
        """
        frame = self.frame if keeps_pixels else replace(
            self.frame, data=np.broadcast_to(np.uint8(0), self.frame.size))
        return Segmentation(frame, self.labels, self.overlay, self.confidence, dict(self.timings))

    def finish(self) -> None:
        """Wait until all arrays are complete, including the overlay.

        :raises EngineError: if the GPU failed.
        """

    def release(self) -> None:
        """Give the arrays back to the pipeline. Arrays of the CPU pipeline stay valid."""
