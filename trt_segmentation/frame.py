# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""A camera frame on its way in, and the segmentation on its way out."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import FrameError

UNLABELLED = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}
"""Label of a pixel the network did not see, by label map dtype."""

BYTES_PER_PIXEL = {
    'mono8': 1, 'mono16': 2, 'bgr8': 3, 'rgb8': 3, 'bgra8': 4, 'rgba8': 4,
    'bgr16': 6, 'rgb16': 6, 'bgra16': 8, 'rgba16': 8,
    '8UC1': 1, '8UC3': 3, '8UC4': 4, '16UC1': 2,
    'bayer_rggb8': 1, 'bayer_bggr8': 1, 'bayer_gbrg8': 1, 'bayer_grbg8': 1,
    'bayer_rggb16': 2, 'bayer_bggr16': 2, 'bayer_gbrg16': 2, 'bayer_grbg16': 2,
    'uyvy': 2, 'yuv422': 2, 'yuyv': 2, 'yuv422_yuy2': 2,
    'nv12': 1, 'nv21': 1, 'nv24': 1,
}
"""Every encoding a Frame may have: bytes of one pixel in one row of its first plane.

Source: sensor_msgs/image_encodings.hpp.
"""

PLANE_ROWS = {'nv12': (3, 2), 'nv21': (3, 2), 'nv24': (3, 1)}
"""Rows stored for every image row, as a fraction, where chroma follows in a second plane."""

EVEN_WIDTH = frozenset(['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21'])
EVEN_HEIGHT = frozenset(['nv12', 'nv21'])
_NO_PICTURE = re.compile(r'(8|16|32|64)([FS])(?:C[0-9]{1,3})?')
"""Encodings of numbers that are no pixels, such as 32FC1 for depth."""
MAX_SIDE = 16384
"""Pixels a side; a larger image is taken for a corrupt header, not for a camera."""


@dataclass(frozen=True)
class Frame:
    """One camera image exactly as it came: a description of bytes somebody else owns.

    Checked when made, so that a Frame that exists can be read without a bounds check.

    :param data: (n,) uint8, n ≥ :attr:`size`; not copied, not owned, and valid until the
        pipeline has answered for this frame.
    :param encoding: a key of :data:`BYTES_PER_PIXEL`.
    :param height: rows of pixels.
    :param width: columns of pixels.
    :param step: bytes from one row to the next, ≥ width × bytes per pixel.
    :param is_bigendian: byte order of encodings of 16 bits a channel.
    :param stamp_ns: header stamp in nanoseconds.
    :param frame_id: header frame id, copied to every answer.
    :param camera: which camera of the node it is from; '' where there is one.
    :raises FrameError: naming the number that is wrong and what was expected.
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

    def __post_init__(self) -> None:
        """Refuse anything whose numbers do not fit together."""
        if (found := getattr(self.data, 'dtype', type(self.data).__name__)) != np.uint8:
            raise FrameError(
                f'data is {found}; expected the bytes of the image as uint8. Scale '
                f'floating-point pixels to 0 to 255 and convert them; give pixels of 16 bits as '
                f'.view(numpy.uint8) with an encoding such as mono16')
        if self.encoding not in BYTES_PER_PIXEL:
            raise FrameError(_refused_encoding(self.encoding))
        if not (0 < self.height <= MAX_SIDE and 0 < self.width <= MAX_SIDE):
            raise FrameError(
                f'image is {self.width}x{self.height} pixels (width x height); '
                f'both must be 1 to {MAX_SIDE}')
        if self.encoding in EVEN_WIDTH and self.width % 2:
            raise FrameError(
                f'{self.encoding} shares colour between two columns, '
                f'so width must be even; it is {self.width}')
        if self.encoding in EVEN_HEIGHT and self.height % 2:
            raise FrameError(
                f'{self.encoding} shares colour between two rows, '
                f'so height must be even; it is {self.height}')
        if self.step < self.row_bytes:
            raise FrameError(
                f'step is {self.step} bytes, but a row of {self.width} {self.encoding} '
                f'pixels has {self.row_bytes}')
        if self.data.nbytes < self.size:
            raise FrameError(
                f'data has {self.data.nbytes} bytes, but {self.stored_rows} rows at step '
                f'{self.step} need {self.size} ({self.width}x{self.height} {self.encoding})')

    @property
    def row_bytes(self) -> int:
        """Bytes of one row without its padding."""
        return self.width * BYTES_PER_PIXEL[self.encoding]

    @property
    def stored_rows(self) -> int:
        """Rows of bytes, those of a chroma plane counted in."""
        times, per = PLANE_ROWS.get(self.encoding, (1, 1))
        return self.height * times // per

    @property
    def size(self) -> int:
        """Fewest bytes that hold the image: the last row needs no padding."""
        return self.step * (self.stored_rows - 1) + self.row_bytes


def _refused_encoding(encoding: str) -> str:
    known = f'Known: {", ".join(sorted(BYTES_PER_PIXEL))}'
    if number := _NO_PICTURE.fullmatch(encoding):
        kind = 'floating-point' if number[2] == 'F' else 'signed'
        return (f'encoding {encoding} holds {kind} numbers of {number[1]} bits, such as depth; '
                f'unsigned pixels of 8 or 16 bits are expected. Use the topic of the colour '
                f'image. {known}')
    named = encoding[:40]       # of a broken message it may have megabytes
    near = get_close_matches(named, BYTES_PER_PIXEL, n=1, cutoff=0.5)
    return (f'unknown encoding {named!r}'
            + (f', did the camera mean {near[0]!r}?' if near else '') + f' {known}')


@dataclass(frozen=True)
class Wanted:
    """What to compute besides the label map; what nobody reads is not computed."""

    overlay: bool = False
    confidence: bool = False


@dataclass
class Segmentation:
    """The answer to one frame, at that frame's size.

    :param frame: the frame answered. Its header is meant to be copied verbatim; its data may
        have been overwritten by now.
    :param labels: (height, width) uint8, or uint16 where the model has more than 255 classes;
        :data:`UNLABELLED` where the network did not see the pixel.
    :param overlay: (height, width, 3) uint8 BGR, or None where not wanted.
    :param confidence: (height, width) uint8, 0 to 255 for 0 to 1, or None where not wanted.
    :param timings: milliseconds by stage.
    :param headroom: bytes before the first of every array that are the caller's to write, in
        the same memory: room for a message's header, so that it is published from where it is.

    The arrays are the caller's to read until :meth:`release`; after it the pipeline writes
    another frame there.
    """

    frame: Frame
    labels: npt.NDArray[Any]
    overlay: npt.NDArray[np.uint8] | None = None
    confidence: npt.NDArray[np.uint8] | None = None
    timings: dict[str, float] = field(default_factory=dict)
    headroom: int = field(default=0, kw_only=True)

    def release(self) -> None:
        """Give the arrays back to the pipeline; does nothing where they are the caller's own."""
