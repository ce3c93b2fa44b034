# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Converts a decoded frame of PyAV to an upright BGR image."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from .pyav import import_av, reason_of

if TYPE_CHECKING:
    from av import VideoFrame as DecodedFrame


class BgrConverter:
    """Converts frames to BGR. If several threads use a converter, they take turns.

    The values of the pixels are exactly those of PyAV's ``to_ndarray(format='bgr24')``.
    """

    def __init__(self) -> None:
        self._av = import_av()
        from av.video.reformatter import VideoReformatter
        self._reformatter = VideoReformatter()
        self._turn = threading.Lock()

    def convert(self, decoded: DecodedFrame) -> npt.NDArray[np.uint8]:
        """Return the pixels of a frame.

        Videos from phones often contain a rotation. The image is then rotated, so that it is
        upright.

        :returns: (height, width, 3) uint8 BGR, C-contiguous. The caller owns the array.
        :raises FrameError: if FFmpeg cannot convert this pixel format.
        """
        try:
            # Use one thread, because the other CPU cores run the decoder and the network.
            with self._turn:
                image = self._reformatter.reformat(decoded, format='bgr24', threads=1)
            bgr = image.to_ndarray()
        except (self._av.FFmpegError, ValueError) as error:
            raise FrameError(f'pixels of the format {decoded.format.name} cannot be converted to '
                             f'BGR: {reason_of(error)}') from error
        return np.ascontiguousarray(np.rot90(bgr, round(decoded.rotation / 90)), np.uint8)
