# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""encode_label_png() writes label maps that OpenCV and Pillow read unchanged."""

import io
import zlib

import cv2
import numpy as np
from PIL import Image
import pytest

from trt_segmentation.host import label_png
from trt_segmentation.host.label_png import encode_label_png


@pytest.fixture(params=['zlib', 'zlib-ng'])
def packer(request, monkeypatch):
    module = zlib if request.param == 'zlib' else pytest.importorskip('zlib_ng.zlib_ng')
    monkeypatch.setattr(label_png, '_find_zlib', lambda: module)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
@pytest.mark.parametrize('shape', [(1, 1), (1, 37), (29, 1), (120, 161)])
def test_readers_find_the_same_labels(packer, dtype, shape):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    labels[shape[0] // 2:] = labels[shape[0] // 2]       # equal rows, as in a label map
    data = encode_label_png(labels)
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None and found.dtype == dtype
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), labels)


def test_an_array_that_is_not_contiguous(packer):
    labels = np.arange(60, dtype=np.uint8).reshape(6, 10)[::2, ::3]
    found = cv2.imdecode(np.frombuffer(encode_label_png(labels), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(found, labels)


def test_a_label_map_needs_few_bytes(packer):
    labels = np.zeros((480, 640), np.uint8)
    labels[200:, 100:] = 3
    assert len(encode_label_png(labels)) < 2000
