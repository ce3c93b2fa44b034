# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The mapping between camera pixels and network pixels, for pre- and postprocessing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """The mapping along one axis: rows or columns.

    Pixel ``i`` covers ``[i, i+1)``, and its centre is ``i + 0.5``. The centre of camera pixel
    ``i`` lies at network coordinate ``(i + 0.5) * scale + offset``.

    :param camera: number of camera pixels.
    :param net: number of network pixels.
    :param new: length of the camera axis after the resize, in network pixels. If the image
        is cropped, this can be larger than ``net``. With a letterbox, this can be smaller.
    :param offset: number of network pixels before the first camera pixel; 0 or negative if the
        image is cropped.
    :param first: index of the first camera pixel in the image. It is above 0 if the network gets
        only a part of the image. Then ``camera`` is the number of pixels in this part.
    :param image: number of pixels in the whole image; 0 if ``camera`` is this number.
    """

    camera: int
    net: int
    new: int
    offset: int
    first: int = 0
    image: int = 0

    @property
    def total(self) -> int:
        """Number of pixels in the whole image."""
        return self.image or self.camera

    @property
    def scale(self) -> float:
        """Number of network pixels per camera pixel."""
        return self.new / self.camera

    @property
    def visible(self) -> tuple[int, int]:
        """The range (first, stop) of image pixels whose centres lie inside the network input.

        ``stop`` is the index of the last visible pixel + 1. If no pixel is visible, ``first`` is
        equal to ``stop`` or larger.
        """
        # Solve (i + 0.5) * new / camera + offset ≥ edge for i. Use integers, because a rounded
        # scale could change the result.
        first, stop = (
            -((self.new - 2 * self.camera * (edge - self.offset)) // (2 * self.new))
            for edge in (0, self.net))
        return max(first, 0) + self.first, min(stop, self.camera) + self.first

    def grid(self, size: int) -> tuple[float, float]:
        """Return (scale, offset) of the mapping from image pixels to a grid with ``size`` cells.

        The centre of image pixel ``i`` lies at grid coordinate ``(i + 0.5) * scale + offset``.
        The centre of cell 0 lies at grid coordinate 0.5.
        """
        scale = self.scale * size / self.net
        return scale, self.offset * size / self.net - self.first * scale


@dataclass(frozen=True)
class Geometry:
    """The mapping from one camera size to one network size. See :func:`fit`."""

    rows: Axis
    cols: Axis

    @property
    def all_visible(self) -> bool:
        """Whether the network sees every pixel of the image."""
        return all(axis.visible == (0, axis.total) for axis in (self.rows, self.cols))


def fit(resize: str, image: tuple[int, int], net: tuple[int, int],
        roi: tuple[int, int, int, int] | None = None) -> Geometry:
    """Compute the mapping from a camera image to the input of a network.

    :param resize: one of :data:`trt_segmentation.model.card.RESIZES`.
    :param image: (height, width) of the camera image, both ≥ 1.
    :param net: (height, width) of the network's input, both ≥ 1.
    :param roi: the part of the image that the network gets, as (left column, top row, width,
        height) in pixels. The part lies inside the image. None for the whole image.
    """
    left, top, width, height = roi or (0, 0, image[1], image[0])
    camera = (height, width)
    if resize == 'stretch':
        new = net
    else:
        wider = camera[1] * net[0] >= net[1] * camera[0]
        by_width = wider if resize == 'letterbox' else not wider
        over, under = (net[1], camera[1]) if by_width else (net[0], camera[0])
        # Integer arithmetic rounds x.5 up on every machine. Each side keeps at least one pixel.
        rows, cols = (max(1, (2 * side * over + under) // (2 * under)) for side in camera)
        new = (rows, cols)
    return Geometry(_axis(camera[0], net[0], new[0], top, image[0]),
                    _axis(camera[1], net[1], new[1], left, image[1]))


def _axis(camera: int, net: int, new: int, first: int, image: int) -> Axis:
    offset = (net - new) // 2 if new <= net else -((new - net) // 2)
    return Axis(camera, net, new, offset, first, image)
