# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""Sums over labelled images can be added and stored without a change."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from trt_segmentation.accuracy.label_counts import LabelCounts, read_label_counts
from trt_segmentation.errors import LabelError

Image = tuple[Any, Any, Any]


def draw(seed: int) -> Image:
    """Return random truth, labels and confidence."""
    rng = np.random.default_rng(seed)
    return (rng.integers(0, 3, (8, 9), np.uint8), rng.integers(0, 4, (8, 9), np.uint8),
            rng.integers(0, 256, (8, 9), np.uint8))


def count(*images: Image) -> LabelCounts:
    found = LabelCounts(3)
    for image in images:
        found.add_image(*image)
    return found


def test_parts_add_up_to_the_whole_also_through_json() -> None:
    images = [draw(seed) for seed in range(5)]
    whole, joined = count(*images), LabelCounts(3)
    for part in (count(*images[:2]), count(), count(*images[2:])):
        joined.add(read_label_counts(json.loads(json.dumps(part.tree()))))
    assert joined.tree() == whole.tree() and joined.images == 5
    assert joined.matrix.dtype == np.int64 and joined.matrix.sum() == 5 * 72
    names = ('a', 'b', 'c')
    assert joined.scores(names).tree() == whole.scores(names).tree()
    assert whole.scores(names).calibration_error > 0


def test_sums_beyond_32_bits_stay_exact() -> None:
    large = count(draw(0))
    large.matrix[1, 2] = 2 ** 53 + 1
    copy = read_label_counts(json.loads(json.dumps(large.tree())))
    copy.add(large)
    assert copy.matrix[1, 2] == 2 ** 54 + 2


def test_without_confidence_the_calibration_error_is_unknown() -> None:
    truth, labels, _ = draw(0)
    scores = count((truth, labels, None)).scores(('a', 'b', 'c'))
    assert np.isnan(scores.calibration_error) and scores.images == 1


def test_a_truth_of_another_size_is_refused() -> None:
    truth, labels, confidence = draw(0)
    with pytest.raises(LabelError, match='the truth is 8x8, but the label map is 9x8'):
        count((truth[:, :8], labels, confidence))
