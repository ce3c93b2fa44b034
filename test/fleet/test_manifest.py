# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers of the manifest are those of the definition, on arrays with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from trt_segmentation.fleet.manifest import measure_frame
from trt_segmentation.segmented_image import SegmentedImage


def answer(gray: int, confidence: np.ndarray | None) -> SegmentedImage:
    labels = np.zeros((40, 40), np.uint8)
    labels[:10], labels[10:12] = 1, 255
    return SegmentedImage('', '', np.full((40, 40, 3), gray, np.uint8), labels, None, confidence,
                          ('road', 'sky'))


@pytest.mark.parametrize(('gray', 'condition'), [
    (0, 'dark'), (50, 'dark'), (52, 'dim'), (101, 'dim'), (103, 'bright'), (255, 'bright')])
def test_brightness_gives_the_condition(gray: int, condition: str) -> None:
    row = measure_frame(answer(gray, None))
    assert row['brightness'] == pytest.approx(gray / 255) and row['condition'] == condition
    assert row['shares'] == {'road': 0.7, 'sky': 0.25} and 'entropy' not in row


def test_contrast_is_the_deviation_of_the_pixels() -> None:
    assert measure_frame(answer(200, None))['contrast'] == 0
    half = answer(0, None)
    half.image[:, 16:] = 255        # three of the five measured columns
    row = measure_frame(half)
    assert row['brightness'] == pytest.approx(0.6)
    assert row['contrast'] == pytest.approx((0.6 * 0.4) ** 0.5)


def test_confidence_and_entropy() -> None:
    confidence = np.full((40, 40), 255, np.uint8)
    sure = measure_frame(answer(9, confidence))
    assert (sure['mean_confidence'], sure['p5_confidence']) == (1, 1)
    assert sure['entropy'] == pytest.approx(0, abs=1e-9)
    confidence[:, :20] = 128        # half of the pixels: a confidence of almost 0.5
    half = measure_frame(answer(9, confidence))
    assert half['mean_confidence'] == pytest.approx((1 + 128 / 255) / 2)
    assert half['p5_confidence'] == pytest.approx(128 / 255)
    assert half['entropy'] == pytest.approx(0.5, abs=1e-4)
    confidence[:] = 255
    confidence[0] = 10              # 2.5 % of the pixels are too few for the fifth percentile
    assert measure_frame(answer(9, confidence))['p5_confidence'] == 1
    confidence[:2] = 10
    assert measure_frame(answer(9, confidence))['p5_confidence'] == pytest.approx(10 / 255)
