# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes camera images in JPEG and PNG. The size in a header is checked before decoding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import FrameError
from ..frame import Frame, MAX_SIDE
from ..memory import Allocate, place_bytes
from .decode_raw import decode, to_8_bits
from .fast_jpeg import decode_color

_PNG = b'\x89PNG\r\n\x1a\n'
_JPEG = b'\xff\xd8'
_JPEG_END = b'\xff\xd9'
# The markers SOF0 to SOF15 hold the image size. Their codes are 0xc0 to 0xcf, without the codes of
# the markers DHT, JPG and DAC.
_SIZE_MARKERS = frozenset(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}
_SEQUENTIAL = (0xc0, 0xc1)
_SCAN = 0xda
MAX_PIXELS = 1 << 27
"""Largest number of pixels of an image. The header of a small file can state any size."""
_PNG_RATIO = 1040
"""Largest number of pixel bytes for each byte of a PNG file. Deflate unpacks one byte to at most
1032 bytes."""
_JPEG_RATIO = 1024
"""Largest number of pixels for each byte of a JPEG file. Each block of 64 pixels has a Huffman
code of at least one bit, so one byte holds at most 512 pixels. The limit is twice this number."""
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MORE_BLOCKS = b'\0' + bytes(range(1, 255))
"""Data that a decoder can use for missing blocks of a JPEG. The data has no marker. The first
byte is 0, so there is no marker even if the image ends with the byte 0xff."""
_MORE_DATA = _MORE_BLOCKS + b''.join(
    bytes([0xff, 0xd0 + number, *range(1, 255)]) for number in range(8))
"""The same data, and then each of the eight restart markers with more data behind the marker.
Restart markers divide the blocks of a JPEG into groups."""


def decompress(data: bytes | memoryview | npt.NDArray[np.uint8], format: str, stamp_ns: int = 0,
               frame_id: str = '', camera: str = '', allocate: Allocate | None = None) -> Frame:
    """Decode a sensor_msgs/CompressedImage.

    EXIF rotation is not applied, because CameraInfo describes the image before rotation.

    :param data: all bytes of a JPEG or PNG file.
    :param format: the field ``format`` of the message. Some publishers swap red and blue. Their
        messages have the format ``rgb8; jpeg compressed rgb8``.
    :param stamp_ns: time stamp in the header of the message, in nanoseconds.
    :param camera: name of the camera in the node; empty if the node has only one camera.
    :param allocate: allocates the memory of the pixels; None for memory of NumPy.
    :returns: a frame that owns its bytes. The encoding is mono8, mono16, bgr8, rgb8 or bgra8.
        16-bit colours are scaled to 8 bits, see :func:`.decode_raw.to_8_bits`.
    :raises FrameError: if the data is empty, cut off, corrupt, too large or in another format.
    """
    raw = bytes(data)
    width, height = _check_size(raw)
    placed = decode_color(raw, height, width, allocate) if raw.startswith(_JPEG) else None
    decoded = _decode(raw, width, height) if placed is None else placed
    _check_blocks(raw, decoded)
    channels = 1 if decoded.ndim == 2 else decoded.shape[2]
    if decoded.dtype == np.uint16 and channels > 1:
        decoded = to_8_bits(decoded)
    encoding = {1: 'mono8', 3: 'bgr8', 4: 'bgra8'}[channels]
    if decoded.dtype == np.uint16:
        encoding, decoded = 'mono16', decoded.astype('<u2', copy=False)
    elif channels == 3 and 'compressed rgb' in format:
        encoding = 'rgb8'
    flat = np.ascontiguousarray(decoded).view(np.uint8).reshape(-1)
    if allocate is not None and placed is None:
        flat = place_bytes(flat, allocate)
    return Frame(flat, encoding, height, width, flat.size // height, stamp_ns=stamp_ns,
                 frame_id=frame_id, camera=camera)


def decode_upright(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode a complete JPEG or PNG file as (height, width, 3) uint8 BGR.

    The EXIF orientation of a JPEG is applied, so that the image is upright. 16-bit channels are
    scaled to 8 bits, see :func:`.decode_raw.to_8_bits`. An alpha channel is removed.

    :raises FrameError: in the same cases as in :func:`decompress`.
    """
    if not data.startswith(_JPEG):
        return decode(decompress(data, '')).bgr()
    decoded = _decode(data, *_check_size(data), cv2.IMREAD_COLOR)
    _check_blocks(data, decoded, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(decoded, np.uint8)


def _check_size(raw: bytes) -> tuple[int, int]:
    """Check the size in the header of a file, and return width and height."""
    width, height = _read_size(raw)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise FrameError(
            f'the header of a compressed image says {width}x{height} pixels (width x height), but '
            f'each side must have 1 to {MAX_SIDE} pixels. The header is corrupt')
    if width * height > min(MAX_PIXELS, _most_pixels(raw)):
        reason = (f'Its {len(raw)} bytes cannot hold so many pixels; the image is corrupt'
                  if width * height > _most_pixels(raw) else
                  f'At most {MAX_PIXELS} pixels are decoded')
        raise FrameError(f'the header of a compressed image says {width}x{height} pixels (width x '
                         f'height). {reason}')
    return width, height


def _decode(raw: bytes, width: int, height: int, flags: int = cv2.IMREAD_UNCHANGED
            ) -> npt.NDArray[np.generic]:
    """Decode a file, and check that the decoded image has the size in the header.

    With the flag IMREAD_COLOR, OpenCV turns the image upright.
    """
    try:
        decoded = _decode_unchecked(raw, flags)
    except cv2.error as error:
        raise FrameError(f'corrupt compressed image of {len(raw)} bytes: {error.err}') from error
    found = () if decoded is None else decoded.shape[:2]
    is_turned = flags == cv2.IMREAD_COLOR and found == (width, height)
    if decoded is None or (found != (height, width) and not is_turned):
        kind = 'PNG' if raw.startswith(_PNG) else 'JPEG'
        raise FrameError(
            f'corrupt {kind} of {len(raw)} bytes: its header says {width}x{height} pixels, but '
            f'the bytes do not decode to so many pixels')
    return decoded


def _check_blocks(raw: bytes, decoded: npt.NDArray[np.generic],
                  flags: int = cv2.IMREAD_UNCHANGED) -> None:
    if raw.startswith(_JPEG) and _is_cut(raw, decoded, flags):
        width, height = _read_size(raw)
        raise FrameError(
            f'JPEG is cut off: its {len(raw)} bytes have an end marker, but they do not hold all '
            f'blocks of its {width}x{height} pixels')


def _decode_unchecked(raw: bytes, flags: int) -> npt.NDArray[np.generic] | None:
    # The type stubs of OpenCV do not say that the result may be None.
    decoded: Any = cv2.imdecode(np.frombuffer(raw, np.uint8), flags)
    return None if decoded is None else np.asarray(decoded)


def _is_cut(raw: bytes, decoded: npt.NDArray[np.generic], flags: int) -> bool:
    """Return whether the last blocks of a JPEG are missing.

    OpenCV does not report missing blocks, but fills them with the gray value 128. So if a corner
    of the image has this value, the image is decoded again, with more data at the end. If the
    result is different, blocks were missing. OpenCV may have rotated the image, so the last block
    may be at any corner.
    """
    corners = decoded[[0, 0, -1, -1], [0, -1, 0, -1]].reshape(4, -1)
    if not np.any(np.all(corners == 128, axis=1)) or _ends_with_detail(raw):
        return False
    end = raw.rfind(_JPEG_END)
    # A scan is one pass over the blocks of the image. If the image has one scan, libjpeg stops
    # after the last block. So the added data can replace the end marker of the file. If the end
    # marker came after the added data, libjpeg would print a warning for each image without
    # missing blocks. If the image has several scans, libjpeg reads up to the end marker. So the
    # end marker then comes after the added data.
    more = _MORE_BLOCKS if _has_one_scan(raw) else _MORE_DATA + raw[end:]
    again = _decode_unchecked(raw[:end] + more, flags)
    return again is None or not np.array_equal(decoded, again)


def _read_size(raw: bytes) -> tuple[int, int]:
    """Read (width, height) from the header of a file."""
    if raw.startswith(_PNG):
        return _read_png_size(raw)
    if raw.startswith(_JPEG):
        return _read_jpeg_size(raw)
    raise FrameError(
        f'compressed image of {len(raw)} bytes is neither JPEG nor PNG. Its first bytes are '
        f'{raw[:8].hex(" ") or "missing"}')


def _most_pixels(raw: bytes) -> int:
    """Return the largest number of pixels that a file of this length can hold."""
    if raw.startswith(_JPEG):
        return len(raw) * _JPEG_RATIO
    bits = max(1, raw[24]) * _PNG_CHANNELS.get(raw[25], 1)
    return len(raw) * _PNG_RATIO * 8 // bits


def _read_png_size(raw: bytes) -> tuple[int, int]:
    at = len(_PNG)
    while raw[at + 4:at + 8] != b'IEND':
        at += 12 + int.from_bytes(raw[at:at + 4], 'big')
        if at >= len(raw):
            raise FrameError(f'PNG is cut off: its {len(raw)} bytes have no end chunk')
    return int.from_bytes(raw[16:20], 'big'), int.from_bytes(raw[20:24], 'big')


def _read_jpeg_size(raw: bytes) -> tuple[int, int]:
    size = 0, 0
    for at, marker in _find_segments(raw):
        # The thumbnail in a JPEG has an end marker too, but this end marker comes before the scan
        # marker of the image. The pixel data after the scan marker cannot contain the two bytes of
        # an end marker. So an end marker after the scan marker is the end of the image.
        if marker == _SCAN and raw.rfind(_JPEG_END) > at:
            return size
        if marker in _SIZE_MARKERS:
            size = int.from_bytes(raw[at + 7:at + 9], 'big'), int.from_bytes(
                raw[at + 5:at + 7], 'big')
    raise FrameError(f'JPEG is cut off or corrupt: its {len(raw)} bytes hold no whole image')


def _has_one_scan(raw: bytes) -> bool:
    """Return whether a JPEG is sequential, and its first scan holds all components."""
    coding, components = 0, b''
    for at, marker in _find_segments(raw):
        if marker in _SIZE_MARKERS:
            coding, components = marker, raw[at + 9:at + 10]
        if marker == _SCAN:
            return coding in _SEQUENTIAL and components == raw[at + 4:at + 5]
    return False


def _ends_with_detail(raw: bytes) -> bool:
    """Return whether the last scan of a JPEG only adds detail to blocks of earlier scans.

    In a progressive JPEG, the first scans hold a rough version of every block, and later scans add
    detail to the blocks. So if the last scan adds detail, no block is missing.
    """
    at = raw.rfind(bytes([0xff, _SCAN])) + 4
    at += 1 + 2 * int.from_bytes(raw[at:at + 1], 'big')     # two bytes for each component
    spectrum = raw[at:at + 3]
    return len(spectrum) == 3 and (spectrum[0] != 0 or spectrum[2] >> 4 != 0)


def _find_segments(raw: bytes) -> Iterator[tuple[int, int]]:
    """Yield the offset and the marker code of each segment of a JPEG up to its first scan."""
    at, marker = len(_JPEG), 0
    while at + 9 <= len(raw) and raw[at] == 0xff and marker != _SCAN:
        marker = raw[at + 1]
        if marker != 0xff:
            yield at, marker
        # The byte 0xff before the code of a marker may be repeated.
        at += 1 if marker == 0xff else 2 + int.from_bytes(raw[at + 2:at + 4], 'big')
