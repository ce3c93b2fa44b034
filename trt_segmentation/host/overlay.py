# Copyright 2026 The trt_segmentation authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""The picture with its classes' colours laid over it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..frame import UNLABELLED
from .outputs import output


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
