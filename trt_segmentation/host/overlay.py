# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The picture with its classes' colours laid over it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..frame import UNLABELLED
from .output_arrays import output


def blend(bgr: npt.NDArray[np.uint8], labels: npt.NDArray[Any], palette: npt.NDArray[np.uint8],
          alpha: float) -> npt.NDArray[np.uint8]:
    """Blend class colours over an image: round(image × (1 − alpha) + colour × alpha).

    :param bgr: (height, width, 3) uint8.
    :param labels: (height, width) uint8 or uint16; unlabelled pixels keep the image.
    :param palette: (classes, 3) uint8 RGB.
    :param alpha: 0 to 1.
    :returns: (height, width, 3) uint8 BGR, the caller's own.
    """
    colors = np.zeros((UNLABELLED[labels.dtype] + 1, 1, 3), np.uint8)
    colors[:len(palette), 0] = palette[:, ::-1]
    if labels.dtype == np.uint8:
        painted: Any = cv2.applyColorMap(labels, colors, dst=output((*labels.shape, 3)))
    else:
        painted = np.take(colors[:, 0], labels, axis=0, out=output((*labels.shape, 3)),
                          mode='clip')  # any other mode buffers
    mixed: Any = cv2.addWeighted(bgr, 1 - alpha, painted, alpha, 0, dst=painted)
    blended: npt.NDArray[np.uint8] = mixed
    unlabelled = labels == UNLABELLED[labels.dtype]
    if unlabelled.any():
        blended[unlabelled] = bgr[unlabelled]
    return blended
