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

"""Encodings few cameras send, decoded by cv_bridge, or by rosbags-image where there is no ROS."""

from __future__ import annotations

from collections.abc import Callable
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..frame import Frame, FrameError

RARE = frozenset([
    'bgr16', 'rgb16', 'bgra16', 'rgba16', 'bayer_rggb16', 'bayer_bggr16', 'bayer_gbrg16',
    'bayer_grbg16', 'nv24'])


def rare_to_bgr(frame: Frame) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8 BGR of a frame in one of :data:`RARE`.

    :raises FrameError: when neither library is there, or the one that is cannot do it.
    """
    name, convert = _converter(frame.encoding)
    try:
        bgr: npt.NDArray[np.uint8] = np.ascontiguousarray(convert(_message(frame), 'bgr8'))
        if bgr.shape != (frame.height, frame.width, 3) or bgr.dtype != np.uint8:
            raise TypeError(f'it gave {bgr.dtype} {bgr.shape}')
    except Exception as error:  # what the libraries raise has no common base
        raise FrameError(
            f'{name} cannot convert {frame.encoding}: {error}. Let the camera driver send '
            f'bgr8, rgb8 or yuv422') from error
    return bgr


def _converter(encoding: str) -> tuple[str, Callable[[Any, str], Any]]:
    try:
        from cv_bridge import CvBridge
        return 'cv_bridge', CvBridge().imgmsg_to_cv2
    except ImportError:
        pass
    try:
        from rosbags.image import image_to_cvimage
        return 'rosbags-image', image_to_cvimage
    except ImportError:
        raise FrameError(
            f'{encoding} needs cv_bridge (sudo apt install ros-$ROS_DISTRO-cv-bridge) or '
            f'rosbags-image (pip install rosbags-image), and neither is installed. Or let the '
            f'camera driver send bgr8, rgb8 or yuv422') from None


def _message(frame: Frame) -> SimpleNamespace:
    """A sensor_msgs/Image look-alike in this machine's byte order and without row padding.

    rosbags-image ignores padding, and cv_bridge's byte swap fails under NumPy 2.
    """
    rows = np.ndarray((frame.stored_rows, frame.row_bytes), np.uint8, buffer=frame.data,
                      strides=(frame.step, 1))
    packed: npt.NDArray[Any] = np.ascontiguousarray(rows)
    little = sys.byteorder == 'little'
    if frame.encoding.endswith('16') and frame.is_bigendian == little:
        packed = packed.view(np.uint16).byteswap().view(np.uint8)
    return SimpleNamespace(
        encoding=frame.encoding, height=frame.height, width=frame.width,
        step=frame.row_bytes, is_bigendian=not little, data=packed.reshape(-1))
