# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the lens of a camera from a sensor_msgs/CameraInfo message.

An object with the same fields can replace the message, so this file needs no ROS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import LensError
from .lens import Floats, Lens


class Rectified(NamedTuple):
    """A camera without lens distortion (pinhole camera) that would take the rectified image.

    :param lens: the lens of the pinhole camera.
    :param turn: (3, 3) rotation from the coordinates of the real camera to the coordinates of the
        pinhole camera.
    """

    lens: Lens
    turn: Floats


def read_lens(info: Any | None) -> Lens:
    """Return the lens that a camera_info describes.

    If the driver combines pixels (binning) or sends only a part of the sensor image (roi), the
    lens describes the smaller image.

    :raises LensError: if ``info`` is None, or if the message is not a calibration. The error
        names the wrong value.
    """
    info = _check_info(info)
    model, coefficients = info.distortion_model, tuple(float(value) for value in info.d)
    if model != 'equidistant' and not any(coefficients):
        model, coefficients = 'plumb_bob', ()
    return _cut(info, info.k[0], info.k[4], info.k[2], info.k[5], model, coefficients)


def read_rectified(info: Any | None) -> Rectified:
    """Return the pinhole camera of the rectified image, from ``p`` and ``r`` of the message.

    The driver of a single camera may fill these matrices with zeros. If ``p`` is zero, the pinhole
    camera has the camera matrix ``k``. If ``r`` is zero, there is no rotation.

    :raises LensError: as in :func:`read_lens`, or if ``r`` is not a rotation.
    """
    info = _check_info(info)
    read_lens(info)
    k = info.p if any(info.p) else [info.k[0], 0, info.k[2], 0, 0, info.k[4], info.k[5]]
    turn = np.array(info.r, np.float64).reshape(3, 3) if any(info.r) else np.eye(3)
    if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3):
        raise LensError(f'the matrix r is {list(info.r)}, which is not a rotation. Calibrate the '
                        'camera again')
    return Rectified(_cut(info, k[0], k[5], k[2], k[6], 'plumb_bob', ()), turn)


def _check_info(info: Any | None) -> Any:
    if info is None:
        raise LensError('no camera_info came, so the lens of the camera is not known. The topic '
                        'is camera_info in the namespace of the image topic. Let the camera '
                        'driver publish this topic, or remap camera_info')
    for name, count in (('k', 9), ('r', 9), ('p', 12)):
        if (found := len(getattr(info, name))) != count:
            raise LensError(f'the matrix {name} has {found} numbers; expected {count}')
    return info


def _cut(info: Any, fx: float, fy: float, cx: float, cy: float, model: str,
         coefficients: tuple[float, ...]) -> Lens:
    across, down, roi = max(info.binning_x, 1), max(info.binning_y, 1), info.roi
    width, height = roi.width or info.width, roi.height or info.height
    return Lens(width // across, height // down, float(fx) / across, float(fy) / down,
                (float(cx) - roi.x_offset) / across, (float(cy) - roi.y_offset) / down, model,
                coefficients)
