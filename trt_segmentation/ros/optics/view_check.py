# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Checks a new value of `ego_mask`, `roi` or `rectify` before an image needs the value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sensor_msgs.msg import CameraInfo

from ...errors import FrameError, LensError
from ...lens.calibration import read_lens
from .camera_viewport import CameraViewport

VIEW_DEFAULTS: dict[str, Any] = {'ego_mask': '', 'roi': [], 'rectify': False}
"""The parameters that :func:`find_view_problem` checks. With these values, no check fails."""


def find_view_problem(name: str, value: Any,
                      cameras: Sequence[tuple[CameraViewport, CameraInfo | None]]) -> str:
    """Return why a value does not fit the next image of a camera. Empty if the value fits.

    This function ignores the present values of the other parameters. So if several values do
    not fit, a user can correct one after the other.

    :param name: name of any parameter. Only a parameter in :data:`VIEW_DEFAULTS` is checked.
    :param cameras: each camera with its newest camera_info.
    """
    if name not in VIEW_DEFAULTS or value == VIEW_DEFAULTS[name]:
        return ''
    values = {**VIEW_DEFAULTS, name: value}
    for viewport, info in cameras:
        try:
            viewport.check(values.__getitem__, info, viewport.size or _read_size(info))
        except FrameError as error:
            camera = f'camera {viewport.camera}: ' if viewport.camera else ''
            return camera + str(error).removeprefix(f'`{name}`: ')
    return ''


def _read_size(info: CameraInfo | None) -> tuple[int, int] | None:
    try:
        lens = read_lens(info)
    except LensError:
        return None
    return lens.height, lens.width
