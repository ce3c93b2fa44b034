# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes JPEG images with the Python package simplejpeg, if simplejpeg is installed.

simplejpeg decodes directly into the memory of the caller. OpenCV decodes into its own memory and
copies the pixels into the memory of NumPy, so the caller would have to copy the pixels again.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from ..memory import Allocate

_SAMPLINGS = ('444', '422', '420')
"""All versions of libjpeg-turbo give the same pixels for these chroma samplings. For other
samplings, the pixels can differ."""


def decode_color(raw: bytes, height: int, width: int, allocate: Allocate | None = None
                 ) -> npt.NDArray[np.uint8] | None:
    """Decode a JPEG image with the pixels that OpenCV gives.

    :param height: number of rows that the header states. The caller has checked height and width.
    :param allocate: allocates the memory of the pixels; None for memory of NumPy.
    :returns: (height, width, 3) uint8 BGR. None if OpenCV must decode the image: simplejpeg is not
        installed, the image is not YCbCr or has another chroma sampling, or simplejpeg found an
        error.
    """
    simplejpeg = _find_simplejpeg()
    if simplejpeg is None:
        return None
    try:
        found = simplejpeg.decode_jpeg_header(raw)
        if found[:3] != (height, width, 'YCbCr') or found[3] not in _SAMPLINGS:
            return None
        size = height * width * 3
        place = allocate(size).view[:size] if allocate else np.empty(size, np.uint8)
        simplejpeg.decode_jpeg(raw, 'BGR', buffer=place)
    except ValueError:      # simplejpeg rejects some damaged images that OpenCV accepts
        return None
    return place.reshape(height, width, 3)


@cache
def _find_simplejpeg() -> Any:
    try:
        return import_module('simplejpeg')
    except ImportError:
        return None
