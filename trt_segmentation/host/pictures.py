# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Reads picture files: camera pictures as 8-bit BGR, and label maps with unchanged class ids."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import FrameError, PictureError
from ..untrusted.git_lfs import is_lfs_pointer, LFS_ADVICE
from .decode_jpeg_png import decode_upright, decompress
from .decode_raw import decode, Pixels, to_8_bits

if TYPE_CHECKING:
    from PIL import Image

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')
"""File name endings of pictures, in lower case."""
FORMATS = ('BMP', 'JPEG', 'PNG', 'TIFF', 'WEBP')
"""Pillow's names of the formats that are read. The content of a file tells the format, and the
file name does not matter."""
_CAMERA_FORMATS = (b'\x89PNG', b'\xff\xd8')
_WIDE = ('I;16', 'I;16B', 'I;16L', 'I;16N')


def read_picture(path: Path, is_upright: bool = False) -> npt.NDArray[np.uint8]:
    """Read a camera picture as (height, width, 3) uint8 BGR.

    16-bit channels are scaled to 8 bits, see :func:`.decode_raw.to_8_bits`. An alpha channel is
    removed.

    :param is_upright: whether the picture is rotated as its EXIF orientation says. Use False for a
        picture whose label map was drawn without this rotation.
    :raises PictureError: if the file is not a picture, is cut off, or has pixels of 32 bits.
    """
    try:
        with path.open('rb') as file:
            is_camera_format = file.read(4).startswith(_CAMERA_FORMATS)
        if is_camera_format:
            data = path.read_bytes()
            return decode_upright(data) if is_upright else decode(decompress(data, '')).bgr()
    except (OSError, FrameError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise PictureError(f'{path} cannot be read as a picture: {reason}') from error
    return _convert_to_bgr(open_picture(path, is_upright), str(path))


def decode_picture(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Decode the bytes of a picture file like :func:`read_picture` with ``is_upright=True``.

    :param name: name of the picture for messages.
    :raises PictureError: in the same cases as in :func:`read_picture`.
    """
    if not data.startswith(_CAMERA_FORMATS):
        return _convert_to_bgr(_open_with_pillow(BytesIO(data), name, True), name)
    try:
        return decode_upright(data)
    except FrameError as error:
        raise PictureError(f'{name} cannot be read as a picture: {error}') from error


def _convert_to_bgr(picture: Image.Image, name: str) -> npt.NDArray[np.uint8]:
    if picture.mode in ('F', 'I'):
        kind = 'floating-point' if picture.mode == 'F' else 'whole'
        raise PictureError(f'{name} has pixels of 32 bits ({kind} numbers). Save the picture with '
                           '8 or 16 bits for each channel')
    if picture.mode in _WIDE:
        return Pixels(to_8_bits(np.asarray(picture).astype(np.uint16)), 'gray').bgr()
    return np.ascontiguousarray(np.asarray(picture.convert('RGB'))[..., ::-1])


def read_ids(path: Path) -> npt.NDArray[Any]:
    """Read a picture of class ids as (height, width) uint8 or uint16.

    :raises PictureError: if the file is a colour picture, or is not a picture.
    """
    picture = open_picture(path)
    if picture.mode == 'I' or picture.mode in _WIDE:
        return np.asarray(picture).astype(np.uint16)
    if picture.mode not in ('L', 'P'):
        raise PictureError(
            f'{path} has the mode {picture.mode}; expected class ids, as a palette picture or a '
            'gray picture with 8 or 16 bits. Convert the file to a label map')
    return np.asarray(picture)


def open_picture(path: Path, is_upright: bool = False) -> Image.Image:
    """Open and decode a picture file with Pillow.

    :param is_upright: as in :func:`read_picture`.
    :raises PictureError: if the file cannot be decoded.
    """
    try:
        if is_lfs_pointer(path):
            raise PictureError(f'{path} is {LFS_ADVICE}')
    except OSError as error:
        raise PictureError(f'{path} cannot be read as a picture: {error.strerror or error}'
                           ) from error
    return _open_with_pillow(path, str(path), is_upright)


def _open_with_pillow(file: Path | BytesIO, name: str, is_upright: bool) -> Image.Image:
    from PIL import Image, ImageOps, UnidentifiedImageError
    try:
        with Image.open(file, formats=FORMATS) as picture:
            picture.load()
            return ImageOps.exif_transpose(picture) if is_upright else picture
    except UnidentifiedImageError as error:
        raise PictureError(f'{name} cannot be read as a picture: the file is cut off, or it is no '
                           'PNG, JPEG, BMP, TIFF or WebP. Save the picture in one of these '
                           'formats') from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(f'{name} cannot be read as a picture: {error}') from error
