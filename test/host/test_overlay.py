# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The overlay mixes an image with the colours of its labels."""

import numpy as np
import pytest

from trt_segmentation.host.overlay import blend

RGB = np.array([[255, 0, 0], [0, 0, 200]], np.uint8)


@pytest.mark.parametrize('alpha', [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_blend(alpha, dtype):
    rng = np.random.default_rng(1)
    bgr = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    labels = rng.integers(0, 2, (6, 7)).astype(dtype)
    labels[2, 3] = np.iinfo(dtype).max
    before = bgr.copy()
    overlay = blend(bgr, labels, RGB, alpha)
    colors = RGB[np.minimum(labels, 1)][..., ::-1].astype(float)
    expected = bgr * (1 - alpha) + colors * alpha
    expected[2, 3] = bgr[2, 3]
    assert overlay.dtype == np.uint8 and overlay.shape == bgr.shape
    assert np.abs(overlay - expected).max() <= 0.5 + 1e-4
    assert (bgr == before).all() and not np.shares_memory(overlay, bgr)


def test_a_view_with_padded_rows():
    wide = np.arange(6 * 40, dtype=np.uint8).reshape(6, 40)
    bgr = np.ndarray((6, 7, 3), np.uint8, buffer=wide, strides=(40, 3, 1))
    assert (blend(bgr, np.zeros((6, 7), np.uint8), RGB, 0.0) == bgr).all()
