# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Lenses and camera_info messages for the tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from trt_segmentation.lens.lens import Lens

LENSES = {
    'plumb_bob': (-0.31, 0.12, 0.0008, -0.0005, -0.021),
    'rational_polynomial': (0.47, -2.63, 0.0006, -0.0001, 1.52, 0.35, -2.45, 1.45),
    'equidistant': (-0.013, 0.042, -0.038, 0.0075)}
"""For each distortion model, the coefficients of a real lens: of a webcam, of a depth camera, and
of a fisheye camera."""


def lens_of(model: str, coefficients: tuple[float, ...] | None = None) -> Lens:
    return Lens(1280, 720, 700.0, 710.0, 630.5, 350.25, model,
                LENSES[model] if coefficients is None else coefficients)


def info(**changes: Any) -> Any:
    """Return an object with the fields of a sensor_msgs/CameraInfo."""
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {
        'width': 640, 'height': 480, 'distortion_model': 'plumb_bob',
        'd': [-0.3, 0.1, 0.0, 0.0, 0.0], 'k': [500.0, 0, 320.0, 0, 510.0, 240.0, 0, 0, 1.0],
        'r': [1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0],
        'p': [450.0, 0, 310.0, 0, 0, 460.0, 230.0, 0, 0, 0, 1.0, 0],
        'binning_x': 0, 'binning_y': 0, 'roi': roi}
    return SimpleNamespace(**{**fields, **changes})
