# SPDX-FileCopyrightText: 2026 The trt_segmentation authors
# SPDX-License-Identifier: Apache-2.0
"""The age of an image, whether an answer is too old, and the stages outside the pipeline."""

import pytest
from serving.doubles import FakeCamera, FakeImage

from trt_segmentation.frame import Wanted
from trt_segmentation.serving.job import Job, measure_age_ms

NOW = 10**13


def job():
    image = FakeImage()
    image.arrived = 100.0
    return Job(FakeCamera(), image, None, image.frame(), Wanted(), 100.1, 100.3)


@pytest.mark.parametrize('age_ms, limit_ms, expected', [
    (300.0, 0.0, False), (300.0, 299.0, True), (300.0, 300.0, False), (300.0, 400.0, False),
    (None, 499.0, True), (None, 501.0, False), (None, 0.0, False), (-50.0, 10.0, False)])
def test_an_answer_is_too_old_by_its_stamp_or_else_by_its_arrival(age_ms, limit_ms, expected):
    assert job().is_too_old(age_ms, 100.5, limit_ms) == expected


def test_the_stages_outside_the_pipeline():
    assert job().stage_times(100.6, 101.0) == {
        'wait': pytest.approx(100), 'decode': pytest.approx(200), 'publish': pytest.approx(400),
        'total': pytest.approx(1000)}


@pytest.mark.parametrize(('stamp_ns', 'now_ns', 'age'), [
    (NOW - 250_000_000, NOW, 250.0), (NOW, NOW, 0.0),
    (NOW + 999_000_000, NOW, -999.0),  # the camera's clock may be up to 1 s ahead
    (NOW + 1_000_000_000, NOW, None),
    (NOW - 3_599 * 10**9, NOW, 3_599_000.0), (NOW - 3_600 * 10**9, NOW, None),
    (0, 0, None)])  # /clock has not started
def test_an_age_is_measured_if_stamp_and_clock_share_a_time_base(stamp_ns, now_ns, age):
    assert measure_age_ms(stamp_ns, now_ns) == age
