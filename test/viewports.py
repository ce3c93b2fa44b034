# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Small camera images with a viewport, for the tests of the kernels and of the CPU pipeline."""

from __future__ import annotations

from typing import Any

from lenses import lens_of
import numpy as np
import numpy.typing as npt

from trt_segmentation.frame import Frame
from trt_segmentation.lens.calibration import Rectified
from trt_segmentation.lens.lens import Lens
from trt_segmentation.lens.rectify import make_lookup
from trt_segmentation.viewport import Viewport

HEIGHT, WIDTH = 90, 160
NET = (40, 64)
"""The image shrinks by more than 2 on each axis, and its part :data:`ROI` by less. If only one
axis shrank by more than 2, the CPU pipeline would round twice."""
ROI = (30, 20, 101, 57)
"""A part of the image: column, row, width, height. Odd numbers find more errors."""
PAD = 114


def lookup_of(model: str) -> npt.NDArray[np.float32]:
    """Return the lookup of a small camera with a real distortion. Its corners show nothing."""
    lens = lens_of(model)
    small = Lens(WIDTH, HEIGHT, lens.fx / 8, lens.fy / 8, 79.0, 44.0, model, lens.coefficients)
    turn = np.array([[1, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
    return make_lookup(small, Rectified(Lens(WIDTH, HEIGHT, 70.0, 71.0, 80.0, 45.0), turn))


def hidden_pixels() -> npt.NDArray[np.uint8]:
    """Return a mask that hides a rectangle and some single pixels."""
    hidden = np.zeros((HEIGHT, WIDTH), np.uint8)
    hidden[70:, 40:90] = 1
    hidden[::7, ::11] = 1
    return hidden


def frame_of(encoding: str, viewport: Viewport | None) -> Frame:
    """Return a frame of noise, with 5 bytes of padding in each row."""
    channels = {'bgr8': 3, 'mono8': 1, 'uyvy': 2}[encoding]
    step = WIDTH * channels + 5
    data = np.random.default_rng(3).integers(0, 256, HEIGHT * step, np.uint8)
    return Frame(data, encoding, HEIGHT, WIDTH, step, viewport=viewport)


def address(array: npt.NDArray[Any] | None) -> int:
    return 0 if array is None else array.ctypes.data
