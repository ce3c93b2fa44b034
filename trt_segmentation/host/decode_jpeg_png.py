# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed camera images: JPEG and PNG to frames, with nothing of the header trusted."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..frame import Frame, MAX_SIDE
from .decode_raw import to_8_bits

_PNG = b'\x89PNG\r\n\x1a\n'
_JPEG = b'\xff\xd8'
_JPEG_END = b'\xff\xd9'
# SOF0 to SOF15 hold the size; DHT, JPG and DAC lie among their codes
_SIZE_MARKERS = frozenset(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}
_SCAN = 0xda
MAX_PIXELS = 1 << 27
"""Of a compressed image: a few kilobytes of it may say anything, where a raw one has its bytes."""
_PNG_RATIO = 1040
"""Deflate makes at most 1032 bytes of one."""
_JPEG_RATIO = 1024
"""Pixels of one byte: a block of 64 takes a bit at least, and colour has half a block more."""
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def decompress(data: bytes | memoryview | npt.NDArray[np.uint8], format: str, stamp_ns: int = 0,
               frame_id: str = '', camera: str = '') -> Frame:
    """Decode a sensor_msgs/CompressedImage.

    :param data: a whole JPEG or PNG file; what it is is read from its first bytes.
    :param format: the message's ``format``, which says where a publisher compressed RGB as if
        it were BGR (``rgb8; jpeg compressed rgb8``).
    :returns: a frame that owns its bytes: mono8, mono16, bgr8, rgb8 or bgra8. Colours of 16
        bits are scaled to 8, see :func:`.decode.to_8_bits`. EXIF rotation is not applied:
        CameraInfo describes the sensor.
    :raises FrameError: when the data is empty, cut off, corrupt, too large or of another kind.
    """
    raw = bytes(data)
    width, height = _size(raw)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise FrameError(
            f'compressed image says it is {width}x{height} pixels (width x height); both must '
            f'be 1 to {MAX_SIDE}')
    if width * height > min(MAX_PIXELS, _most_pixels(raw)):
        raise FrameError(
            f'compressed image says it is {width}x{height} pixels, which {len(raw)} bytes cannot '
            f'hold, or which are more than the {MAX_PIXELS} that are decoded')
    try:
        decoded = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FrameError(f'corrupt compressed image of {len(raw)} bytes: {error.err}') from error
    if decoded is None or decoded.shape[:2] != (height, width):
        raise FrameError(
            f'corrupt compressed image: {len(raw)} bytes that say they are {width}x{height} '
            f'{"PNG" if raw.startswith(_PNG) else "JPEG"} do not decode')
    channels = 1 if decoded.ndim == 2 else decoded.shape[2]
    if decoded.dtype == np.uint16 and channels > 1:
        decoded = to_8_bits(decoded)
    encoding = {1: 'mono8', 3: 'bgr8', 4: 'bgra8'}[channels]
    if decoded.dtype == np.uint16:
        encoding, decoded = 'mono16', decoded.astype('<u2', copy=False)
    elif channels == 3 and 'compressed rgb' in format:
        encoding = 'rgb8'
    flat = np.ascontiguousarray(decoded).view(np.uint8).reshape(-1)
    return Frame(flat, encoding, height, width, flat.size // height, stamp_ns=stamp_ns,
                 frame_id=frame_id, camera=camera)


def _size(raw: bytes) -> tuple[int, int]:
    """(width, height) by the header of a file that is whole."""
    if raw.startswith(_PNG):
        return _png_size(raw)
    if raw.startswith(_JPEG):
        return _jpeg_size(raw)
    raise FrameError(
        f'compressed image of {len(raw)} bytes is neither JPEG nor PNG; it starts with '
        f'{raw[:8].hex(" ") or "nothing"}')


def _most_pixels(raw: bytes) -> int:
    """Pixels that so many bytes can stand for at most."""
    if raw.startswith(_JPEG):
        return len(raw) * _JPEG_RATIO
    bits = max(1, raw[24]) * _PNG_CHANNELS.get(raw[25], 1)
    return len(raw) * _PNG_RATIO * 8 // bits


def _png_size(raw: bytes) -> tuple[int, int]:
    at = len(_PNG)
    while raw[at + 4:at + 8] != b'IEND':
        at += 12 + int.from_bytes(raw[at:at + 4], 'big')
        if at >= len(raw):
            raise FrameError(f'PNG is cut off: its {len(raw)} bytes have no end chunk')
    return int.from_bytes(raw[16:20], 'big'), int.from_bytes(raw[20:24], 'big')


def _jpeg_size(raw: bytes) -> tuple[int, int]:
    at, size = len(_JPEG), (0, 0)
    while at + 9 <= len(raw) and raw[at] == 0xff:
        marker = raw[at + 1]
        if marker == _SCAN:
            # an end inside a thumbnail comes before the scan; inside the scan 0xff is stuffed
            if raw.rfind(_JPEG_END) < at:
                break
            return size
        if marker in _SIZE_MARKERS:
            size = int.from_bytes(raw[at + 7:at + 9], 'big'), int.from_bytes(
                raw[at + 5:at + 7], 'big')
        # 0xff may be repeated before a marker
        at += 1 if marker == 0xff else 2 + int.from_bytes(raw[at + 2:at + 4], 'big')
    raise FrameError(f'JPEG is cut off or corrupt: its {len(raw)} bytes hold no whole image')
