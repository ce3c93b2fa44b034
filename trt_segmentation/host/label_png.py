# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Encodes label maps as PNG."""

from __future__ import annotations

from functools import cache
from importlib import import_module
import struct
from typing import Any
import zlib

import numpy as np
import numpy.typing as npt

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_GRAY = 0
_FILTER_UP = 2


def encode_label_png(labels: npt.NDArray[Any]) -> bytes:
    """Encode a label map as a gray PNG file. Several threads can encode at the same time.

    Neighbouring rows of a label map are almost equal. So the PNG filter "up" with run-length
    encoding makes small files. If zlib-ng is installed, zlib-ng packs the rows in less than a
    quarter of the time of zlib. The file then has other bytes, but the same class ids.

    :param labels: (height, width) uint8 or uint16.
    """
    height, width = labels.shape
    rows = np.ascontiguousarray(labels, labels.dtype.newbyteorder('>')).view(np.uint8)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    packer = _find_zlib().compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    pixels = packer.compress(filtered) + packer.flush()
    header = struct.pack('>IIBBBBB', width, height, 8 * labels.itemsize, _GRAY, 0, 0, 0)
    return b''.join([_SIGNATURE, _chunk(b'IHDR', header), _chunk(b'IDAT', pixels),
                     _chunk(b'IEND', b'')])


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    return b''.join([struct.pack('>I', len(data)), kind, data, struct.pack('>I', checksum)])


@cache
def _find_zlib() -> Any:
    try:
        return import_module('zlib_ng.zlib_ng')
    except ImportError:
        return zlib
