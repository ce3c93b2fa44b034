# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Which network pixel a camera pixel is, for every resize policy: one mapping, used both ways."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """The mapping along one axis, rows or columns alike.

    A pixel is a unit interval and ``i + 0.5`` its centre, so that camera pixel ``i`` lies at
    network coordinate ``(i + 0.5) * scale + offset`` and network pixel ``j`` covers ``[j, j+1)``.

    :param camera: camera pixels.
    :param net: network pixels.
    :param new: network pixels the whole camera axis is resized to; may be more than ``net``
        (crop) or fewer (letterbox).
    :param offset: network pixels before the camera's first; negative where cropped.
    """

    camera: int
    net: int
    new: int
    offset: int

    @property
    def scale(self) -> float:
        """Network pixels per camera pixel."""
        return self.new / self.camera

    @property
    def visible(self) -> tuple[int, int]:
        """First camera pixel whose centre the network sees, and the one after the last."""
        # (i + 0.5) * new / camera + offset ≥ edge, in whole numbers so that no rounding of a
        # scale decides about a pixel
        first, stop = (
            -((self.new - 2 * self.camera * (edge - self.offset)) // (2 * self.new))
            for edge in (0, self.net))
        return max(first, 0), min(stop, self.camera)

    def grid(self, size: int) -> tuple[float, float]:
        """(scale, offset) from camera pixel to a grid of ``size`` cells laid over the network.

        Camera pixel ``i`` lies at grid coordinate ``(i + 0.5) * scale + offset``; subtract 0.5
        for the position between cell centres that interpolation wants.
        """
        return self.scale * size / self.net, self.offset * size / self.net


@dataclass(frozen=True)
class Geometry:
    """The mapping of one camera size to one network size; see :func:`fit`."""

    rows: Axis
    cols: Axis

    @property
    def all_visible(self) -> bool:
        """Whether the network sees every camera pixel."""
        return all(axis.visible == (0, axis.camera) for axis in (self.rows, self.cols))


def fit(resize: str, camera: tuple[int, int], net: tuple[int, int]) -> Geometry:
    """Lay a camera image into a network's input.

    :param resize: one of :data:`trt_segmentation.model.card.RESIZES`.
    :param camera: (height, width) of the camera image, both ≥ 1.
    :param net: (height, width) of the network's input, both ≥ 1.
    """
    if resize == 'stretch':
        new = net
    else:
        wider = camera[1] * net[0] >= net[1] * camera[0]
        by_width = wider if resize == 'letterbox' else not wider
        over, under = (net[1], camera[1]) if by_width else (net[0], camera[0])
        # rounded half up, in whole numbers; a sliver of a camera keeps one pixel
        rows, cols = (max(1, (2 * side * over + under) // (2 * under)) for side in camera)
        new = (rows, cols)
    return Geometry(_axis(camera[0], net[0], new[0]), _axis(camera[1], net[1], new[1]))


def _axis(camera: int, net: int, new: int) -> Axis:
    offset = (net - new) // 2 if new <= net else -((new - net) // 2)
    return Axis(camera, net, new, offset)
