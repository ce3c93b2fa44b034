# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The overlay: the camera image with the colours of the classes over it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..frame import UNLABELLED
from .decode_raw import as_array
from .output_arrays import allocate_output


def blend(bgr: npt.NDArray[np.uint8], labels: npt.NDArray[Any], palette: npt.NDArray[np.uint8],
          alpha: float) -> npt.NDArray[np.uint8]:
    """Blend class colours over an image: round(image × (1 − alpha) + colour × alpha).

    :param bgr: (height, width, 3) uint8, the camera image.
    :param labels: (height, width) uint8 or uint16. An unlabelled pixel keeps the colour of the
        camera image.
    :param palette: (classes, 3) uint8 RGB, the colour of each class.
    :param alpha: weight of the class colour, 0 to 1.
    :returns: a new (height, width, 3) uint8 BGR array; the caller owns the array.
    """
    colors = np.zeros((UNLABELLED[labels.dtype] + 1, 1, 3), np.uint8)
    colors[:len(palette), 0] = palette[:, ::-1]
    painted: Any = allocate_output((*labels.shape, 3))
    if labels.dtype == np.uint8:
        painted = cv2.applyColorMap(labels, colors, dst=painted)
    else:
        # With the default mode 'raise', NumPy would copy the output through a buffer.
        painted = np.take(colors[:, 0], labels, axis=0, out=painted, mode='clip')
    blended = as_array(cv2.addWeighted(bgr, 1 - alpha, painted, alpha, 0, dst=painted))
    unlabelled = labels == UNLABELLED[labels.dtype]
    if unlabelled.any():
        blended[unlabelled] = bgr[unlabelled]
    return blended
