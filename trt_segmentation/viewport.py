# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The viewport: the part of an image that the network sees, and the pixels without a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .errors import FrameError


@dataclass(frozen=True, eq=False)
class Viewport:
    """The part of one camera's images that the network sees. Nobody may change the arrays.

    If ``lookup`` is given, the network sees a rectified image, and all results belong to the
    rectified image. ``roi`` and ``hidden`` then refer to pixels of the rectified image. A
    rectified image has the size of the camera image.

    :param height: height of the images in pixels. ``width`` is the width of the images.
    :param roi: the part of the image that the network sees, as (left column, top row, width,
        height) in pixels. The pixels outside this part are unlabelled. None for the whole image.
    :param hidden: (height, width) uint8, 0 or 1. Pixels with 1 are unlabelled, but the network
        sees them. None if there is no such pixel.
    :param lookup: (height, width, 2) float32: column and row in the camera image for each pixel of
        the rectified image. If the camera image does not show the pixel, its column and row are
        negative. ``lens/rectify.py`` makes lookups. None if images are not rectified.
    :raises FrameError: if ``roi`` or an array does not fit the size of the images, or if
        ``hidden`` has a value above 1.
    """

    height: int
    width: int
    roi: tuple[int, int, int, int] | None = None
    hidden: npt.NDArray[np.uint8] | None = None
    lookup: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        size = (self.height, self.width)
        for name, array, shape in (('hidden', self.hidden, size),
                                   ('lookup', self.lookup, (*size, 2))):
            if array is not None and array.shape != shape:
                raise FrameError(f'{name} has the shape {array.shape}; expected {shape}')
        if self.hidden is not None and (most := int(self.hidden.max())) > 1:
            raise FrameError(f'hidden has the value {most}; expected 0 or 1')
        if self.roi is None:
            return
        left, top, width, height = self.roi
        if (min(left, top) < 0 or min(width, height) < 1 or left + width > self.width
                or top + height > self.height):
            raise FrameError(
                f'the part `roi` is {width}x{height} pixels at column {left} and row {top}, but '
                f'the image has {self.width}x{self.height} pixels. Set `roi` to a part inside '
                'the image, as [x, y, width, height]')

    def check_size(self, height: int, width: int) -> None:
        """Raise a FrameError if an image has another size than the images of this viewport."""
        if (height, width) != (self.height, self.width):
            raise FrameError(f'the viewport is for images of {self.width}x{self.height} pixels, '
                             f'but this image has {width}x{height}')
