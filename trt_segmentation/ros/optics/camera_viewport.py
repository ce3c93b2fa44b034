# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the viewport of one camera from the parameters `ego_mask`, `roi` and `rectify`.

A viewport says which part of an image the network sees, and which pixels get no label. An ego mask
is a picture that shows which pixels of the image are the robot itself. The parameter `roi` is the
rectangle that the network sees. If `rectify` is true, the distortion of the lens is removed.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo

from ...errors import FrameError, LensError, PictureError
from ...frame import Frame
from ...host.pictures import read_picture
from ...lens.calibration import read_lens, read_rectified, Rectified
from ...lens.lens import Lens
from ...lens.rectify import make_lookup
from ...untrusted.regular_file import expand_home
from ...viewport import Viewport


class _Wish(NamedTuple):
    """The values from which a viewport is made. If no value changes, the viewport is reused."""

    height: int
    width: int
    ego_mask: str
    roi: tuple[int, ...]
    lens: Lens | None
    rectified: Lens | None


class CameraViewport:
    """Adds a viewport to each frame of one camera.

    The worker's thread calls :meth:`apply`. The executor's thread calls :meth:`check`.

    :param camera: name of the camera; empty if the camera has no name.
    :param index: position of the camera in the parameter ``cameras``, from 0.
    :param count: number of cameras.
    :param value: returns the value of the parameter with the given name.
    """

    def __init__(self, camera: str, index: int, count: int, value: Callable[[str], Any]) -> None:
        self.camera = camera
        self.size: tuple[int, int] | None = None
        """Height and width of the newest image in pixels. None if no image was received."""
        self._index, self._count, self._value = index, count, value
        self._wish: _Wish | None = None
        self._viewport: Viewport | None = None

    def apply(self, frame: Frame, info: CameraInfo | None) -> Frame:
        """Return a copy of the frame with a viewport.

        If `ego_mask`, `roi` and `rectify` are not set, the frame itself is returned.

        :param info: the newest camera_info; None if none was received.
        :raises FrameError: if a parameter or ``info`` does not fit the frame.
        """
        self.size = frame.height, frame.width
        if not any(map(self._value, ('ego_mask', 'roi', 'rectify'))):
            return frame
        wish, rectified = self._read_wish(self._value, info, self.size)
        if wish != self._wish or self._viewport is None:
            self._viewport = _make_viewport(wish, rectified)
            self._wish = wish
        return replace(frame, viewport=self._viewport)

    def check(self, value: Callable[[str], Any], info: CameraInfo | None,
              size: tuple[int, int] | None) -> None:
        """Check whether images can have a viewport with the values from ``value``.

        :param value: returns the value to be checked for the parameter with the given name.
        :param info: the newest camera_info; None if none was received.
        :param size: height and width of the images in pixels. If ``size`` is None, only these are
            checked: the length of `roi`, and whether the ego mask can be read.
        :raises FrameError: if a parameter or ``info`` does not fit the images.
        """
        if size:
            _make_viewport(*self._read_wish(value, info, size))
        else:
            self._choose_roi(value('roi'))
            if mask := value('ego_mask'):
                _read_mask_picture(mask.replace('{camera}', self.camera))

    def _read_wish(self, value: Callable[[str], Any], info: CameraInfo | None,
                   size: tuple[int, int]) -> tuple[_Wish, Rectified | None]:
        lens, rectified = _read_lenses(info, *size) if value('rectify') else (None, None)
        mask = value('ego_mask').replace('{camera}', self.camera)
        return _Wish(*size, mask, self._choose_roi(value('roi')), lens,
                     rectified and rectified.lens), rectified

    def _choose_roi(self, numbers: list[int]) -> tuple[int, ...]:
        if len(numbers) in (0, 4):
            return tuple(numbers)
        if len(numbers) != 4 * self._count:
            raise FrameError(f'`roi` has {len(numbers)} numbers; expected 4 numbers for all '
                             f'cameras, or {4 * self._count} numbers: 4 for each of the '
                             f'{self._count} cameras')
        return tuple(numbers[4 * self._index:4 * self._index + 4])


def _read_lenses(info: CameraInfo | None, height: int, width: int) -> tuple[Lens, Rectified]:
    try:
        lens, rectified = read_lens(info), read_rectified(info)
    except LensError as error:
        raise FrameError(f'`rectify` is true, but {error}') from error
    if (lens.width, lens.height) != (width, height):
        raise FrameError(f'`rectify` is true, but camera_info is for images of {lens.width}x'
                         f'{lens.height} pixels. The image has {width}x{height} pixels. Let '
                         'the driver publish the camera_info for this image size')
    return lens, rectified


def _make_viewport(wish: _Wish, rectified: Rectified | None) -> Viewport:
    hidden, lookup = _read_mask(wish), None
    if wish.lens and rectified:
        lookup = make_lookup(wish.lens, rectified)
        hidden = _hide_unseen(hidden, lookup)
    left, top, width, height = wish.roi or (0, 0, wish.width, wish.height)
    return Viewport(wish.height, wish.width, (left, top, width, height) if wish.roi else None,
                    hidden, lookup)


def _read_mask(wish: _Wish) -> npt.NDArray[np.uint8] | None:
    """Return the mask: 0 for each black pixel, 1 for all others. None if no mask is set."""
    if not wish.ego_mask:
        return None
    picture = _read_mask_picture(wish.ego_mask)
    height, width = picture.shape[:2]
    if (height, width) != (wish.height, wish.width):
        raise FrameError(
            f'`ego_mask`: {wish.ego_mask} has {width}x{height} pixels, but the image has '
            f'{wish.width}x{wish.height} pixels. Make a mask of this size: white for the robot, '
            'and black for all other pixels')
    return np.ascontiguousarray(picture.any(axis=2).astype(np.uint8))


def _read_mask_picture(path: str) -> npt.NDArray[np.uint8]:
    try:
        file = expand_home(path)
        if file.exists() and not file.is_file():  # opening a pipe would wait for its writer
            raise FrameError(f'`ego_mask`: {path} is not a file. Give the path of a picture')
        picture = read_picture(file)
    except (PictureError, OSError) as error:
        folder = '' if Path(path).is_absolute() or path.startswith('~') else (
            f'. The path is relative to {Path.cwd()}, the current folder of this process')
        raise FrameError(f'`ego_mask`: {error}{folder}') from error
    if picture.any(axis=2).all():
        raise FrameError(f'`ego_mask`: {path} has no black pixel, so it hides the whole image. '
                         'Make a mask that is white for the robot, and black for all other '
                         'pixels. Save it as PNG, because JPEG changes black pixels a little')
    return picture


def _hide_unseen(hidden: npt.NDArray[np.uint8] | None, lookup: npt.NDArray[np.float32]
                 ) -> npt.NDArray[np.uint8]:
    """Return 1 for each rectified pixel that is masked or outside the camera image, else 0."""
    unseen = lookup[..., 0] < 0
    if hidden is not None:
        column, row = np.moveaxis(np.rint(np.maximum(lookup, 0)).astype(np.intp), -1, 0)
        unseen = unseen | (hidden[row, column] == 1)
    return unseen.astype(np.uint8)


def describe_results(info: CameraInfo, frame: Frame) -> CameraInfo:
    """Return the camera_info that belongs to the results of a frame.

    If the frame was rectified, this camera_info describes a camera without distortion.
    """
    if frame.viewport is None or frame.viewport.lookup is None:
        return info
    shown = copy(info)
    p = list(info.p) if any(info.p) else [
        *info.k[:3], 0.0, *info.k[3:6], 0.0, *info.k[6:], 0.0]
    shown.distortion_model, shown.d = 'plumb_bob', array('d', [0.0] * 5)
    shown.k, shown.p = [*p[:3], *p[4:7], *p[8:11]], p
    shown.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return shown
