# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Converts a decoded frame of PyAV to BGR, upright."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from .pyav import import_av

if TYPE_CHECKING:
    from av import VideoFrame as DecodedFrame


class BgrConverter:
    """Converts frames to BGR. Use one converter in one thread only.

    The colours are those that PyAV's ``to_ndarray(format='bgr24')`` gives, bit by bit.
    """

    def __init__(self) -> None:
        import_av()
        from av.video.reformatter import VideoReformatter
        self._reformatter = VideoReformatter()

    def convert(self, decoded: DecodedFrame) -> npt.NDArray[np.uint8]:
        """Return the pixels of a frame.

        A phone that is held upright stores its video lying down, with a note of the rotation. The
        pixels are turned upright.

        :returns: (height, width, 3) uint8 BGR, C-contiguous. The caller owns the array.
        """
        # One thread: the other cores have the decoder and the network to run.
        bgr = self._reformatter.reformat(decoded, format='bgr24', threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(bgr, round(decoded.rotation / 90)), np.uint8)
