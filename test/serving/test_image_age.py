# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The age of an image is measured only if its stamp and the clock share a time base."""

from __future__ import annotations

import pytest

from trt_segmentation.serving.image_age import measure_age_ms

NOW = 10**13


@pytest.mark.parametrize(('stamp_ns', 'now_ns', 'age'), [
    (NOW - 250_000_000, NOW, 250.0), (NOW, NOW, 0.0),
    (NOW + 999_000_000, NOW, -999.0),  # the camera's clock may be up to 1 s ahead
    (NOW + 1_000_000_000, NOW, None),
    (NOW - 3_599 * 10**9, NOW, 3_599_000.0), (NOW - 3_600 * 10**9, NOW, None),
    (0, 0, None)])  # /clock has not started
def test_an_age_is_measured_if_stamp_and_clock_share_a_time_base(
        stamp_ns: int, now_ns: int, age: float | None) -> None:
    assert measure_age_ms(stamp_ns, now_ns) == age
